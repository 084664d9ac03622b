"""What is known of a header does not depend on how it came, and nothing in the body counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from danelaw.inbound.head import Head

FIELDS = b"Received: from a by b\r\nReceived: from c by d\r\nMessage-ID: <x@y.example>\r\n"
BODY = b"Received: from body\r\nTLS-Required: No\r\nMessage-ID: <body@y.example>\r\n" * 40


def known(head: Head) -> tuple[int, str, tuple[bytes, ...]]:
    return head.received_count, head.message_id, head.tls_required


@given(st.lists(st.integers(1, 300), max_size=20), st.booleans())
def test_any_cut_gives_the_same_and_the_body_gives_nothing(cuts: list[int], waives: bool) -> None:
    message = FIELDS + (b"TLS-Required: No\r\n" if waives else b"") + b"\r\n" + BODY
    whole = Head(message)
    pieces, position = [], 0
    for length in cuts:
        pieces.append(message[position : position + length])
        position += length
    pieces.append(message[position:])
    cut = Head(pieces[0])
    for piece in pieces[1:]:
        cut.feed(piece)
    assert known(cut) == known(whole)
    assert (whole.received_count, whole.message_id) == (2, "<x@y.example>")
    assert len(whole.tls_required) == waives


def test_a_message_without_header_has_none() -> None:
    head = Head(b"\r\n" + BODY)
    head.feed(BODY)
    assert known(head) == (0, "", ())


def test_a_header_without_end_is_kept_up_to_its_limit() -> None:
    head = Head(FIELDS)
    for _ in range(40):
        head.feed(b"X: " + b"x" * 70_000 + b"\r\n")
    head.feed(b"Received: far behind\r\n\r\n")
    assert head.received_count == 2
