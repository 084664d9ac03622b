"""`danelaw auth` and signatures made by hand: every tag right and wrong, every kind of key record, every change of the
message. The cases name the place in RFC 6376 unless they say another.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from tests.authentication.hand_signing import canonical_body, hand_signed
from tests.authentication.plain_dns import SERVFAIL, SILENT, Zone, judged, serving
from tests.dkim.dkim_samples import ed25519_key, rsa_key, txt

NOW = 1_790_000_000
BODY = b"Hello  there \r\n\r\nBye\r\n\r\n"
MESSAGE = b"From: Joe <joe@example.org>\r\nTo: a@b.example\r\nSubject: hi\r\n\r\n" + BODY
WHOLE = len(canonical_body(BODY, "relaxed"))
OVERSIGNED = "from:from:to:to:subject:subject"

# A key of 512 bits cannot be made by the library any more; made once with openssl, for this test only.
RSA_512 = b"""-----BEGIN RSA PRIVATE KEY-----
MIIBOgIBAAJBAJ0FBtDCEgw4EKxSxIp+FkPfmdGCN8G+3AiHGDXVvnEhEXub7CY1
pCsys7O99nBhHtOhm6IV9ikKh96L/eB/5y8CAwEAAQJBAIZCNwqm9lGWWsNN3hnh
J96PQXG/2zcBoBh2kv/tLHKDkfCPYd8IevNcnOsxdPq5osMkuyuxlXsIsKp35PCc
HHECIQDOhnx5WrISUn1b88R9saOH5HIJSQ3NPevrUuNTOfGUCQIhAMKihRt2nhk6
PclEQp7JD/gxNMvnOrVgPmLcCGxVzx93AiB6JY5vE9YoAgPEo7s+ABdRIyrTFRMF
pa7n4oEy0x1vSQIgMKSjdaColI98v59iswJ3DkVl94vbnVbnYJezNzge4rMCID7T
hK2Bx12VkO+y6ekfGTxg0LKAMrnGcbdZf7Xj+nAN
-----END RSA PRIVATE KEY-----
"""


def _public(key: RSAPrivateKey | Ed25519PrivateKey, form: PublicFormat = PublicFormat.SubjectPublicKeyInfo) -> str:
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
    return base64.b64encode(key.public_key().public_bytes(Encoding.DER, form)).decode()


def _short_key() -> RSAPrivateKey:
    key = load_pem_private_key(RSA_512, None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key


class Key(NamedTuple):
    """A key record under a selector of that name; the key that signs; the result, and a word of the reason."""

    record: str
    result: str
    word: str = "verifies"
    key: RSAPrivateKey | Ed25519PrivateKey | None = None


def _keys() -> dict[str, Key]:
    rsa, ed25519 = rsa_key(), ed25519_key()
    p = _public(rsa)
    return {
        "r": Key(f"v=DKIM1; k=rsa; p={p}", "pass"),
        "bare": Key(f"p={p}", "pass"),  # §3.6.1: v= is only recommended
        "spaced": Key(f"v=DKIM1; p={p[:60]} {p[60:]}", "pass"),
        "closed": Key(f"v=DKIM1;p={p};", "pass"),
        "unknown-tag": Key(f"v=DKIM1; zz=1; p={p}", "pass"),
        "pkcs1": Key(f"v=DKIM1; p={_public(rsa, PublicFormat.PKCS1)}", "pass"),  # erratum 3017
        "email": Key(f"v=DKIM1; s=email; p={p}", "pass"),
        "both-hashes": Key(f"v=DKIM1; h=sha1:sha256; p={p}", "pass"),
        "strict": Key(f"v=DKIM1; t=s; p={p}", "pass"),
        "e": Key(f"v=DKIM1; k=ed25519; p={_public(ed25519)}", "pass", key=ed25519),  # RFC 8463 §4.2
        "k1024": Key(f"p={_public(rsa_key(1024))}", "pass", key=rsa_key(1024)),  # RFC 8301 §3.2
        "k4096": Key(f"p={_public(rsa_key(4096))}", "pass", key=rsa_key(4096)),
        "k512": Key(f"p={_public(_short_key())}", "permerror", "512 bits", _short_key()),  # RFC 8301 §3.2
        "testing": Key(f"v=DKIM1; t=y; p={p}", "pass", "t=y"),
        "revoked": Key("v=DKIM1; p=", "permerror", "revoked"),
        "only-sha1": Key(f"v=DKIM1; h=sha1; p={p}", "permerror", "sha256"),
        "dsa": Key(f"v=DKIM1; k=dsa; p={p}", "permerror", "k=dsa"),
        "not-ed25519": Key(f"v=DKIM1; k=ed25519; p={p}", "permerror", "k=ed25519"),
        "not-for-mail": Key(f"v=DKIM1; s=other; p={p}", "permerror", "not for mail"),
        "version-last": Key(f"k=rsa; p={p}; v=DKIM1", "permerror", "first"),
        "version-two": Key(f"v=DKIM2; p={p}", "permerror", "DKIM2"),
        "no-key": Key("v=DKIM1; k=rsa", "permerror", "no p="),
        "no-base64": Key("v=DKIM1; p=!!!!", "permerror", "base64"),
        "no-list": Key("hello", "permerror", "hello"),
        "twice": Key(f"v=DKIM1; p={p}; p={p}", "permerror", "twice"),  # §3.2
        "escaped": Key(f"v=DKIM1\\\\; p={p}", "permerror", "backslash"),
    }


KEYS = _keys()
SIGNER = rsa_key()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    p = KEYS["r"].record
    lines = ['_dmarc.example.org TXT "v=DMARC1; p=reject"', 'stranger.test TXT "v=spf1 +all"']
    lines += [txt(f"{selector}._domainkey.example.org", key.record) for selector, key in KEYS.items()]
    # §3.6.2.2: several records are undefined; each is tried
    lines += [txt("several._domainkey.example.org", one) for one in ("v=DKIM1; p=", KEYS["k1024"].record, p)]
    lines += [
        "alias._domainkey.example.org CNAME r._domainkey.example.org.",
        "bare._domainkey.sub.example.org A 192.0.2.1",
    ]
    lines += [txt(f"r._domainkey.{domain}", p) for domain in ("stranger.test", "sub.example.org", "xn--bcher-kva.test")]
    broken = {
        ("down._domainkey.example.org", "TXT"): SERVFAIL,
        ("mute._domainkey.example.org", "TXT"): SILENT,
    }
    with serving(Zone("\n".join(lines), broken)) as address:
        yield address


def verdict(server: str, octets: bytes) -> tuple[str, str, str, str]:
    """Result and reason of the first signature, DMARC's result and what would be done."""
    said = judged(octets, server, ip="203.0.113.9", mail_from="x@stranger.test", at=str(NOW))
    first = said["dkim"][0]
    return first["result"], first["reason"], said["dmarc"]["result"], said["decision"]["action"]


@pytest.mark.parametrize("selector", list(KEYS))
def test_key_records(server: str, selector: str) -> None:
    wanted = KEYS[selector]
    result, reason, dmarc, _ = verdict(server, hand_signed(MESSAGE, wanted.key or SIGNER, s=selector))
    assert result == wanted.result, reason
    assert wanted.word in reason
    # §3.6.1: a domain that only tests is treated as if it had not signed
    assert dmarc == ("pass" if result == "pass" and selector != "testing" else "fail")


@pytest.mark.parametrize(
    ("selector", "result", "dmarc"),
    [
        ("several", "pass", "pass"),
        ("alias", "pass", "pass"),
        ("absent", "permerror", "fail"),
        ("down", "temperror", "temperror"),
        ("mute", "temperror", "temperror"),
    ],
)
def test_answers_for_keys(server: str, selector: str, result: str, dmarc: str) -> None:
    assert verdict(server, hand_signed(MESSAGE, SIGNER, s=selector))[::2] == (result, dmarc)


# Tags, the result, a word of the reason.
TAGS: tuple[tuple[dict[str, str | None], str, str], ...] = (
    ({"c": None}, "pass", ""),
    *(({"c": way}, "pass", "") for way in ("simple", "relaxed", "simple/simple", "simple/relaxed", "relaxed/simple")),
    ({"c": "nofws/simple"}, "neutral", "c="),  # §3.4: an unknown one is ignored
    ({"c": "a b"}, "permerror", "c="),
    ({"a": "rsa-sha1"}, "permerror", "RFC 8301"),
    ({"a": "rsa-md5"}, "neutral", "rsa-md5"),
    ({"a": "ed25519-sha256"}, "permerror", "k=rsa"),
    ({"x": str(NOW + 60)}, "pass", ""),
    ({"x": str(NOW - 3600)}, "policy", "expired"),  # §3.5
    ({"t": str(NOW - 60), "x": str(NOW - 3600)}, "permerror", "x="),
    ({"t": str(NOW + 3600)}, "policy", "future"),
    ({"t": "abc"}, "permerror", "t="),
    ({"x": "1e9"}, "permerror", "x="),
    ({"x": "9" * 13}, "permerror", "x="),
    ({"i": "joe@sub.example.org"}, "pass", ""),
    ({"i": "@EXAMPLE.org"}, "pass", ""),
    ({"i": "j=6Fe@example.org"}, "pass", ""),  # §2.11
    ({"i": "joe@evil.test"}, "permerror", "i="),
    ({"i": "joe@evilexample.org"}, "permerror", "i="),
    ({"i": "example.org"}, "permerror", "i="),
    ({"i": ""}, "permerror", "i="),
    ({"i": "x@sub.example.org", "s": "strict"}, "permerror", "t=s"),  # §3.6.1
    ({"i": "x@example.org", "s": "strict"}, "pass", ""),
    ({"h": "to:subject"}, "permerror", "From"),  # §6.1.1
    ({"h": ""}, "permerror", "h="),
    ({"h": "from::to"}, "permerror", "h="),
    ({"h": "from : to : subject"}, "pass", ""),
    ({"h": "FROM:To"}, "pass", ""),
    ({"h": OVERSIGNED}, "pass", ""),
    ({"h": "from:x-none:cc"}, "pass", ""),  # §5.4: absent fields may be named
    ({"l": str(WHOLE)}, "pass", ""),
    ({"l": "9999"}, "permerror", "l="),
    ({"l": "-1"}, "permerror", "l="),
    ({"l": "x"}, "permerror", "l="),
    *(({tag: None}, "permerror", f"{tag}=") for tag in ("v", "a", "d", "s", "h", "bh")),  # §6.1.1
    ({"v": "2"}, "permerror", "v="),
    ({"v": "1.0"}, "permerror", "v="),
    ({"b": ""}, "permerror", "b="),
    ({"b": "!!!"}, "permerror", "b="),
    ({"b": "AAAA"}, "fail", "does not fit"),
    ({"bh": "!!"}, "permerror", "bh="),
    ({"bh": "AAAA"}, "permerror", "bh="),
    ({"bh": "A" * 43 + "="}, "fail", "bh="),
    ({"q": "dns/txt"}, "pass", ""),
    ({"q": "http:dns/txt"}, "pass", ""),
    ({"q": "http"}, "neutral", "q="),
    ({"zz": "1"}, "pass", ""),
    ({"z": "From:joe@x.example|To:y"}, "pass", ""),
    ({"d": "example.org; d=evil.test"}, "permerror", "twice"),  # §3.2
    ({"d": "EXAMPLE.ORG"}, "pass", ""),
    ({"d": "sub.example.org"}, "pass", ""),
    ({"d": "example.org."}, "permerror", "d="),
    ({"d": "org"}, "permerror", "d="),
    ({"d": "(x)example.org"}, "permerror", "d="),
)


@pytest.mark.parametrize(("tags", "result", "word"), TAGS, ids=[str(one[0]) for one in TAGS])
def test_tags(server: str, tags: dict[str, str | None], result: str, word: str) -> None:
    found, reason, dmarc, _ = verdict(server, hand_signed(MESSAGE, SIGNER, **tags))
    assert found == result, reason
    assert word in reason
    assert dmarc == ("pass" if result == "pass" else "fail")


@pytest.mark.parametrize("length", ["0", "5", str(WHOLE - 1)])
def test_a_body_longer_than_what_is_signed_gives_no_aligned_pass(server: str, length: str) -> None:
    """§8.2, and the lab of those who append to such messages."""
    result, reason, dmarc, action = verdict(server, hand_signed(MESSAGE, SIGNER, l=length))
    assert (result, dmarc, action) == ("pass", "fail", "refuse")
    assert "l=" in reason


@pytest.mark.parametrize(("domain", "dmarc"), [("stranger.test", "fail"), ("xn--bcher-kva.test", "fail")])
def test_a_stranger_signs_for_itself_only(server: str, domain: str, dmarc: str) -> None:
    assert verdict(server, hand_signed(MESSAGE, SIGNER, d=domain))[::2] == ("pass", dmarc)


@pytest.mark.parametrize("domain", ["bücher.test", "xn--bcher-kva.test"])
def test_internationalised_domains(server: str, domain: str) -> None:
    """RFC 8616 §5."""
    octets = MESSAGE.replace(b"example.org", "bücher.test".encode())
    said = judged(hand_signed(octets, SIGNER, d=domain), server, mail_from="", helo="x")
    assert (said["dkim"][0]["result"], said["dkim"][0]["domain"]) == ("pass", "xn--bcher-kva.test")


SIGNED, OVER, SIMPLE = (
    hand_signed(MESSAGE, SIGNER),
    hand_signed(MESSAGE, SIGNER, h=OVERSIGNED),
    hand_signed(MESSAGE, SIGNER, c="simple/simple"),
)
CHANGES: dict[str, tuple[bytes, str, str]] = {
    # §3.4.2, §3.4.4: what relaxed forgives
    "folding": (SIGNED.replace(b"Subject: hi", b"Subject:\r\n hi"), "pass", "pass"),
    "capitals of a name": (SIGNED.replace(b"Subject: hi", b"SUBJECT : hi"), "pass", "pass"),
    "white space at line ends": (SIGNED.replace(b"Bye\r\n", b"Bye  \t\r\n"), "pass", "pass"),
    "empty lines at the end": (SIGNED + b"\r\n\r\n", "pass", "pass"),
    "no final line end": (SIGNED.rstrip(b"\r\n"), "pass", "pass"),
    "LF": (SIGNED.replace(b"\r\n", b"\n"), "pass", "pass"),
    "name of the field": (SIGNED.replace(b"DKIM-Signature:", b"dkim-signature :"), "pass", "pass"),
    "b= on a line of its own": (SIGNED.replace(b"; b=", b"; b=\r\n\t"), "pass", "pass"),
    "an unsigned field": (b"X-A: b\r\n" + SIGNED, "pass", "pass"),
    # §3.4.1, §3.4.3: and what simple does not
    "simple, folding": (SIMPLE.replace(b"Subject: hi", b"Subject:\r\n hi"), "fail", "fail"),
    "simple, white space": (SIMPLE.replace(b"Bye\r\n", b"Bye \r\n"), "fail", "fail"),
    "simple, empty lines": (SIMPLE + b"\r\n", "pass", "pass"),
    "body": (SIGNED.replace(b"Bye", b"Die"), "fail", "fail"),
    "more body": (SIGNED + b"more\r\n", "fail", "fail"),
    "subject": (SIGNED.replace(b"Subject: hi", b"Subject: ho"), "fail", "fail"),
    "author": (SIGNED.replace(b"Joe <joe@", b"Ann <ann@"), "fail", "fail"),
    # §5.4.2: the lowest field is the one that is signed; §8.15: signing once more than it stands there tells of others
    "a subject above": (b"Subject: evil\r\n" + SIGNED, "pass", "pass"),
    "a subject above, oversigned": (b"Subject: evil\r\n" + OVER, "fail", "fail"),
    "a subject below": (SIGNED.replace(b"\r\n\r\n", b"\r\nSubject: evil\r\n\r\n", 1), "fail", "fail"),
    "an author above": (b"From: b@evil.test\r\n" + SIGNED, "policy", "permerror"),
    "an author above, oversigned": (b"From: b@evil.test\r\n" + OVER, "fail", "permerror"),
}


@pytest.mark.parametrize(("octets", "result", "dmarc"), list(CHANGES.values()), ids=list(CHANGES))
def test_changes(server: str, octets: bytes, result: str, dmarc: str) -> None:
    assert verdict(server, octets)[::2] == (result, dmarc)


def test_both_algorithms_and_several_signatures_are_listed_top_first(server: str) -> None:
    """RFC 8463 §3; RFC 6376 §4.2."""
    octets = hand_signed(hand_signed(hand_signed(MESSAGE, SIGNER), ed25519_key()), SIGNER, d="stranger.test")
    said = judged(octets, server, mail_from="", helo="x")
    assert [(one["result"], one["domain"], one["selector"]) for one in said["dkim"]] == [
        ("pass", "stranger.test", "r"),
        ("pass", "example.org", "e"),
        ("pass", "example.org", "r"),
    ]
    assert said["dmarc"]["result"] == "pass"


def test_an_empty_body_is_signed_both_ways(server: str) -> None:
    """§3.4.3 makes a CRLF of it, §3.4.4 nothing."""
    for way in ("simple/simple", "relaxed/relaxed"):
        assert verdict(server, hand_signed(MESSAGE[: -len(BODY)], SIGNER, c=way))[0] == "pass"
