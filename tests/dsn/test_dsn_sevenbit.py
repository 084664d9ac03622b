"""Notices for a way back of seven bits, read by an independent parser."""

from __future__ import annotations

import base64
import email
import email.message
import email.policy
import quopri
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.dsn import DSN, Action, DSNError, DSNRecipient, build, seven_bit
from danelaw.dsn.report import Report
from fuzz.dsn_report import test_one_input as one_input

ORIGINAL = "From: anna@shop.example\r\nSubject: Preise\r\n\r\nGrüße\r\n".encode()
GLOBAL = "From: anna@shop.example\r\nSubject: Grüße\r\n\r\nGrüße\r\n".encode()
RECIPIENT = DSNRecipient(address="bob@example.org", action=Action.FAILED, status="5.1.1", reason="no such user")
NOTICE = DSN(reporting_mta="mx.shop.example", to="anna@shop.example", recipients=(RECIPIENT,), original=ORIGINAL)


def built(dsn: DSN) -> bytes:
    return build(dsn, date=0.0, message_id="<n@mx.shop.example>", boundary="=_b")


def parts(content: bytes) -> list[email.message.EmailMessage]:
    parsed = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert parsed.get_content_type() == "multipart/report"
    return list(parsed.iter_parts())  # type: ignore[attr-defined]


def test_an_8_bit_original_is_replaced_by_its_header() -> None:
    notice = built(NOTICE)
    assert ORIGINAL in notice
    content = seven_bit(notice)
    assert content.isascii()
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    words, status, original = parts(content)
    assert words.get_content() == parts(notice)[0].get_content()
    assert status.as_bytes() == parts(notice)[1].as_bytes()
    assert original.get_content_type() == "text/rfc822-headers"
    assert original.get_payload(decode=True) == b"From: anna@shop.example\r\nSubject: Preise\r\n"


def test_internationalised_parts_are_encoded_and_lose_nothing() -> None:
    notice = built(replace(NOTICE, original=GLOBAL, smtputf8=True, recipients=(
        replace(RECIPIENT, address="bücher@example.org"),)))  # fmt: skip
    assert GLOBAL in notice
    content = seven_bit(notice)
    assert content.isascii()
    _, status, original = parts(content)
    assert status.get_content_type() == "message/global-delivery-status"
    assert original.get_content_type() == "message/global"
    report = Report.from_bytes(content)
    header, _, encoded = report.parts[2].partition(b"\r\n\r\n")
    assert b"base64" in header
    assert base64.b64decode(encoded) == GLOBAL
    header, _, encoded = report.parts[1].partition(b"\r\n\r\n")
    assert b"quoted-printable" in header
    assert "bücher@example.org".encode() in quopri.decodestring(encoded)


def test_seven_bits_already_stay_as_they_are() -> None:
    notice = built(replace(NOTICE, original=ORIGINAL.replace("üß".encode(), b"ues")))
    assert seven_bit(notice) == notice


@pytest.mark.parametrize(
    "notice",
    [
        GLOBAL,
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n\xff\r\n",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: image/png\r\n\r\n\xff\r\n--b--\r\n",
        b"Subject: \xc3\xa4\r\nContent-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nX: \xff\r\n\r\nx\r\n--b--\r\n",
        b"Content-Type: multipart/report; boundary=b\r\n\r\n" + b"--b\r\n\r\n\xff\r\n" * 40 + b"--b--\r\n",
    ],
    ids=["no report", "cut off", "image", "header", "header of a part", "many parts"],
)
def test_what_cannot_be_turned_is_refused(notice: bytes) -> None:
    with pytest.raises(DSNError):
        seven_bit(notice)


def test_a_boundary_that_begins_like_another_does_not_end_a_part() -> None:
    inner = b"--b2\r\nx\r\n--b2--"
    notice = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n\r\n" + inner + b"\r\n--b--\r\n"
    assert Report.from_bytes(notice).parts == (b"\r\n" + inner,)


@given(st.binary(max_size=300))
def test_any_octets(data: bytes) -> None:
    one_input(data)
