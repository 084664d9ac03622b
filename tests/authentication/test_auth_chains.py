"""`danelaw auth` and ARC: chains that hold, and every way to break one (RFC 8617 §5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

import pytest
from tests.authentication.plain_dns import SERVFAIL, Zone, judged, serving
from tests.dkim.dkim_samples import NOW, rsa_key, rsa_signer, split, txt

from danelaw.address import Domain
from danelaw.arc import ChainStatus, seal
from danelaw.dkim import PrivateKey, SigningKey

MESSAGE = b"From: Joe <joe@example.org>\r\nTo: a@b.example\r\nSubject: hi\r\n\r\nHello\r\n"
SEALERS = ("one.example", "two.example", "three.example")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    record = rsa_signer().key.record().to_text()
    zone = [txt(f"a._domainkey.{domain}", record) for domain in SEALERS]
    zone.append('_dmarc.example.org TXT "v=DMARC1; p=reject"')
    with serving(Zone("".join(zone[:3]) + zone[3], {("down._domainkey.one.example", "TXT"): SERVFAIL})) as address:
        yield address


@cache
def sealed(count: int, selector: str = "a", *, status: ChainStatus | None = None) -> bytes:
    """The message after so many sealers; the last one says `status`."""
    octets = MESSAGE
    for place in range(count):
        fields, body = split(octets)
        key = SigningKey(Domain.from_text(SEALERS[place % 3]), selector, PrivateKey.from_key(rsa_key()))
        found = ChainStatus.PASS if place else ChainStatus.NONE
        if status is not None and place == count - 1:
            found = status
        octets = b"".join(seal(fields, body, key, f"{SEALERS[place % 3]}; spf=pass", found, now=NOW)) + octets
    return octets


def without(octets: bytes, name: bytes, instance: int) -> bytes:
    """One field of one set taken out."""
    pattern = rb"(?m)^" + name + rb":\s*i=%d;[^\n]*\n(?:[ \t][^\n]*\n)*" % instance
    found, count = re.subn(pattern, b"", octets)
    assert count == 1
    return found


def field(octets: bytes, name: bytes, instance: int) -> bytes:
    match = re.search(rb"(?m)^" + name + rb":\s*i=%d;[^\n]*\n(?:[ \t][^\n]*\n)*" % instance, octets)
    assert match is not None
    return match[0]


def cv(server: str, octets: bytes) -> tuple[str, str]:
    said = judged(octets, server, mail_from="x@nobody.example")
    assert (said["dmarc"]["result"], said["dmarc"]["policy"]) == ("fail", "reject")  # a seal alone changes nothing
    return said["arc"]["cv"], said["arc"]["reason"]


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_whole_chains(server: str, count: int) -> None:
    assert cv(server, sealed(count))[0] == ("pass" if count else "none")


SEAL, SIGNATURE, RESULTS = b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"
BROKEN: dict[str, tuple[bytes, str]] = {
    "body changed": (sealed(2).replace(b"Hello", b"Hullo"), "bh="),
    "field changed": (sealed(2).replace(b"Subject: hi", b"Subject: ho"), "message signature of set 2"),
    "results changed": (sealed(2).replace(b"one.example; spf=pass", b"one.example; spf=fail"), "seal of set"),
    "newest results changed": (sealed(2).replace(b"two.example; spf=pass", b"two.example; spf=fail"), "seal of set 2"),
    "no seal": (without(sealed(2), SEAL, 2), "no ARC-Seal"),
    "no message signature": (without(sealed(2), SIGNATURE, 1), "no ARC-Message-Signature"),
    "no results": (without(sealed(2), RESULTS, 2), "no ARC-Authentication-Results"),
    "a gap": (without(without(without(sealed(3), SEAL, 2), SIGNATURE, 2), RESULTS, 2), "numbered"),
    "the first gone": (without(without(without(sealed(2), SEAL, 1), SIGNATURE, 1), RESULTS, 1), "numbered"),
    "twice": (field(sealed(1), SEAL, 1) + sealed(1), "two ARC-Seal"),
    "i=0": (sealed(1).replace(b"ARC-Seal: i=1", b"ARC-Seal: i=0"), "i="),
    "i=51": (sealed(1).replace(b"ARC-Seal: i=1", b"ARC-Seal: i=51"), "i="),
    "i= no number": (sealed(1).replace(b"ARC-Seal: i=1", b"ARC-Seal: i=x"), "i="),
    "cv=pass in the first": (sealed(1).replace(b"cv=none", b"cv=pass"), "cv="),
    "cv=none in the second": (sealed(2).replace(b"cv=pass", b"cv=none"), "cv="),
    "cv= no word": (sealed(1).replace(b"cv=none", b"cv=maybe"), "cv="),
    "cv=fail": (sealed(2, status=ChainStatus.FAIL), "cv=fail"),
    "key gone": (sealed(1, "gone"), "no key"),
    "h= in a seal": (sealed(1).replace(b"ARC-Seal: i=1;", b"ARC-Seal: i=1; h=from;"), "h="),
    "51 sets": (b"".join(b"ARC-Seal: i=%d; cv=pass\r\n" % i for i in range(51, 0, -1)) + MESSAGE, "more than 50"),
    "results alone": (b"ARC-Authentication-Results: i=1; one.example; spf=pass\r\n" + MESSAGE, "no ARC-Seal"),
}


@pytest.mark.parametrize(("octets", "word"), list(BROKEN.values()), ids=list(BROKEN))
def test_broken_chains(server: str, octets: bytes, word: str) -> None:
    status, reason = cv(server, octets)
    assert status == "fail"
    assert word in reason


def test_a_key_that_dns_does_not_give_now_is_no_pass(server: str) -> None:
    status, reason = cv(server, sealed(1, "down"))
    assert status == "fail"
    assert "SERVFAIL" in reason
