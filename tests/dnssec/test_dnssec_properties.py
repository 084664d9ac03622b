"""Properties over arbitrary input: parsers never raise, signatures of every algorithm, canonical order, time."""

from __future__ import annotations

import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from dns.dnssectypes import Algorithm
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.dnssec.signing import NOW, name
from tests.dnssec.world import questions, world

from danelaw.dnsdata import Question
from danelaw.dnssec import AlgorithmPolicy, Response, ValidatorLimits
from danelaw.dnssec.keys import ZoneKeys, signature_is_valid
from danelaw.dnssec.limits import Budget, LimitExceeded
from danelaw.dnssec.nsec import NSECProofs, closest_encloser
from danelaw.dnssec.nsec3 import nsec3_hash
from danelaw.dnssec.response import SignedRRset
from danelaw.dnssec.trust import NoCut, TrustCache
from danelaw.dnssec.verify import Verified, owner_labels, signed_data, verify
from fuzz import dnssec_anchors, dnssec_response

PRIVATE = {
    8: rsa.generate_private_key(65537, 1024),
    10: rsa.generate_private_key(65537, 1024),
    13: ec.generate_private_key(ec.SECP256R1()),
    14: ec.generate_private_key(ec.SECP384R1()),
    15: ed25519.Ed25519PrivateKey.generate(),
    16: ed448.Ed448PrivateKey.generate(),
}


@given(st.binary(max_size=600))
@settings(max_examples=150)
def test_octets_never_raise(data: bytes) -> None:
    response = Response.from_wire(Question.from_text("example.org.", "MX"), data)
    assert response.problem is not None or response.message is not None


@given(st.binary(max_size=800))
@settings(max_examples=100)
@example(b"")
@example(b"\x00\x20" + b"\x02\x02" * 16)
def test_the_validator_survives_octets(data: bytes) -> None:
    dnssec_response.test_one_input(data)


@given(st.one_of(st.binary(max_size=200), st.text(alphabet=". DSKEYN0123456789abc()\n;", max_size=120).map(str.encode)))
@settings(max_examples=150)
@example(b". IN DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D")
def test_anchors_are_read_or_refused(data: bytes) -> None:
    dnssec_anchors.test_one_input(data)


@given(st.data())
@settings(max_examples=60)
def test_real_responses_with_flipped_octets_never_raise(data: st.DataObject) -> None:
    question = data.draw(st.sampled_from(list(questions())[:200]))
    wire = bytearray(world().wire(question))
    for position in data.draw(st.lists(st.integers(0, len(wire) - 1), max_size=5)):
        wire[position] = data.draw(st.integers(0, 255))
    Response.from_wire(question, bytes(wire))


@pytest.mark.parametrize("algorithm", sorted(PRIVATE))
def test_signatures_of_every_supported_algorithm(algorithm: int) -> None:
    zone, owner = name("example."), name("www.example.")
    private = PRIVATE[algorithm]
    key = dns.dnssec.make_dnskey(private.public_key(), Algorithm(algorithm))
    rrset = dns.rrset.from_text(owner, 60, "IN", "A", "192.0.2.2", "192.0.2.1")
    signature = dns.dnssec.sign(rrset, private, zone, key, NOW - 10, NOW + 10)
    keys, budget = ZoneKeys([key], AlgorithmPolicy()), Budget(ValidatorLimits())
    good = verify(SignedRRset(rrset, (signature,)), zone, keys, NOW, budget)
    assert isinstance(good, Verified)
    assert good.expires == NOW + 10
    broken = signature.replace(signature=signature.signature[:-1] + bytes([signature.signature[-1] ^ 1]))
    assert not isinstance(verify(SignedRRset(rrset, (broken,)), zone, keys, NOW, budget), Verified)
    short = signature.replace(signature=signature.signature[:-1])
    assert not isinstance(verify(SignedRRset(rrset, (short,)), zone, keys, NOW, budget), Verified)


@pytest.mark.parametrize("algorithm", sorted(PRIVATE))
@pytest.mark.parametrize("octets", [b"", b"\x00", b"\x00\xff\xff", b"\x03\x01\x00\x01", bytes(64), b"\xff" * 97])
def test_malformed_keys_verify_nothing(algorithm: int, octets: bytes) -> None:
    key = dns.dnssec.make_dnskey(PRIVATE[algorithm].public_key(), Algorithm(algorithm)).replace(key=octets)
    assert not signature_is_valid(key, bytes(64), b"data", AlgorithmPolicy())


@pytest.mark.parametrize(("bits", "exponent", "allowed"), [(1024, 3, True), (1016, 3, False), (4104, 3, False)])
def test_rsa_key_sizes(bits: int, exponent: int, allowed: bool) -> None:
    modulus = (1 << (bits - 1)) | 1
    octets = bytes([1, exponent]) + modulus.to_bytes(bits // 8, "big")
    from danelaw.dnssec.keys import _load_rsa

    assert (_load_rsa(octets, AlgorithmPolicy()) is not None) is allowed
    huge = b"\x00\x01\x00" + b"\x01" * 256 + modulus.to_bytes(bits // 8, "big")
    assert _load_rsa(huge, AlgorithmPolicy()) is None


@pytest.mark.parametrize(
    ("rdtype", "upper", "lower"),
    [
        ("MX", "10 MX.Example.", "10 mx.example."),
        ("NS", "NS.Example.", "ns.example."),
        ("CNAME", "A.Example.", "a.example."),
        ("DNAME", "A.Example.", "a.example."),
        ("SRV", "1 2 25 MX.Example.", "1 2 25 mx.example."),
        ("SOA", "A.Ex. H.Ex. 1 2 3 4 5", "a.ex. h.ex. 1 2 3 4 5"),
        ("PTR", "A.Example.", "a.example."),
        ("NAPTR", '1 1 "s" "x" "" A.Example.', '1 1 "s" "x" "" a.example.'),
    ],
)
def test_names_in_rdata_are_lower_case_in_canonical_form(rdtype: str, upper: str, lower: str) -> None:
    """RFC 4034 §6.2 as amended by RFC 6840 §5.1."""
    first, second = (dns.rrset.from_text("Www.Example.", 60, "IN", rdtype, text) for text in (upper, lower))
    signature = world().zones[name("test.")].signature(next(iter(world().zones[name("test.")].nodes.values()))[2])[0]
    assert signed_data(first, signature) == signed_data(second, signature)


@pytest.mark.parametrize(
    ("rdtype", "upper", "lower"), [("NSEC", "A.Example. A", "a.example. A"), ("TXT", '"Ab"', '"ab"')]
)
def test_other_rdata_keeps_its_case(rdtype: str, upper: str, lower: str) -> None:
    """RFC 6840 §5.1: NSEC is not on the list."""
    first, second = (dns.rrset.from_text("www.example.", 60, "IN", rdtype, text) for text in (upper, lower))
    assert first[0].to_digestable() != second[0].to_digestable()


def test_the_hash_of_rfc_5155_appendix_a() -> None:
    digest = nsec3_hash(name("a.example."), bytes.fromhex("aabbccdd"), 12)
    import base64

    assert base64.b32hexencode(digest).decode().lower() == "35mthgpgcu1qg68fab165klnsnk3dpvl"


def test_closest_encloser_of_rfc_4592() -> None:
    encloser = closest_encloser(name("ghost.*.example."), name("*.example."), name("host1.example."))
    assert encloser == name("*.example.")
    assert closest_encloser(name("x.y.example."), name("example."), name("host.example.")) == name("example.")


@pytest.mark.parametrize(("text", "labels"), [(".", 0), ("*.", 0), ("example.", 1), ("*.example.", 1), ("a.b.", 2)])
def test_the_labels_field(text: str, labels: int) -> None:
    assert owner_labels(name(text)) == labels


def test_the_last_nsec_covers_to_the_end_of_its_zone_only() -> None:
    rrset = dns.rrset.from_text("z.example.", 60, "IN", "NSEC", "example. A")
    proofs = NSECProofs(name("example."), [Verified(rrset, NOW)])
    assert proofs.cut(name("zz.example.")).state.name == "NO_NAME"
    assert proofs.cut(name("zz.other.")).state.name == "NOT"
    assert proofs.cut(name("a.example.")).state.name == "NOT"


def test_the_memory_is_bounded_and_forgets() -> None:
    cache = TrustCache(2)
    for number in range(3):
        cache.put(name(f"z{number}."), NoCut(dns.name.root, False, NOW + 60), NOW)
    assert len(cache) == 2
    assert cache.get(name("z0."), NOW) is None
    assert cache.get(name("z2."), NOW) is not None
    assert cache.get(name("z2."), NOW + 60) is None
    assert cache.get(name("z1."), NOW - 1) is None


def test_the_budget_ends() -> None:
    budget = Budget(ValidatorLimits(failed_checks=2))
    budget.failure()
    budget.failure()
    with pytest.raises(LimitExceeded):
        budget.failure()
