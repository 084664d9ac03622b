"""Where keys of an address are published."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Mailbox
from danelaw.keydiscovery import OPENPGPKEY_LABEL, SMIMEA_LABEL, hashed_owner, web_key_hash, web_key_places
from danelaw.keydiscovery.names import z_base_32


def owner(text: str, label: str = OPENPGPKEY_LABEL) -> str:
    return str(hashed_owner(Mailbox.from_text(text), label))


def test_the_example_of_the_rfc() -> None:
    """RFC 7929 §3, RFC 8162 §3."""
    digest = "c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6"
    assert owner("hugh@example.com") == f"{digest}._openpgpkey.example.com."
    assert owner("hugh@example.com", SMIMEA_LABEL) == f"{digest}._smimecert.example.com."


def test_quotes_are_not_hashed_and_case_is_kept() -> None:
    assert owner('"hugh"@example.com') == owner('"h\\ugh"@example.com') == owner("hugh@EXAMPLE.com")
    assert owner("Hugh@example.com") != owner("hugh@example.com")
    assert owner("hugh+x@example.com") != owner("hugh@example.com")


def test_composed_and_decomposed_letters_are_one_name() -> None:
    assert owner("ren\u00e9@example.com") == owner("rene\u0301@example.com")


def test_literals_and_overlong_domains_have_no_name() -> None:
    assert hashed_owner(Mailbox.from_text("a@[192.0.2.1]"), SMIMEA_LABEL) is None
    long = ".".join(["a" * 60] * 3)
    assert hashed_owner(Mailbox.from_text(f"a@{long}.example"), SMIMEA_LABEL) is None
    assert web_key_places(Mailbox.from_text("a@[192.0.2.1]")) == ()


def test_the_example_of_the_web_key_directory() -> None:
    """draft-koch-openpgp-webkey-service-19 §3.1."""
    advanced, direct = web_key_places(Mailbox.from_text("Joe.Doe@Example.ORG"))
    file = "hu/iy9q119eutrkn8s1mk4r39qejnbu3n5q?l=Joe.Doe"
    assert advanced.url == f"https://openpgpkey.example.org/.well-known/openpgpkey/example.org/{file}"
    assert direct.url == f"https://example.org/.well-known/openpgpkey/{file}"
    assert (advanced.host.ascii, direct.host.ascii) == ("openpgpkey.example.org", "example.org")


def test_only_ascii_letters_are_folded_for_the_web() -> None:
    assert web_key_hash("ANNA") == web_key_hash("anna")
    assert web_key_hash("\u00c4NNA") != web_key_hash("\u00e4nna")


def test_what_could_end_a_query_is_escaped() -> None:
    (_, direct) = web_key_places(Mailbox.from_text('"a&b #c"@example.org'))
    assert direct.url.endswith("?l=a%26b%20%23c")


@pytest.mark.parametrize(("octets", "text"), [(b"", ""), (b"\x00", "yy"), (b"\xff", "9h"), (b"asdasd", "cf3seamuco")])
def test_z_base_32(octets: bytes, text: str) -> None:
    assert z_base_32(octets) == text


@given(st.binary(max_size=40))
def test_z_base_32_loses_nothing(octets: bytes) -> None:
    alphabet = "ybndrfg8ejkmcpqxot1uwisza345h769"
    text = z_base_32(octets)
    assert len(text) == (8 * len(octets) + 4) // 5
    number = 0
    for letter in text:
        number = number << 5 | alphabet.index(letter)
    assert (number >> 5 * len(text) - 8 * len(octets)).to_bytes(len(octets), "big") == octets
