"""A held message for somebody else to look at: as an attachment (RFC 2046 §5.2.1), or as it is (RFC 5322 §3.6.6)."""

from __future__ import annotations

import binascii

from danelaw.errors import DanelawError
from danelaw.message import format_date


class ForwardError(DanelawError):
    """The message cannot be put into another one."""


def attached(
    original: bytes, words: str, *, sender: str, to: str, date: float, message_id: str, boundary: str, utf8: bool
) -> bytes:
    """A message with `words` (lines with LF) and the original as message/rfc822, or message/global where its header
    may hold UTF-8 (RFC 6532 §3.7); the original is not encoded, as such a part must not be.

    `date` in POSIX seconds, `message_id` with angle brackets, `boundary` unguessable to who sent the original. Raises
    `ForwardError` when the boundary occurs in it.
    """
    mark = b"--" + boundary.encode("ascii")
    if mark in original:
        raise ForwardError(f"{boundary!r} cannot be the boundary", advice="choose another at random")
    kind = "message/global" if utf8 else "message/rfc822"
    eight_bit = "" if original.isascii() else "Content-Transfer-Encoding: 8bit\r\n"
    lines = [
        f"From: Quarantine <{sender}>",
        f"To: <{to}>",
        "Subject: A message from the quarantine",
        f"Date: {format_date(date)}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/mixed;\r\n\tboundary="{boundary}"',
    ]
    head = "".join(f"{line}\r\n" for line in lines) + eight_bit
    part = f'Content-Type: {kind}\r\nContent-Disposition: attachment; filename="held.eml"\r\n{eight_bit}\r\n'
    return b"".join(
        (head.encode(), b"\r\n", mark, b"\r\n", text_part(words), b"\r\n", mark, b"\r\n", part.encode(), original,
         b"\r\n", mark, b"--\r\n")
    )  # fmt: skip


def resent(original: bytes, *, sender: str, to: str, date: float, message_id: str) -> bytes:
    """The message as it is, with the fields that say who sent it on: they stand before those of earlier times."""
    fields = (
        f"Resent-From: <{sender}>\r\nResent-To: <{to}>\r\nResent-Date: {format_date(date)}\r\n"
        f"Resent-Message-ID: {message_id}\r\n"
    )
    return fields.encode() + original


def text_part(words: str, subtype: str = "plain") -> bytes:
    """A text part in UTF-8, quoted-printable, so that no line of it is too long or looks like anything else."""
    lines = [binascii.b2a_qp(line.encode(), istext=True).replace(b"=\n", b"=\r\n") for line in words.split("\n")]
    head = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    return head.encode() + b"\r\n".join(lines)
