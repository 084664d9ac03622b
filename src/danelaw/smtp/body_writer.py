"""Putting a message on the wire: canonical CRLF, dots stuffed (RFC 5321 §4.5.2).

A message that holds a bare CR or LF is never sent: the next server might take it for a line end, and a message
smuggled inside it for another message.
"""

from __future__ import annotations

from io import IncrementalNewlineDecoder

from danelaw.smtp.errors import BareNewline

_SLICE = 1 << 16


def is_canonical(data: bytes) -> bool:
    """Tell whether every CR is followed by LF and every LF preceded by CR.

    The decoder of text files notes which line ends it has seen, in one pass and a third of the time that counting
    CR, LF and CRLF takes.
    """
    decoder = IncrementalNewlineDecoder(None, translate=False)
    if len(data) <= _SLICE:
        decoder.decode(data.decode("latin-1"), True)
    else:
        view = memoryview(data)
        for start in range(0, len(data), _SLICE):
            decoder.decode(str(view[start : start + _SLICE], "latin-1"), start + _SLICE >= len(data))
    return decoder.newlines is None or decoder.newlines == "\r\n"


def canonical(data: bytes) -> bytes:
    """The same text with CRLF at every line end: CRLF, bare LF and bare CR each count as one."""
    if is_canonical(data):
        return data
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")


class BodyWriter:
    """Checks and encodes one message, whole or in pieces cut anywhere."""

    __slots__ = ("_at_line_start", "_carry", "_stuff")

    def __init__(self, *, stuff: bool) -> None:
        """`stuff`: for DATA, with dots and the end mark; else for BDAT, as it is."""
        self._stuff = stuff
        self._at_line_start = True
        self._carry = b""

    def push(self, data: bytes, *, screened: bool = False) -> bytes:
        """Encode a piece; `screened` when every line end in it is known to be CRLF. Raises `BareNewline`."""
        if self._carry:
            data, self._carry = self._carry + data, b""
        if data.endswith(b"\r"):
            data, self._carry = data[:-1], b"\r"
        if not data:
            return b""
        if not screened and not is_canonical(data):
            raise BareNewline("the message has a CR or LF that is not part of a CRLF; it was not sent")
        ends_line = data.endswith(b"\r\n")
        if self._stuff:
            if data.rfind(b"\r\n.") >= 0:  # half the time of find
                data = data.replace(b"\r\n.", b"\r\n..")
            if self._at_line_start and data.startswith(b"."):
                data = b"." + data
        self._at_line_start = ends_line
        return data

    def finish(self) -> bytes:
        """What ends the message: for DATA the end mark, after a CRLF if the message has none at its end."""
        if self._carry:
            raise BareNewline("the message ends with a CR that no LF follows; it was not sent")
        if not self._stuff:
            return b""
        return b".\r\n" if self._at_line_start else b"\r\n.\r\n"
