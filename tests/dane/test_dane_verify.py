"""`dane.verify` and `dane.usable`: what is said of every record, and why a chain is refused (RFC 7671, RFC 7672 §3).

Which chains pass is compared with OpenSSL in test_dane_openssl.py.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.dane.chains import MX, der, issued, records
from tests.pkix.authority import NOW, make

from danelaw.address import Domain
from danelaw.dane import DANEResult, TLSARecord, TLSARecordError, usable, verify
from danelaw.dane.verify import MAX_ANCHORS

HOST = Domain(MX)


def judged(published: str, shown: str, *names: str) -> DANEResult:
    return verify(records(published), der(shown), tuple(map(Domain, names)) or (HOST,), NOW)


# Records nobody can use

SPKI = make("mx").spki
UNUSABLE = [
    ((0, 0, 1, bytes(32)), "usage 0 (PKIX-TA) is not for mail"),
    ((1, 1, 1, bytes(32)), "usage 1 (PKIX-EE) is not for mail"),
    ((4, 1, 1, bytes(32)), "usage 4 is unknown"),
    ((255, 1, 1, bytes(32)), "usage 255 is unknown"),
    ((3, 2, 1, bytes(32)), "selector 2 is unknown"),
    ((2, 255, 1, bytes(32)), "selector 255 is unknown"),
    ((3, 1, 3, bytes(32)), "matching type 3 is unknown"),
    ((3, 1, 255, bytes(32)), "matching type 255 is unknown"),
    ((3, 1, 1, bytes(31)), "a SHA2-256 digest has 32 octets, this one 31"),
    ((3, 1, 1, bytes(33)), "a SHA2-256 digest has 32 octets, this one 33"),
    ((3, 0, 2, bytes(32)), "a SHA2-512 digest has 64 octets, this one 32"),
    ((2, 1, 2, b""), "a SHA2-512 digest has 64 octets, this one 0"),
    ((3, 1, 0, b""), "its data is no public key"),
    ((3, 1, 0, bytes(32)), "its data is no public key"),
    ((3, 1, 0, SPKI + b"\0"), "its data is no public key"),
    ((2, 1, 0, SPKI[:-1]), "its data is no public key"),
    ((3, 0, 0, SPKI), "its data is no certificate"),
    ((2, 0, 0, make("mx").der[:-1]), "its data is no certificate"),
    ((3, 1, 0, make("mx").der), "its data is no public key"),
]


@pytest.mark.parametrize(("fields", "words"), UNUSABLE)
def test_why_a_record_cannot_be_used(fields: tuple[int, int, int, bytes], words: str) -> None:
    (verdict,) = usable([TLSARecord(*fields)])
    assert not verdict.usable
    assert not verdict.matched
    assert words in verdict.reason
    result = verify([TLSARecord(*fields)], der("leaf middle root"), (HOST,), NOW)
    assert (result.ok, result.tlsrpt, result.reason) == (False, "tlsa-invalid", "no TLSA record is usable for mail")
    assert words in result.verdicts[0].reason


@pytest.mark.parametrize("words", ["3 1 1", "3 1 2", "3 0 0", "3 1 0", "2 0 1", "2 1 0", "2 0 0", "2 1 2"])
def test_what_can_be_used(words: str) -> None:
    (verdict,) = usable(records(f"{words} root"))
    assert (verdict.usable, verdict.reason) == (True, "usable")


def test_without_records_or_without_a_chain_nobody_is_verified() -> None:
    assert verify((), der("leaf"), (HOST,), NOW).tlsrpt == "tlsa-invalid"
    nothing = verify(records("3 1 1 leaf"), (), (HOST,), NOW)
    assert (nothing.ok, nothing.reason) == (False, "the server shows no certificate")
    assert nothing.verdicts[0].usable


# Digest agility (RFC 7671 §9)


def test_only_the_strongest_digest_per_usage_and_selector_counts() -> None:
    result = judged("3 1 1 leaf,3 1 2 leaf broken", "leaf middle root")
    assert not result.ok
    assert "3 1 is also published with SHA2-512" in result.verdicts[0].reason
    assert result.verdicts[0].usable


@pytest.mark.parametrize(
    ("published", "matched"),
    [
        ("3 0 2 leaf broken,3 1 1 leaf", 1),  # another selector
        ("2 1 2 root broken,3 1 1 leaf", 1),  # another usage
        ("3 1 2 leaf short,3 1 1 leaf", 1),  # an unusable record has no part in it
        ("3 1 2 leaf broken,3 1 0 leaf", 1),  # full data always counts
        ("3 1 2 leaf broken,3 1 2 leaf", 1),  # one of several with the strongest
        ("3 1 9 leaf,3 1 1 leaf", 1),  # an unknown matching type is not stronger
        ("3 1 1 leaf broken,3 1 2 leaf", 1),
    ],
)
def test_what_agility_leaves_alone(published: str, matched: int) -> None:
    result = judged(published, "leaf middle root")
    assert result.ok
    assert result.matched == records(published)[matched]
    assert [verdict.matched for verdict in result.verdicts].index(True) == matched


# DANE-EE: nothing else counts (RFC 7672 §3.1.1)


@pytest.mark.parametrize(
    ("leaf", "words"),
    [
        ("expired", "certificate expired, but 3 1 1 trusts the key"),
        ("future", "certificate not yet valid, but 3 1 1 trusts the key"),
        ("other", "server's key is the one in signed DNS"),
        ("client", "server's key is the one in signed DNS"),
        ("forged", "server's key is the one in signed DNS"),
        ("root", "server's key is the one in signed DNS"),
    ],
)
def test_names_dates_and_purposes_mean_nothing_to_an_end_entity_match(leaf: str, words: str) -> None:
    result = judged(f"3 1 1 {leaf}", leaf)
    assert (result.ok, result.reason, result.depth, result.tlsrpt) == (True, words, 0, None)
    assert judged(f"3 0 1 {leaf}", leaf, "another.example").ok


def test_only_the_first_certificate_is_the_servers() -> None:
    result = judged("3 1 1 middle", "leaf middle root")
    assert not result.ok
    assert result.reason == result.verdicts[0].reason
    assert " shown, " in result.reason
    assert result.reason.endswith(" published")


def test_the_matching_record_of_several_is_named_and_the_rest_not_needed() -> None:
    result = judged("3 1 1 leaf broken,3 1 1 leaf,2 0 1 root,9 1 1 leaf", "leaf middle root")
    assert result.reason.startswith("key is TLSA 2 of 4 (3 1 1 ")
    words = [verdict.reason for verdict in result.verdicts]
    assert [verdict.matched for verdict in result.verdicts] == [False, True, False, False]
    assert words[2] == "not needed: record 2 matches"
    assert words[3] == "unusable: usage 9 is unknown"


def test_several_records_none_matching_show_the_key() -> None:
    result = judged("3 1 1 leaf broken,3 0 1 leaf broken", "leaf")
    assert result.reason.startswith("key ")
    assert "matches none of 2 TLSA records" in result.reason
    assert result.tlsrpt == "tlsa-invalid"


# DANE-TA: path, dates, constraints, purpose, name (RFC 7672 §3.1.2, §3.2.2)


@pytest.mark.parametrize(
    ("published", "shown", "tlsrpt", "words"),
    [
        ("2 0 1 root", "expired root", "certificate-expired", "the certificate has expired"),
        ("2 0 1 root", "future root", "validation-failure", "the certificate is not yet valid"),
        (
            "2 0 1 root",
            "old-middle-leaf old-middle root",
            "certificate-expired",
            "a CA certificate in the chain has expired",
        ),
        (
            "2 0 1 old-root",
            "old-root-leaf old-root",
            "certificate-expired",
            "a CA certificate in the chain has expired",
        ),
        ("2 0 1 root", "other root", "certificate-host-mismatch", "but for mx.other.example, not for mx.example.org"),
        ("2 0 1 root", "nameless root", "certificate-host-mismatch", "but for nameless, not for"),
        ("2 0 1 root", "client root", "validation-failure", "not meant for TLS servers"),
        ("2 0 1 root", "client-ca-leaf client-ca root", "validation-failure", "not meant for TLS servers"),
        ("2 0 1 root", "too-deep below-short short root", "validation-failure", "allows fewer CAs below it"),
        ("2 0 1 root", "fenced-leaf fenced root", "validation-failure", "may not issue for this name"),
        ("2 0 1 root", "no-ca-leaf no-ca root", "validation-failure", "CA"),
        ("2 0 1 root", "forged root", "validation-failure", "a signature that is not its issuer's"),
        ("2 0 1 root", "leaf root", "certificate-not-trusted", "CA of DNS found, but"),
        ("2 1 1 root", "leaf middle", "tlsa-invalid", "no CA key in the server's chain is"),
        ("2 0 1 root", "leaf middle", "tlsa-invalid", "no CA certificate in the server's chain is"),
    ],
)
def test_why_a_chain_to_an_anchor_is_refused(published: str, shown: str, tlsrpt: str, words: str) -> None:
    result = judged(published, shown)
    assert (result.ok, result.tlsrpt) == (False, tlsrpt), result.reason
    assert words in result.reason
    assert not result.verdicts[0].matched


@pytest.mark.parametrize(
    ("shown", "names", "ok"),
    [
        ("leaf middle root", ("mx.example.org", "example.org"), True),
        ("leaf middle root", ("example.org", "mx.example.org"), True),
        ("leaf middle root", ("example.org", "mx.example.net"), False),
        ("other root", ("mx.example.org", "mx.other.example"), True),  # secure MX: the next-hop domain counts too
        ("wild root", ("example.org",), False),
        ("wild root", ("a.mx.example.org",), False),
        ("wild root", ("example.net", "mx7.example.org"), True),
        ("cn-wild root", ("mx7.example.org",), True),
        ("cn-and-dns root", ("mx.example.org", "mx.other.example"), True),
        ("leaf middle root", (), False),
    ],
)
def test_any_reference_identifier_will_do(shown: str, names: tuple[str, ...], ok: bool) -> None:
    result = verify(records("2 0 1 root"), der(shown), tuple(map(Domain, names)), NOW)
    assert result.ok is ok, result
    if not ok:
        assert result.tlsrpt == "certificate-host-mismatch"


@pytest.mark.parametrize(
    ("published", "shown", "depth"),
    [
        ("2 0 1 root", "leaf middle root", 2),
        ("2 1 1 middle", "leaf middle root", 1),
        ("2 0 0 root", "leaf middle", 2),
        ("2 1 0 root", "leaf middle", 1),
        ("2 1 0 middle", "leaf", 0),
    ],
)
def test_depth_tells_where_the_path_ends(published: str, shown: str, depth: int) -> None:
    result = judged(published, shown)
    assert (result.ok, result.depth, result.reason) == (True, depth, "issued by the CA in DNS, name matches")


def test_a_found_anchor_is_more_telling_than_a_key_that_does_not_match() -> None:
    result = judged("3 1 1 leaf broken,2 0 1 root", "expired root")
    assert (result.tlsrpt, "has expired" in result.reason) == ("certificate-expired", True)


def test_anchors_beyond_the_limit_are_not_tried() -> None:
    many = records("2 0 1 stranger") * MAX_ANCHORS + records("2 0 1 root")
    result = verify(many, der("leaf middle root"), (HOST,), NOW)
    assert not result.ok
    assert result.verdicts[-1].reason == f"not tried: more than {MAX_ANCHORS} records name a CA"


def test_a_chain_in_disorder_or_with_rubbish_behind_the_leaf_still_leads_to_the_anchor() -> None:
    rubbish = (der("leaf")[0], b"\x30\x03junk", der("stranger")[0], der("root")[0], der("middle")[0])
    assert verify(records("2 0 1 root"), rubbish, (HOST,), NOW).ok


def test_a_leaf_that_is_no_certificate() -> None:
    for published in ("3 1 1 leaf", "2 0 1 root"):
        result = verify(records(published), (b"\x30\x03junk", der("root")[0]), (HOST,), NOW)
        assert not result.ok
    # Full certificate data compares octets; whether they are a certificate was asked of the record.
    assert not verify(records("3 0 0 leaf"), (b"junk",), (HOST,), NOW).ok


@given(st.data())
def test_damaged_chains_never_raise_and_never_pass_by_an_anchor(data: st.DataObject) -> None:
    whole = list(der("root-leaf root"))
    damaged = bytearray(whole[0])
    at = data.draw(st.integers(0, len(damaged) - 1))
    damaged[at] ^= data.draw(st.integers(1, 255))
    result = verify(records("2 0 1 root,3 0 1 root-leaf"), (bytes(damaged), whole[1]), (HOST,), NOW)
    assert not result.ok


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255), st.binary(max_size=80))))
def test_records_of_strangers_never_raise_and_get_one_verdict_each(
    fields: list[tuple[int, int, int, bytes]],
) -> None:
    made = [TLSARecord(*one) for one in fields]
    result = verify(made, der("leaf middle root"), (HOST,), NOW)
    assert [verdict.record for verdict in result.verdicts] == made
    assert not result.ok
    assert [TLSARecord.from_text(one.to_text()) for one in made] == made


# Text


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("3 1 1 ABcd", TLSARecord(3, 1, 1, b"\xab\xcd")),
        ("3 1 1 ab cd\tef", TLSARecord(3, 1, 1, b"\xab\xcd\xef")),
        ("  255\t0 0  00 ", TLSARecord(255, 0, 0, b"\0")),
        ("3 1 1", TLSARecord(3, 1, 1, b"")),
    ],
)
def test_presentation_format(text: str, record: TLSARecord) -> None:
    assert TLSARecord.from_text(text) == record


@pytest.mark.parametrize(
    "text", ["", "3 1", "3 1 1 abc", "3 1 1 xy", "256 1 1 ab", "-1 1 1 ab", "٣ 1 1 ab", "3 1 1 0xab"]
)
def test_what_is_no_record_is_refused_in_words(text: str) -> None:
    with pytest.raises(TLSARecordError, match=r"\S"):
        TLSARecord.from_text(text)


def test_every_certificate_of_the_tests_is_its_own() -> None:
    assert len({one.der for one in issued().values()}) == len(issued())
