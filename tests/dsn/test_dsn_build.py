"""Notices as an independent parser reads them."""

from __future__ import annotations

import email
import email.message
import email.policy
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.dsn import DSN, Action, DSNError, DSNRecipient, build, envelope_of

WHEN = 1_795_474_800.0
ORIGINAL = (
    b"From: anna@shop.example\r\nTo: bob@example.org\r\nSubject: price list\r\n"
    b"Message-ID: <m1@shop.example>\r\nDate: Mon, 23 Nov 2026 09:00:00 +0000\r\n\r\nconfidential body\r\n"
)
FAILED = DSNRecipient(
    address="bob@example.org",
    action=Action.FAILED,
    status="5.7.1",
    reason="every server of example.org shows a key other than the one its signed DNS promises",
    orcpt="rfc822;bob+2Bnews@example.org",
    remote_mta="mx1.example.org",
    diagnostic="550 5.7.1 no",
    last_attempt=WHEN,
)
NOTICE = DSN(
    reporting_mta="mx.shop.example",
    to="anna@shop.example",
    recipients=(FAILED,),
    original=ORIGINAL,
    arrival=WHEN - 3600,
    envid="QQ=1",
)


def built(dsn: DSN) -> bytes:
    content = build(dsn, date=WHEN, message_id="<n1@mx.shop.example>", boundary="=_b1")
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    return content


def parts(content: bytes) -> tuple[email.message.EmailMessage, list[email.message.EmailMessage]]:
    message = email.message_from_bytes(content, policy=email.policy.SMTP)
    assert isinstance(message, email.message.EmailMessage)
    found = message.get_payload()
    assert isinstance(found, list)
    return message, found  # type: ignore[return-value]


def groups(part: email.message.EmailMessage) -> list[email.message.Message]:
    payload = part.get_payload()
    assert isinstance(payload, list)
    return [group for group in payload if isinstance(group, email.message.Message)]


def body(part: email.message.EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


def test_frame_of_a_failure() -> None:
    message, found = parts(built(NOTICE))
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["To"] == "anna@shop.example"
    assert message["In-Reply-To"] == "<m1@shop.example>"
    assert message["Subject"] == "Returned: your message to bob@example.org"
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert [part.get_content_type() for part in found] == ["text/plain", "message/delivery-status", "message/rfc822"]


def test_fields_for_programs() -> None:
    _, found = parts(built(NOTICE))
    per_message, per_recipient = groups(found[1])
    assert dict(per_message.items()) == {
        "Original-Envelope-Id": "QQ=1",
        "Reporting-MTA": "dns; mx.shop.example",
        "Arrival-Date": "Mon, 23 Nov 2026 22:00:00 +0000",
    }
    assert list(per_recipient.items()) == [
        ("Original-Recipient", "rfc822;bob+news@example.org"),
        ("Final-Recipient", "rfc822;bob@example.org"),
        ("Action", "failed"),
        ("Status", "5.7.1"),
        ("Remote-MTA", "dns; mx1.example.org"),
        ("Diagnostic-Code", "smtp; 550 5.7.1 no"),
        ("Last-Attempt-Date", "Mon, 23 Nov 2026 23:00:00 +0000"),
    ]


def test_words_say_the_answer_first_and_the_next_step_last() -> None:
    _, found = parts(built(NOTICE))
    text = body(found[0]).decode()
    assert text.startswith("Your message was NOT delivered")
    assert FAILED.reason in " ".join(text.split())
    assert text.rstrip().splitlines()[-2].startswith("Next:") or text.rstrip().splitlines()[-1].startswith("Next:")
    assert max(map(len, text.splitlines())) <= 76


def test_own_verdicts_are_not_passed_off_as_a_reply_of_a_server() -> None:
    silent = replace(FAILED, remote_mta=None, diagnostic=None)
    _, found = parts(built(replace(NOTICE, recipients=(silent,))))
    fields = groups(found[1])[1]
    assert fields["Remote-MTA"] is None
    assert " ".join(fields["Diagnostic-Code"].split()) == f"x-danelaw; {FAILED.reason}"


def test_a_delay_returns_the_header_only_and_says_until_when() -> None:
    waiting = replace(FAILED, action=Action.DELAYED, status="4.7.1", will_retry_until=WHEN + 86400)
    message, found = parts(built(replace(NOTICE, recipients=(waiting,))))
    assert message["Subject"].startswith("Waiting:")
    assert groups(found[1])[1]["Will-Retry-Until"] == "Tue, 24 Nov 2026 23:00:00 +0000"
    assert found[2].get_content_type() == "text/rfc822-headers"
    assert b"confidential" not in built(replace(NOTICE, recipients=(waiting,)))


@pytest.mark.parametrize(
    ("changes", "whole"),
    [
        ({}, True),
        ({"ret_full": True}, True),
        ({"ret_full": False}, False),
        ({"max_original": 100}, False),
        ({"requiretls": True, "ret_full": True}, False),
        ({"original": ORIGINAL.replace(b"body", b"b\xc3\xb6dy")}, True),
        ({"original": ORIGINAL.replace(b"body", b"b\xc3\xb6dy"), "eight_bit": False}, False),
        ({"original": ORIGINAL + b"x" * 1200 + b"\r\n"}, False),
        ({"original": ORIGINAL.replace(b"confidential ", b"bare\n")}, False),
    ],
)
def test_when_the_message_comes_back_whole(changes: dict[str, object], whole: bool) -> None:
    dsn = replace(NOTICE, **changes)  # type: ignore[arg-type]
    content = built(dsn)
    _, found = parts(content)
    assert found[2].get_content_type() == ("message/rfc822" if whole else "text/rfc822-headers")
    assert (dsn.original in content) is whole
    assert envelope_of(dsn, content).eight_bit is not content.isascii()


def test_requiretls_travels_with_the_notice_unless_redacted() -> None:
    dsn = replace(NOTICE, requiretls=True)
    content = built(dsn)
    assert envelope_of(dsn, content).requiretls
    assert b"price list" in content
    redacted = replace(dsn, redacted=True)
    content = built(redacted)
    envelope = envelope_of(redacted, content)
    assert not envelope.requiretls
    assert (envelope.reverse_path, envelope.notify) == ("<>", "NEVER")
    assert b"price list" not in content
    assert b"confidential" not in content


def test_header_in_8_bits_is_encoded_and_comes_back_unchanged() -> None:
    latin = b"Subject: caf\xe9\r\nX: 1\r\n\r\nbody\r\n"
    content = built(replace(NOTICE, original=latin, ret_full=False))
    assert content.isascii()
    _, found = parts(content)
    assert found[2].get_content_type() == "text/rfc822-headers"
    assert body(found[2]).rstrip(b"\r\n") == b"Subject: caf\xe9\r\nX: 1"


UTF8 = "Subject: Grüße\r\nMessage-ID: <m2@shop.example>\r\n\r\nbody\r\n".encode()
JOSE = replace(FAILED, address="josé@example.org", orcpt="utf-8;jos\\x{E9}@example.org")


def test_smtputf8_message_to_a_sender_who_can_take_it() -> None:
    dsn = replace(NOTICE, original=UTF8, recipients=(JOSE,), smtputf8=True)
    content = built(dsn)
    _, found = parts(content)
    kinds = [part.get_content_type() for part in found]
    assert kinds[1:] == ["message/global-delivery-status", "message/global"]
    assert "Original-Recipient: utf-8;josé@example.org\r\nFinal-Recipient: utf-8;josé@example.org".encode() in content
    envelope = envelope_of(dsn, content)
    assert (envelope.smtputf8, envelope.eight_bit) == (True, True)


def test_smtputf8_message_to_a_sender_who_cannot() -> None:
    dsn = replace(NOTICE, original=UTF8, recipients=(JOSE,))
    content = built(dsn)
    assert content.isascii()
    assert not envelope_of(dsn, content).smtputf8
    _, found = parts(content)
    assert groups(found[1])[1]["Final-Recipient"] == "utf-8;jos\\x{E9}@example.org"
    assert found[2].get_content_type() == "message/global"
    assert found[2]["Content-Transfer-Encoding"] == "base64"


def test_several_recipients_with_different_fates() -> None:
    carol = DSNRecipient(address="c@c.example", action=Action.RELAYED, status="2.0.0", reason="taken by mx.c.example")
    message, found = parts(built(replace(NOTICE, recipients=(carol, FAILED))))
    assert message["Subject"] == "Returned: your message to bob@example.org"
    assert [group["Action"] for group in groups(found[1])[1:]] == ["relayed", "failed"]
    text = body(found[0]).decode()
    assert text.index("NOT delivered") < text.index("handed to a server")


@given(st.text(max_size=80), st.text(max_size=300), st.binary(max_size=200), st.booleans())
def test_nothing_remote_breaks_out_of_its_place(reason: str, diagnostic: str, original: bytes, smtputf8: bool) -> None:
    nasty = replace(FAILED, reason=reason, diagnostic=diagnostic)
    content = built_loose(replace(NOTICE, recipients=(nasty,), original=original, smtputf8=smtputf8))
    message, found = parts(content)
    assert len(found) == 3
    assert message["Auto-Submitted"] == "auto-replied"
    if found[1].get_content_type() == "message/delivery-status":
        assert [group["Action"] for group in groups(found[1])] == [None, "failed"]


def built_loose(dsn: DSN) -> bytes:
    return build(dsn, date=WHEN, message_id="<n1@mx.shop.example>", boundary="=_unlikely")


def test_very_long_words_are_folded() -> None:
    built(replace(NOTICE, recipients=(replace(FAILED, diagnostic="550 " + "x" * 3000, reason="y" * 1500),)))


@pytest.mark.parametrize(
    "changes",
    [{"to": ""}, {"to": "a@b\r\nX: y"}, {"recipients": ()}, {"reporting_mta": "a\r\nb"}, {"to": "josé@example.org"}],
)
def test_impossible_notices_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(DSNError):
        replace(NOTICE, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("action", "status"),
    [
        (Action.FAILED, "2.0.0"),
        (Action.DELAYED, "5.0.0"),
        (Action.RELAYED, "4.0.0"),
        (Action.FAILED, "5.7"),
        (Action.FAILED, ""),
    ],
)
def test_status_must_fit_the_action(action: Action, status: str) -> None:
    with pytest.raises(DSNError):
        replace(FAILED, action=action, status=status)


@pytest.mark.parametrize(
    ("message_id", "boundary"), [("n1", "ok"), ("<a@b>", ""), ("<a@b>", "x y "), ("<a@b\r\n>", "ok")]
)
def test_id_and_boundary_are_checked(message_id: str, boundary: str) -> None:
    with pytest.raises(DSNError):
        build(NOTICE, date=WHEN, message_id=message_id, boundary=boundary)


def test_a_boundary_inside_the_original_is_refused() -> None:
    with pytest.raises(DSNError):
        build(replace(NOTICE, original=ORIGINAL + b"--b1\r\n"), date=WHEN, message_id="<a@b>", boundary="b1")
