"""Reading message data from the wire: DATA with its dots, BDAT with its counts (RFC 5321 §4.5.2, RFC 3030).

Only CRLF.CRLF ends DATA. Whatever else looks like an end (`LF.LF`, `CR.CR`, `CRLF.LF`, …) stays inside the message,
where its bare CR or LF is counted and refused or cleaned. Data is handled in whole chunks by `find`, `replace` and
`is_canonical`; no loop runs over lines.

Both readers cut only after a LF, so that a CRLF is never split, and DATA remembers whether the piece before ended
with CRLF, so that a dot is removed only where it was added: any chunking of the same octets gives the same result.
"""

from __future__ import annotations

import re

from danelaw.smtp import replies
from danelaw.smtp.body_writer import is_canonical
from danelaw.smtp.reply import Reply
from danelaw.smtp.settings import BareNewlines, ServerSettings

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_BARE_NEWLINES_CLEAN = BareNewlines.CLEAN
_BARE_NEWLINES_REFUSE = BareNewlines.REFUSE
_END = b"\r\n.\r\n"
_DOTTED = b"\r\n."
_CR = 0x0D
_BARE = re.compile(rb"(?<!\r)\n|\r(?!\n)")


class _Reader:
    """What DATA and BDAT share: screening of whole lines, and small messages whole or large ones streamed."""

    __slots__ = (
        "_announced_8bit",
        "_kept",
        "_pending",
        "_settings",
        "_stream_above",
        "bare",
        "chunks",
        "eight_bit",
        "long_line",
        "nul",
        "size",
        "streamed",
    )

    def __init__(self, settings: ServerSettings, *, announced_8bit: bool) -> None:
        self._settings = settings
        self._stream_above = settings.limits.stream_above
        self._announced_8bit = announced_8bit
        self._pending = bytearray()
        self._kept = b""
        self.chunks: list[bytes] = []
        self.size = 0
        self.bare = 0
        self.long_line = False
        self.eight_bit = False
        self.nul = False
        self.streamed = False

    @property
    def body(self) -> bytes:
        """The whole message, unless it was streamed."""
        return self._kept

    def fault(self) -> Reply | None:
        """Why the message cannot be taken, as far as it was read. The order is fixed, whatever comes first."""
        settings = self._settings
        if self.long_line:
            return replies.MESSAGE_LONG_LINE
        if self.bare and settings.bare_newlines is _BARE_NEWLINES_REFUSE:
            return replies.MESSAGE_BARE_NEWLINE
        if self.size > settings.limits.message_size:
            return replies.TOO_BIG
        if self.nul and not settings.accept_nul:
            return replies.MESSAGE_NUL
        if self.eight_bit and not self._announced_8bit and not settings.accept_undeclared_8bit:
            return replies.MESSAGE_8BIT
        return None

    def _screen(self, chunk: bytes) -> bytes:
        """Count and judge a run of whole lines; give it back cleaned."""
        if not is_canonical(chunk):
            self.bare += chunk.count(b"\r") + chunk.count(b"\n") - 2 * chunk.count(b"\r\n")
            if self._settings.bare_newlines is _BARE_NEWLINES_CLEAN:
                # A CR becomes a space: as a line end it could make "CR CRLF" end the header early.
                chunk = _BARE.sub(lambda match: b"\r\n" if match[0] == b"\n" else b" ", chunk)
        self.size += len(chunk)
        if not self.long_line and _has_long_line(chunk, self._settings.limits.text_line):
            self.long_line = True
        if not self.eight_bit and not chunk.isascii():
            self.eight_bit = True
        if not self.nul and b"\0" in chunk:
            self.nul = True
        return chunk

    def _stream(self, chunk: bytes) -> None:
        """Hand out a piece of a large message, or drop it when the message is refused already."""
        self.streamed = True
        if self.fault() is None:
            self.chunks.append(chunk)

    def _finish(self, chunk: bytes, *, large: bool) -> None:
        if large or self.streamed:
            self._stream(chunk)
        else:
            self._kept = chunk


class DataReader(_Reader):
    """Reads from the line after 354 up to and with CRLF.CRLF."""

    __slots__ = ("_at_line_start", "_dotted")

    def __init__(self, settings: ServerSettings, *, announced_8bit: bool) -> None:
        super().__init__(settings, announced_8bit=announced_8bit)
        self._at_line_start = True
        self._dotted = False  # a line of what is pending begins with a dot

    def feed(self, data: bytes) -> bytes | None:
        """Take octets. None: more is needed; otherwise the message is complete and these octets come after it."""
        buffer: bytes | bytearray = data
        start = 0
        if self._pending:
            start = max(0, len(self._pending) - len(_END) + 1)
            self._pending += data
            buffer = self._pending
        if self._at_line_start and buffer.startswith(b".\r\n"):
            end = 0
            rest = bytes(buffer[3:])
        else:
            end = self._end(buffer, start)
            if end < 0:
                self._keep(buffer)
                return None
            rest = bytes(buffer[end + 3 :])
        text = self._unstuffed(data[:end] if buffer is data else bytes(memoryview(buffer)[:end]))
        self._pending = bytearray()
        self._finish(self._screen(text), large=end > self._stream_above)
        return rest

    def _end(self, buffer: bytes | bytearray, start: int) -> int:
        """Where the line with the dot begins, -1 while there is none. Mostly one search for lines that begin with a
        dot, backwards since that takes half the time, tells of the end and that nothing is stuffed.
        """
        dot = buffer.rfind(_DOTTED, start)
        if dot < 0:
            return -1
        if not buffer.startswith(_END, dot) or buffer.rfind(_DOTTED, start, dot + 2) >= 0:
            self._dotted = True
            dot = buffer.find(_END, start)
        return dot + 2 if dot >= 0 else -1

    def _keep(self, buffer: bytes | bytearray) -> None:
        cut = buffer.rfind(b"\n") + 1
        # One octet more than the limit may stand in the line: a dot that stuffing put there.
        if self.long_line or len(buffer) - cut > self._settings.limits.text_line + 1:
            self.long_line = True
            self._at_line_start = False
            self._pending = bytearray(buffer[1 - len(_END) :])
        elif cut > self._stream_above:
            self._stream(self._screen(self._unstuffed(bytes(memoryview(buffer)[:cut]))))
            self._at_line_start = buffer[cut - 2] == _CR
            self._pending = bytearray(buffer[cut:])
        elif buffer is not self._pending:
            self._pending = bytearray(buffer)

    def _unstuffed(self, lines: bytes) -> bytes:
        """Remove the dot that stuffing put in front of lines that begin with one (RFC 5321 §4.5.2)."""
        if self._at_line_start and lines.startswith(b"."):
            lines = lines[1:]
        if not self._dotted:
            return lines
        self._dotted = False
        return lines.replace(_DOTTED, b"\r\n")


class ChunkReader(_Reader):
    """Reads the chunks of BDAT; the caller counts their octets."""

    __slots__ = ()

    def feed(self, data: bytes) -> None:
        """Take octets of a chunk."""
        self._pending += data
        cut = self._pending.rfind(b"\n") + 1
        if self.long_line or len(self._pending) - cut > self._settings.limits.text_line:
            self.long_line = True
            self._pending.clear()
        elif cut > self._stream_above:
            self._stream(self._screen(bytes(memoryview(self._pending)[:cut])))
            self._pending = self._pending[cut:]

    def finish(self) -> None:
        """The last chunk is complete."""
        text = bytes(self._pending)
        self._pending = bytearray()
        self._finish(self._screen(text), large=len(text) > self._stream_above)


def _has_long_line(lines: bytes, limit: int) -> bool:
    """Tell whether a line has more than `limit` octets with its line feed, by leaps of about that length."""
    position, total = 0, len(lines)
    while total - position > limit:
        end = lines.rfind(b"\n", position, position + limit)
        if end < 0:
            return True
        position = end + 1
    return False
