"""Replies, status codes, xtext, extensions, clearance, the next hop's table."""

from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import ForwardPath, ReversePath
from danelaw.smtp import (
    Body,
    Clearance,
    ClearanceRefused,
    EnhancedStatusCode,
    Envelope,
    Extensions,
    Need,
    Notify,
    OriginalRecipient,
    Recipient,
    Reply,
    Ret,
    StatusCodeError,
    XtextError,
    nexthop,
    xtext,
)
from danelaw.smtp.clearance import grant


def test_status_codes() -> None:
    code = EnhancedStatusCode.from_text("5.7.30")
    assert (code.status_class, code.subject, code.detail) == (5, 7, 30)
    assert str(code) == code.to_text() == "5.7.30"
    assert code.with_class(4).to_text() == "4.7.30"
    for text in ("", "5.7", "5.7.1.1", "1.0.0", "5.07.1", "5.7.1000", "5.7.1 ", "٥.7.1"):
        with pytest.raises(StatusCodeError):
            EnhancedStatusCode.from_text(text)


def test_replies_on_the_wire() -> None:
    assert Reply.of(250, "2.0.0", "Ok").to_wire() == b"250 2.0.0 Ok\r\n"
    assert Reply.of(220, None, "mx ESMTP").to_wire() == b"220 mx ESMTP\r\n"
    assert Reply.of(550, "5.7.1", "a\nb\nc").to_wire() == b"550-5.7.1 a\r\n550-5.7.1 b\r\n550 5.7.1 c\r\n"
    assert Reply.of(550, "5.7.1", "a\r\x1b[0mb").to_wire() == b"550 5.7.1 a??[0mb\r\n"
    assert Reply.of(250, None, "").to_wire() == b"250 \r\n"
    assert Reply.of(550, "5.7.1", "a\nb").to_text() == str(Reply.of(550, "5.7.1", "a\nb")) == "550 5.7.1 a b"
    assert Reply.of(354, None, "x").to_text() == "354 x"


def test_kinds_of_replies() -> None:
    assert Reply.of(354, None, "").is_positive
    assert Reply.of(451, None, "").is_temporary
    assert Reply.of(550, None, "").is_permanent
    assert not Reply.of(451, None, "").is_permanent


@given(st.integers(200, 599), st.text(max_size=1500))
def test_no_text_breaks_a_reply(code: int, text: str) -> None:
    wire = Reply(code, EnhancedStatusCode(5, 0, 0), text).to_wire()
    lines = wire.split(b"\r\n")
    assert lines.pop() == b""
    assert len(lines) == text.count("\n") + 1
    assert all(len(line) <= 510 and not set(line) & {0, 10, 13} for line in lines)
    assert all(line.startswith(b"%d-5.0.0 " % code) for line in lines[:-1])
    assert lines[-1].startswith(b"%d 5.0.0 " % code)


@given(st.text(st.characters(max_codepoint=0x7F)))
def test_xtext_carries_any_ascii(text: str) -> None:
    assert xtext.decode(xtext.encode(text)) == text
    assert not set(xtext.encode(text)) & set(" =\r\n\0")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_utf8_addr_xtext_carries_any_text(text: str) -> None:
    encoded = xtext.encode_utf8(text)
    assert xtext.decode_utf8(encoded) == text
    assert encoded.isascii()
    assert not set(encoded) & set(" =+\r\n\0")


@pytest.mark.parametrize("text", ["a b", "a=b", "a+", "a+2", "a+2b", "a+FFb", "ü", "a\r"])
def test_no_xtext(text: str) -> None:
    with pytest.raises(XtextError):
        xtext.decode(text)


def test_xtext_cannot_carry_more_than_ascii() -> None:
    with pytest.raises(XtextError):
        xtext.encode("ü")


@pytest.mark.parametrize("text", ["", "a b", "a=b", "\\", "\\x{D800}", "\\x{110000}", "\\x{fc}", "\\x{F}"])
def test_no_utf8_addr_xtext(text: str) -> None:
    with pytest.raises(XtextError):
        xtext.decode_utf8(text)


@pytest.mark.parametrize(
    ("text", "kind", "address"),
    [
        ("rfc822;a+2Bb@c", "rfc822", "a+b@c"),
        ("RFC822;a@c", "rfc822", "a@c"),
        ("utf-8;\\x{FC}@c", "utf-8", "ü@c"),
        ("utf-8;ü@c", "utf-8", "ü@c"),
        ("x400;/C=X/".replace("=", "+3D"), "x400", "/C=X/"),
    ],
)
def test_original_recipients(text: str, kind: str, address: str) -> None:
    recipient = OriginalRecipient.from_text(text)
    assert (recipient.address_type, recipient.address) == (kind, address)
    assert OriginalRecipient.from_text(recipient.to_text()) == recipient
    assert recipient.to_text().isascii()


@pytest.mark.parametrize(
    "text", ["", "rfc822", "rfc822;", ";a@b", "a b;c", "rfc822;a b", "rfc822;a+0A", "utf-8;\\x{85}"]
)
def test_no_original_recipient(text: str) -> None:
    with pytest.raises(XtextError):
        OriginalRecipient.from_text(text)


def test_extensions_as_servers_write_them() -> None:
    reply = Reply.of(
        250,
        None,
        "mx.example.org greets you\nPIPELINING\nsize 1000\nSIZE 5\nAUTH=LOGIN\n8BITMIME\n*\nLIMITS RCPTMAX=5 X=y",
    )
    offered = Extensions.from_reply(reply)
    assert offered.domain == "mx.example.org"
    assert offered.pipelining
    assert offered.eight_bit_mime
    assert offered.size_offered
    assert offered.max_size == 1000
    assert offered.limits == {"RCPTMAX": 5}
    assert "AUTH" in offered
    assert not (offered.starttls)
    assert not (offered.smtputf8)
    assert not (offered.dsn)
    assert not (offered.chunking)
    assert not (offered.requiretls)
    assert not offered.enhanced_status_codes


@pytest.mark.parametrize("value", ["", "0", "x", "-1", "9" * 30, "²"])
def test_a_size_that_states_no_limit(value: str) -> None:
    assert Extensions.from_reply(Reply.of(250, None, f"mx\nSIZE {value}")).max_size is None


def test_only_grant_makes_a_clearance_and_nothing_changes_it() -> None:
    clearance = grant(7, grounds="DANE", tls=True, requiretls=True)
    assert (clearance.connection_id, clearance.tls, clearance.requiretls) == (7, True, True)
    assert "DANE" in repr(clearance)
    with pytest.raises(ClearanceRefused):
        Clearance(object(), 7, "forged", True, True)
    with pytest.raises(ClearanceRefused):
        grant(7, grounds="x", tls=False, requiretls=True)
    with pytest.raises(AttributeError):
        clearance.connection_id = 8
    with pytest.raises(AttributeError):
        del clearance.connection_id
    for copier in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copier(clearance)
    with pytest.raises(TypeError):
        type("Mine", (Clearance,), {})


def envelope(**changes: object) -> Envelope:
    recipient = Recipient(ForwardPath.from_text("<b@c.example>"), changes.pop("notify", None))  # type: ignore[arg-type]
    return Envelope(ReversePath.from_text("<a@b.example>"), (recipient,), **changes)  # type: ignore[arg-type]


ALL = Extensions("mx", {"SMTPUTF8": "", "8BITMIME": "", "DSN": "", "SIZE": "100"})
NONE = Extensions("mx", {"SIZE": "100"})


@pytest.mark.parametrize(
    ("needs", "size", "eight_bit", "lacks", "status"),
    [
        (envelope(), 100, False, (), None),
        (envelope(smtputf8=True), None, False, (Need.SMTPUTF8,), "5.6.7"),
        (envelope(), None, True, (Need.EIGHT_BIT_MIME,), "5.6.3"),
        (envelope(body=Body.EIGHT_BIT_MIME), None, False, (), None),
        (envelope(ret=Ret.FULL), None, False, (Need.DSN,), None),
        (envelope(notify=Notify.SUCCESS), None, False, (Need.DSN,), None),
        (envelope(smtputf8=True, envid="x"), None, True, (Need.SMTPUTF8, Need.EIGHT_BIT_MIME, Need.DSN), "5.6.7"),
    ],
)
def test_what_the_next_hop_lacks(
    needs: Envelope, size: int | None, eight_bit: bool, lacks: tuple[Need, ...], status: str | None
) -> None:
    assert nexthop.lacking(needs, NONE, size=size, eight_bit=eight_bit) == lacks
    refusal = nexthop.refusal(needs, NONE, size=size, eight_bit=eight_bit)
    assert (refusal is None) is (status is None)
    if refusal is not None:
        assert str(refusal.enhanced) == status
    assert nexthop.lacking(needs, ALL, size=size, eight_bit=eight_bit) == ()


def test_size_is_refused_before_anything_is_sent() -> None:
    refusal = nexthop.refusal(envelope(), ALL, size=101, eight_bit=False)
    assert refusal is not None
    assert refusal.to_text().startswith("552 5.3.4")


def test_relayed_notices_are_owed_to_who_asked_for_success() -> None:
    asked = envelope(notify=Notify.SUCCESS | Notify.DELAY).recipients
    assert nexthop.relayed(asked, NONE) == asked
    assert nexthop.relayed(asked, ALL) == ()
    assert nexthop.relayed(envelope(notify=Notify.FAILURE).recipients + envelope().recipients, NONE) == ()
    assert set(nexthop.TABLE) == set(Need), "no empty row"
    assert (Notify.SUCCESS | Notify.DELAY).to_text() == "SUCCESS,DELAY"
