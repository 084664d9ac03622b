"""Reading replies from the wire (RFC 5321 §4.2).

    Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF
    Reply-code = %x32-35 %x30-35 %x30-39

Accepted beyond this: a second digit up to 9, and text that is not printable ASCII, whose odd octets are shown
as `\\xff` or `?` (by `ClientLimits.strict_text` it is an error instead): a reply with a strange letter in it is
still a clear yes or no.
"""

from __future__ import annotations

import re
from functools import lru_cache

from danelaw.smtp.errors import MalformedReply, ReplyTooLong
from danelaw.smtp.reply import Reply
from danelaw.smtp.settings import ClientLimits
from danelaw.smtp.status import EnhancedStatusCode

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?\Z", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2}))(?: |\Z)", re.ASCII)
_CONTROL = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), "?") | {0x09: " "}
_CR = 0x0D
# What a server that breaks the protocol is worth to the message: try again later.
_WORTH = Reply.of(451, "4.5.0", "The next server broke the SMTP protocol")


class ReplyReader:
    """Cuts the server's octets into replies."""

    __slots__ = ("_buffer", "_code", "_limits", "_lines")

    def __init__(self, limits: ClientLimits) -> None:
        self._limits = limits
        self._buffer = b""
        self._code = b""
        self._lines: list[str] = []

    @property
    def has_rest(self) -> bool:
        """Octets wait that belong to no reply read so far."""
        return bool(self._buffer or self._lines)

    def feed(self, data: bytes) -> None:
        """Take octets from the network."""
        self._buffer = self._buffer + data if self._buffer else data

    def next_reply(self) -> Reply | None:
        """The next whole reply, or None. Raises `MalformedReply` or `ReplyTooLong`."""
        while True:
            buffer = self._buffer
            end = buffer.find(b"\n")
            if (end + 1 if end >= 0 else len(buffer)) > self._limits.reply_line:
                raise ReplyTooLong(
                    f"the server sent a reply line of more than {self._limits.reply_line} octets", _WORTH
                )
            if end < 0:
                return None
            if end == 0 or buffer[end - 1] != _CR:
                raise MalformedReply(f"the server ended a reply line without CR LF: {buffer[: end + 1][:80]!r}", _WORTH)
            line, self._buffer = buffer[: end - 1], buffer[end + 1 :]
            if not self._lines and line[3:4] != b"-":
                return _single(line, self._limits.strict_text)
            last = self._continue(line)
            if last:
                return self._assemble()

    def _continue(self, line: bytes) -> bool:
        """Take one line of a reply with several; True when it is the last."""
        code, separator, text = _split(line, self._limits.strict_text)
        if self._lines and code != self._code:
            raise MalformedReply(
                f"the server changed the code within one reply from {self._code.decode()} to {code.decode()}", _WORTH
            )
        if len(self._lines) >= self._limits.reply_lines:
            raise ReplyTooLong(f"the server sent a reply of more than {self._limits.reply_lines} lines", _WORTH)
        self._code = code
        self._lines.append(text)
        return separator != b"-"

    def _assemble(self) -> Reply:
        lines, code = self._lines, int(self._code)
        self._lines = []
        enhanced = _enhanced(code, lines[0])
        if enhanced is not None:
            prefix = enhanced.to_text()
            lines = [line[len(prefix) :].lstrip(" ") if line.startswith(prefix) else line for line in lines]
        return Reply(code, enhanced, "\n".join(lines))


@lru_cache(maxsize=256)  # one server answers MAIL, RCPT and DATA with the same words every time
def _single(line: bytes, strict: bool) -> Reply:
    code, _, text = _split(line, strict)
    enhanced = _enhanced(int(code), text)
    if enhanced is not None:
        text = text[len(enhanced.to_text()) + 1 :]
    return Reply(int(code), enhanced, text)


def _split(line: bytes, strict: bool) -> tuple[bytes, bytes, str]:
    match = _LINE.match(line)
    if match is None:
        raise MalformedReply(f"the server sent something that is no reply: {line[:80]!r}", _WORTH)
    if b"\r" in line:
        raise MalformedReply(f"the server sent a CR within a reply line: {line[:80]!r}", _WORTH)
    code, separator, octets = match[1], match[2] or b"", match[3] or b""
    text = octets.decode("utf-8", "backslashreplace")
    if octets.isascii() and text.isprintable():
        return code, separator, text
    if strict:
        raise MalformedReply(f"the server sent a reply with octets that are no printable ASCII: {line[:80]!r}", _WORTH)
    return code, separator, text.translate(_CONTROL)


def _enhanced(code: int, text: str) -> EnhancedStatusCode | None:
    """The enhanced code in front of the text; one of another class than the reply's code is only text (RFC 2034 §4)."""
    match = _ENHANCED.match(text)
    if match is None or int(text[0]) != code // 100:
        return None
    return EnhancedStatusCode.from_text(match[1])
