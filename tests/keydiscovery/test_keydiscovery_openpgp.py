"""OpenPGP certificates: what is read of them, and what is refused."""

from __future__ import annotations

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keydiscovery.samples import ANNA, ANNA_FINGERPRINT, EXPIRES, NOW, SUBKEY_EXPIRES, packet, signed

from danelaw.address import Mailbox
from danelaw.keydiscovery import FoundKey, KeySource, OpenPGPError, certificates
from danelaw.keydiscovery.judging import openpgp_keys
from danelaw.keydiscovery.openpgp import address_in
from fuzz.keydiscovery_openpgp import test_one_input as fuzz

MAILBOX = Mailbox.from_text("anna@example.org")
MADE = 1_780_000_000
ISSUER = certificates(ANNA)[0].fingerprint[-16:]
V6_BODY = bytes([6]) + MADE.to_bytes(4, "big") + bytes([27]) + (32).to_bytes(4, "big") + bytes(32)


def four(number: int) -> bytes:
    return number.to_bytes(4, "big")


def key(algorithm: int = 1, created: int = MADE) -> tuple[bytes, bytes]:
    """A primary key of version 4 and its key id."""
    made = packet(6, bytes([4]) + four(created) + bytes([algorithm]) + b"\x00\x08\xff\x00\x08\x03")
    return made, bytes.fromhex(certificates(made)[0].fingerprint)[-8:]


def judged(octets: bytes, now: float = NOW, *, must_name: bool = True) -> FoundKey:
    (found,) = openpgp_keys(octets, MAILBOX, KeySource.WKD, now, must_name=must_name)
    return found


def test_a_real_key() -> None:
    (found,) = certificates(ANNA)
    assert found.fingerprint == ANNA_FINGERPRINT
    assert (found.created, found.expires, found.encrypts_until) == (1_767_225_600, EXPIRES, SUBKEY_EXPIRES)
    assert found.user_ids == ("Anna <anna@example.org>",)
    assert found.names("ANNA@example.org")
    assert not found.revoked
    assert judged(ANNA).usable


def test_it_stops_to_be_usable_when_the_part_that_encrypts_ends() -> None:
    assert judged(ANNA, SUBKEY_EXPIRES - 1.0).usable
    assert "the part of the key that encrypts expired" in judged(ANNA, SUBKEY_EXPIRES + 0.0).reason
    assert "the key expired on 2028-01-01" in judged(ANNA, EXPIRES + 0.0).reason
    assert "future" in judged(ANNA, 1_700_000_000.0).reason


def test_the_newest_signature_says_until_when() -> None:
    made, issuer = key()
    old = signed(0x13, issuer, (2, four(MADE)), (9, four(100)))
    new = signed(0x13, issuer, (2, four(MADE + 50)), (9, four(10_000_000)))
    name = packet(13, b"anna@example.org")
    for order in (old + new, new + old):
        (found,) = certificates(made + name + order)
        assert found.expires == MADE + 10_000_000


def test_signatures_of_others_change_nothing() -> None:
    made, _ = key()
    other = signed(0x20, b"\0" * 8) + packet(13, b"anna@example.org") + signed(0x13, b"\1" * 8, (9, four(1)))
    (found,) = certificates(made + other)
    assert (found.revoked, found.expires) == (False, None)


def test_revoked_keys_are_not_used() -> None:
    made, issuer = key()
    found = judged(made + signed(0x20, issuer) + packet(13, b"anna@example.org"))
    assert (found.usable, found.reason) == (False, "the key is revoked")


def test_a_revoked_subkey_does_not_encrypt() -> None:
    made, issuer = key(algorithm=22)
    subkey = packet(14, bytes([4]) + four(MADE) + bytes([18]) + b"\0\0\0")
    bound = subkey + signed(0x18, issuer, (2, four(MADE)), (27, b"\x0c"))
    name = packet(13, b"anna@example.org")
    assert judged(made + name + bound).usable
    assert judged(made + name + bound + signed(0x28, issuer)).reason == "the key can only sign"
    assert judged(made + name + subkey).reason == "the key can only sign"  # nobody bound it


def test_version_6() -> None:
    """RFC 9580 §5.5.4.3: SHA2-256, and the direct key signature says what holds."""
    made = packet(6, V6_BODY)
    issuer = bytes.fromhex(certificates(made)[0].fingerprint)
    assert len(issuer) == 32
    said = signed(0x1F, issuer[:8], (2, four(MADE)), (9, four(500)), (27, b"\x04"), version=6)
    (found,) = certificates(made + said + packet(13, b"Anna <anna@example.org>"))
    assert (found.version, found.expires, found.encrypts_until) == (6, MADE + 500, MADE + 500)


def test_a_key_of_another_is_not_used_from_the_web_but_under_its_name_in_dns() -> None:
    made, _ = key()
    octets = made + packet(13, b"Bob <bob@example.org>")
    assert judged(octets).reason == "no user id of the key is anna@example.org"
    assert judged(octets, must_name=False).usable


def test_each_key_of_a_ring_keeps_its_octets() -> None:
    made, _ = key()
    first, second = certificates(made + ANNA)
    assert (first.octets, second.octets) == (made, ANNA)


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (b"", "there is no key in it"),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n", "ASCII-armored"),
        (b"<html>", "not a sequence"),
        (packet(5, b"\4" * 20), "SECRET key"),
        (ANNA + packet(7, b"\4" * 20), "SECRET key"),
        (packet(13, b"anna"), "does not begin with a public key"),
        (ANNA[:-1], "longer than what follows"),
        (packet(6, b"\3" + bytes(20)), "version 3"),
        (packet(6, b"\4\0"), "cut off"),
        (bytes([0xC6, 0xE1]) + bytes(10), "in parts"),
        (bytes([0x9B]) + bytes(10), "indeterminate"),
        (ANNA * 17, "more than 16 keys"),
        (ANNA + packet(60, b"") * 5000, "more than 4096 packets"),
    ],
)
def test_what_is_refused(octets: bytes, reason: str) -> None:
    with pytest.raises(OpenPGPError, match=reason):
        certificates(octets)


def test_a_large_ring_is_refused() -> None:
    with pytest.raises(OpenPGPError, match="larger"):
        openpgp_keys(ANNA + packet(60, bytes(300_000)), MAILBOX, KeySource.WKD, NOW, must_name=True)


@pytest.mark.parametrize(
    ("user_id", "address"),
    [
        ("Anna <anna@example.org>", "anna@example.org"),
        ("anna@example.org", "anna@example.org"),
        ("Anna (work) <a@b> ", "a@b"),
        ("Anna", ""),
        ("anna @example.org", ""),
        ("<a@b> Anna", ""),
    ],
)
def test_addresses_in_user_ids(user_id: str, address: str) -> None:
    assert address_in(user_id) == address


@given(st.binary(max_size=300))
def test_any_octets(octets: bytes) -> None:
    fuzz(octets)


@given(st.integers(0, len(ANNA) - 1), st.integers(0, 255))
def test_any_octet_of_a_key_changed(place: int, value: int) -> None:
    fuzz(ANNA[:place] + bytes([value]) + ANNA[place + 1 :])


def test_base64_of_the_sample_is_the_sample() -> None:
    (found,) = certificates(base64.b64decode(base64.b64encode(ANNA)))
    assert replace(found, octets=b"") != found
    assert certificates(found.octets) == (found,)
