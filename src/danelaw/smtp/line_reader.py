"""Cutting the client's octets into command lines. Only CRLF ends a line (RFC 5321 §2.3.8)."""

from __future__ import annotations

from danelaw.smtp import replies
from danelaw.smtp.errors import CommandError, RemoteProtocolError

_CR = 0x0D
_TLS_HANDSHAKE = 0x16  # ContentType handshake, RFC 8446 §5.1: no command begins with it
_SKIPPED_OCTETS = 64 * 1024


class LineReader:
    """Unread octets of one connection; `len()` tells how many.

    `fresh` is false while another look would find nothing that the last one did not.
    """

    __slots__ = ("_buffer", "_incoming", "_incoming_octets", "_longest", "_position", "_skipped", "_skipping", "fresh")

    def __init__(self, longest: int) -> None:
        """`longest`: octets of a line of any command, with what extensions add to it."""
        self._buffer = b""
        self._position = 0
        self._incoming: list[bytes] = []
        self._incoming_octets = 0
        self._longest = longest
        self._skipping = False
        self._skipped = 0
        self.fresh = False

    def __len__(self) -> int:
        return len(self._buffer) - self._position + self._incoming_octets

    def feed(self, data: bytes) -> None:
        """Take octets from the network."""
        self.fresh = True
        if self._position >= len(self._buffer) and not self._incoming:
            self._buffer, self._position = data, 0
            return
        self._incoming.append(data)
        self._incoming_octets += len(data)

    def next_line(self) -> bytes | None:
        """The next line without its CRLF, or None when it is not complete.

        Raises `CommandError` for a line that is too long for any command or holds a bare CR or LF, and
        `RemoteProtocolError` when no line end comes at all or a TLS handshake begins. What is left of a bad line, up
        to CRLF, is skipped: nothing behind a bare LF is ever taken for a command.
        """
        if self._incoming:
            self._merge()
        elif self._position >= len(self._buffer):
            self.fresh = False
            return None
        if self._skipping and not self._skip():
            self.fresh = False
            return None
        buffer, start = self._buffer, self._position
        if start < len(buffer) and buffer[start] == _TLS_HANDSHAKE:
            raise RemoteProtocolError("the client started TLS without STARTTLS", replies.NOT_TLS)
        end = buffer.find(b"\n", start)
        if (end if end >= 0 else len(buffer)) - start >= self._longest:
            self._skipping = True
            raise CommandError(replies.LINE_TOO_LONG)
        if end < 0:
            self.fresh = False
            return None
        self._position = end + 1
        self.fresh = end + 1 < len(buffer)
        if end == start or buffer[end - 1] != _CR:
            self._skipping = True
            raise CommandError(replies.BARE_NEWLINE)
        line = buffer[start : end - 1]
        if b"\r" in line:
            raise CommandError(replies.BARE_NEWLINE)
        return line

    def take(self, octets: int) -> bytes:
        """At most so many octets, raw."""
        self._merge()
        start = self._position
        if start == 0 and octets >= len(self._buffer):
            taken, self._buffer = self._buffer, b""
            return taken
        taken = self._buffer[start : start + octets]
        self._position = start + len(taken)
        return taken

    def take_all(self) -> bytes:
        """Everything, raw."""
        self._merge()
        taken = self._buffer[self._position :] if self._position else self._buffer
        self._buffer, self._position = b"", 0
        self.fresh = False
        return taken

    def put_back(self, data: bytes) -> None:
        """Return the end of what `take_all` gave."""
        self._buffer, self._position = data, 0
        self.fresh = bool(data)

    def clear(self) -> None:
        """Forget everything unread."""
        self._buffer, self._position = b"", 0
        self._incoming.clear()
        self._incoming_octets = 0

    def _merge(self) -> None:
        incoming = self._incoming
        if not incoming:
            return
        if self._position >= len(self._buffer):
            self._buffer = incoming[0] if len(incoming) == 1 else b"".join(incoming)
        else:
            self._buffer = b"".join((self._buffer[self._position :], *incoming))
        self._position = 0
        incoming.clear()
        self._incoming_octets = 0

    def _skip(self) -> bool:
        """Drop the rest of a bad line; True when its CRLF was found."""
        end = self._buffer.find(b"\r\n", self._position)
        # A CR at the very end may be the first half of the CRLF.
        upto = end + 2 if end >= 0 else len(self._buffer) - self._buffer.endswith(b"\r")
        self._skipped += max(0, upto - self._position)
        self._position = max(self._position, upto)
        if self._skipped > _SKIPPED_OCTETS:
            raise RemoteProtocolError("the client sent a line without end", replies.ENDLESS_LINE)
        if end < 0:
            return False
        self._skipping, self._skipped = False, 0
        return True
