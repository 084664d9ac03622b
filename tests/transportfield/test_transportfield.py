"""The Danelaw-Transport field: its grammar, and forged ones that are cut out."""

from __future__ import annotations

import email
import email.policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.transportfield import FieldCutter, Transport, TransportError, Via, without_field
from fuzz.transportfield_cut import test_one_input as fuzz

MADE = Transport("mx.example.org", Via.SMTP, "TLSv1.3", False, False, "0TQ6J3SW4M", 1_795_651_200)
TEXT = (
    "v=1; by=mx.example.org; via=smtp; tls=TLSv1.3;\r\n client=unverified; requiretls=no; id=0TQ6J3SW4M; t=1795651200"
)


def test_written_and_read_again() -> None:
    assert MADE.to_bytes() == f"Danelaw-Transport: {TEXT}\r\n".encode()
    assert Transport.from_text(TEXT) == MADE
    for via in Via:
        for tls in (None, "TLSv1.2"):
            for flag in (True, False):
                one = Transport("a.b", via, tls, flag, not flag, "x", 0)
                value = one.to_bytes().decode().partition(":")[2]
                assert Transport.from_text(value) == one


def test_what_is_not_known_is_ignored_and_order_does_not_count() -> None:
    parts = TEXT.replace("\r\n", "").split("; ")
    assert Transport.from_text(";  ".join(reversed([*parts, "later=thing"])) + " ;") == MADE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v=2; by=a",
        TEXT + "; by=b",
        TEXT.replace("via=smtp", "via=pigeon"),
        TEXT.replace("requiretls=no", "requiretls=maybe"),
        TEXT.replace("; t=1795651200", ""),
        TEXT.replace("t=1795651200", "t=-1"),
        TEXT.replace("by=mx", "by=m x"),
        TEXT.replace("by=mx", 'by="mx"'),
        TEXT + "; x=" + "a" * 1000,
    ],
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(TransportError):
        Transport.from_text(text)


@pytest.mark.parametrize("by", ["a b", "a;b", "a\r\nX: y", "", "é"])
def test_nothing_can_be_put_into_it(by: str) -> None:
    with pytest.raises(TransportError):
        Transport(by, Via.SMTP, None, False, False, "x", 0).to_bytes()


def test_no_way_is_called_secure() -> None:
    for via in Via:
        for tls in (None, "TLSv1.3"):
            words = Transport("a", via, tls, False, True, "x", 0).people.lower()
            assert "secure" not in words
            assert "verified" not in words


FORGED = [
    b"Danelaw-Transport: v=1; tls=TLSv1.3\r\n",
    b"DANELAW-TRANSPORT: v=1\r\n",
    b"danelaw-transport \t : v=1\r\n",
    b"Danelaw-Transport:\r\n v=1;\r\n\ttls=TLSv1.3\r\n",
    b"Danelaw-Transport\r\n : v=1\r\n",
    b"Danelaw-Transport:" + b" x" * 3000 + b"\r\n",
    b"\x00\x0bDanelaw-Transport\x0c\xc2\xa0: v=1\r\n",
    b"Danelaw-Transport:v\r\nDanelaw-Transport:w\r\n x\r\n",
]
BEFORE, AFTER = b"Received: from a\r\n by b\r\n", b"Subject: x\r\n y\r\n\r\nDanelaw-Transport: in the body\r\n"


@pytest.mark.parametrize("forged", FORGED, ids=range(len(FORGED)))
@pytest.mark.parametrize("size", [1, 7, 2000, 100_000])
def test_forged_ones_are_cut_out(forged: bytes, size: int) -> None:
    for message in (forged + BEFORE + AFTER, BEFORE + forged + AFTER, BEFORE + forged + b"X: y\r\n" + forged + AFTER):
        cutter = FieldCutter()
        kept = b"".join(cutter.feed(message[at : at + size]) for at in range(0, len(message), size)) + cutter.end()
        assert kept == message.replace(forged, b"")
        assert cutter.removed == len(message) - len(kept)
        assert kept == without_field(message, message.lower())
        parsed = email.message_from_bytes(kept, policy=email.policy.default)
        assert parsed["danelaw-transport"] is None
        assert parsed["subject"] == "x y"


@pytest.mark.parametrize(
    "message",
    [
        b"X-Danelaw-Transport: mine\r\nSubject: Danelaw-Transport: x\r\n\r\nbody\r\n",
        b"Subject: x\r\n Danelaw-Transport: folded into it\r\n\r\n",
        b"\r\nDanelaw-Transport: the header is over\r\n",
        b"Danelaw-Transports: many\r\n\r\n",
        b"",
        b"Subject: no end",
    ],
)
def test_what_is_none_stays(message: bytes) -> None:
    assert without_field(message, message.lower()) == message


def test_a_header_without_end() -> None:
    assert without_field(b"A: b\r\nDanelaw-Transport: x", b"danelaw-transport") == b"A: b\r\n"


_LINES = st.sampled_from(
    [*FORGED, b"Danelaw-", b"Transport: x", b" y", b"\r\n", b"\n", b"\r", b"A: b\r\n", b"Danelaw-Transport", b":", b" "]
)


@given(st.integers(0, 255), st.lists(_LINES, max_size=20))
def test_any_lines_in_any_pieces(size: int, lines: list[bytes]) -> None:
    fuzz(bytes([size]) + b"".join(lines))


@given(st.binary(max_size=200))
def test_any_octets(octets: bytes) -> None:
    fuzz(octets)
