"""No field from outside that claims to be ours gets past the border (RFC 8601 §5)."""

from __future__ import annotations

import pytest

from danelaw.authres import claimed, without_claims
from danelaw.message import Header

_OURS = ["mx.example.org", "mx.bücher.example"]


def _message(*values: str) -> bytes:
    fields = b"".join(b"Authentication-Results:" + value.encode() + b"\r\n" for value in values)
    return b"Received: from x\r\n" + fields + b"Subject: hello\r\n\r\nAuthentication-Results: mx.example.org; none\r\n"


@pytest.mark.parametrize(
    "value",
    [
        " mx.example.org; spf=pass",
        " MX.Example.ORG; spf=pass",
        " mx.example.org 1; spf=pass",
        " mx.example.org. ; spf=pass",
        " mx.example.org",
        ' "mx.example.org"; spf=pass',
        ' "mx.ex\\ample.org"; spf=pass',
        " (hello; there) mx.example.org (x); spf=pass",
        "\r\n\tmx.example.org;\r\n\tspf=pass",
        " mx.(hidden)example.org; spf=pass",
        " mx.example .org; spf=pass",
        " mx.example\x00.org; spf=pass",
        " mx.example.org1; spf=pass",
        " (never closed mx.example.org; spf=pass",
        ' "mx.example.org; spf=pass',
        " spf=pass (by mx.example.org)",
        " mx.bücher.example; spf=pass",
        " mx.xn--bcher-kva.example; spf=pass",
        " x" * 40_000,
    ],
)
def test_a_claim_is_found_however_it_is_written(value: str) -> None:
    header = Header.from_bytes(_message(value))
    assert len(claimed(header, _OURS)) == 1
    assert without_claims(header, _OURS) == b"Received: from x\r\nSubject: hello\r\n"


@pytest.mark.parametrize(
    "value",
    [
        " mx.example.net; spf=pass",
        " example.org; spf=pass",
        " mx.example.org.evil.example; spf=pass",
        " mx.example.net; spf=pass (mx.example.org)",
        " mx.example.net; spf=pass smtp.mailfrom=mx.example.org",
        " spf=pass smtp.mailfrom=example.org",
    ],
)
def test_what_others_say_stays_octet_by_octet(value: str) -> None:
    header = Header.from_bytes(_message(value))
    assert claimed(header, _OURS) == ()
    assert without_claims(header, _OURS) == header.raw


def test_all_claims_go_and_nothing_else() -> None:
    message = _message(" mx.example.org; dkim=pass", " other.example; spf=pass", " mx.example.org; none")
    kept = without_claims(Header.from_bytes(message), _OURS)
    assert kept == b"Received: from x\r\nAuthentication-Results: other.example; spf=pass\r\nSubject: hello\r\n"


def test_the_name_of_the_field_may_be_written_oddly() -> None:
    message = b"AUTHENTICATION-results \t: mx.example.org; none\r\nX: y\r\n\r\n"
    assert without_claims(Header.from_bytes(message), _OURS) == b"X: y\r\n"
