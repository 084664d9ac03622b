"""Only CRLF.CRLF ends DATA; whatever looks like an end stays inside, and is refused or made harmless."""

from __future__ import annotations

import itertools

import pytest
from smtp_sessions import ENVELOPE, Owner, ready, settings

from danelaw.smtp import BareNewlines, EndOfMessage, MessageRefused
from danelaw.smtp.body_writer import BodyWriter, is_canonical

VARIANTS = [
    (before.encode(), after.encode())
    for before, after in itertools.product(["\r\n", "\n", "\r", "\n\r", "\r\r\n", "\0\r\n", "\r\0\n"], repeat=2)
    if (before, after) != ("\r\n", "\r\n")
]
SMUGGLED = b"MAIL FROM:<evil@sender.example>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nFrom: evil\r\n\r\nx"


def body(before: bytes, after: bytes) -> bytes:
    return b"Subject: first\r\n\r\ntext" + before + b"." + after + SMUGGLED


def senders(owner: Owner) -> int:
    return owner.sent.count(b"250 2.1.0")


# "\r\r\n.\r\n" and "\0\r\n.\r\n" do end in CRLF.CRLF; what comes before is only a CR or NUL in the text.
def ends(before: bytes, after: bytes) -> bool:
    return b"\r\n.\r\n" in before + b"." + after


@pytest.mark.parametrize(("before", "after"), [pair for pair in VARIANTS if not ends(*pair)])
def test_a_false_end_is_refused_with_the_whole_message(before: bytes, after: bytes) -> None:
    owner = ready()
    sent = owner.feed(ENVELOPE + b"DATA\r\n", body(before, after) + b"\r\n.\r\n", b"NOOP\r\n")
    assert senders(owner) == 1, "the smuggled MAIL was not taken for a command"
    assert owner.bodies == []
    assert any(isinstance(event, MessageRefused) for event in owner.events)
    assert b"554 5.6.0" in sent
    assert sent.endswith(b"250 2.0.0 Ok\r\n"), "the session goes on behind the real end"


@pytest.mark.parametrize(
    ("before", "after"), [pair for pair in VARIANTS if not ends(*pair) and b"\0" not in b"".join(pair)]
)
def test_a_false_end_is_made_harmless_when_cleaning(before: bytes, after: bytes) -> None:
    owner = ready(settings(bare_newlines=BareNewlines.CLEAN))
    owner.feed(ENVELOPE + b"DATA\r\n", body(before, after) + b"\r\n.\r\n", b"NOOP\r\n")
    assert senders(owner) == 1
    (kept,) = owner.bodies
    assert is_canonical(kept)
    assert b"MAIL FROM:<evil" in kept
    (end,) = [event for event in owner.events if isinstance(event, tuple)]
    assert end[3] > 0, "what was cleaned is counted"
    # Sent on, the line of a dot that cleaning may have made is stuffed, so the next server sees one message too.
    onward = BodyWriter(stuff=True)
    wire = onward.push(kept) + onward.finish()
    assert wire.index(b"\r\n.\r\n") == len(wire) - 5


@pytest.mark.parametrize(("before", "after"), [*(pair for pair in VARIANTS if ends(*pair)), (b"\r\n", b"\r\n")])
def test_a_true_end_after_odd_text_is_the_end(before: bytes, after: bytes) -> None:
    owner = ready()
    owner.feed(ENVELOPE + b"DATA\r\n", b"text" + before + b"." + after)
    assert b"\r\n.\r\n" in b"text" + before + b"." + after
    assert len(owner.bodies) + sum(isinstance(event, MessageRefused) for event in owner.events) == 1


@pytest.mark.parametrize("octets", [b"a\nb", b"a\rb", b"\n", b"\r", b"a\r\r\n", b"\r\n\n", b"a\n\r"])
@pytest.mark.parametrize("cut", [0, 1, 2])
def test_bare_newlines_are_refused_in_chunks_too(octets: bytes, cut: int) -> None:
    owner = ready()
    first, second = octets[:cut], octets[cut:]
    sent = owner.feed(
        ENVELOPE + b"BDAT %d\r\n" % len(first) + first, b"BDAT %d LAST\r\n" % len(second) + second, b"NOOP\r\n"
    )
    assert b"554 5.6.0" in sent
    assert owner.bodies == []
    assert sent.endswith(b"250 2.0.0 Ok\r\n")


def test_a_crlf_cut_by_chunks_is_not_bare() -> None:
    owner = ready()
    owner.feed(ENVELOPE + b"BDAT 2\r\na\rBDAT 2\r\n\n\rBDAT 1 LAST\r\n\n")
    assert owner.bodies == [b"a\r\n\r\n"]


def test_end_marks_mean_nothing_in_chunks() -> None:
    owner = ready()
    owner.feed(ENVELOPE + b"BDAT 11 LAST\r\na\r\n.\r\nb\r\n..")
    assert owner.bodies == [b"a\r\n.\r\nb\r\n.."]


def test_cleaning_makes_crlf_of_lf_and_a_space_of_cr() -> None:
    owner = ready(settings(bare_newlines=BareNewlines.CLEAN))
    owner.feed(ENVELOPE + b"DATA\r\na\nb\rc\r\r\n.\r\n")
    assert owner.bodies == [b"a\r\nb c \r\n"]
    assert ("end", 9, False, 3, False, False) in owner.events


def test_a_long_text_with_bare_lf_is_refused_for_its_newlines_or_cleaned() -> None:
    text = b"a line\n" * 2000
    owner = ready()
    assert b"bare CR or LF" in owner.feed(ENVELOPE + b"DATA\r\n", text, text, b"\r\n.\r\n")
    owner = ready(settings(bare_newlines=BareNewlines.CLEAN))
    owner.feed(ENVELOPE + b"DATA\r\n", text, b"\r\n.\r\n")
    assert owner.bodies == [b"a line\r\n" * 2000 + b"\r\n"]


def test_the_event_type_of_an_end_is_end_of_message() -> None:
    owner = ready()
    owner.server.receive_data(ENVELOPE + b"DATA\r\n")
    owner.work()
    owner.server.receive_data(b"x\r\n.\r\n")
    event = owner.server.next_event()
    assert isinstance(event, EndOfMessage)
    assert event.body == b"x\r\n"
