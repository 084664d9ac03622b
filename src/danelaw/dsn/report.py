"""A finished notice taken apart again: its header, its boundary and its parts (RFC 6522 §3, RFC 2046 §5.1.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from danelaw.dsn.errors import DSNError
from danelaw.message import Header, MessageError

_KIND = re.compile(
    rb"\s*multipart/report\b.*?\bboundary=(?:\"([^\"\r\n]{1,70})\"|([^\s\";]{1,70}))", re.IGNORECASE | re.DOTALL
)
_MOST_HEADER = 65_536
_MOST_PARTS = 16


@dataclass(frozen=True, slots=True)
class Report:
    """`parts` are octets as they stand between the boundary lines, their own header lines included, without the line
    end that belongs to the boundary behind them. Preamble and epilogue are left out.
    """

    header: Header
    boundary: bytes
    parts: tuple[bytes, ...]

    @classmethod
    def from_bytes(cls, notice: bytes) -> Report:
        """Raises `DSNError` for content that is no multipart/report, is cut off, or has more than 16 parts."""
        try:
            header = Header.from_bytes(notice, max_octets=_MOST_HEADER)
        except MessageError as error:
            raise DSNError(f"the notice cannot be read: {error.reason}") from None
        kind = header.first("Content-Type")
        found = _KIND.match(kind.body) if kind is not None else None
        if found is None:
            raise DSNError("this is no notice (multipart/report)")
        boundary = found[1] or found[2]
        # The line end before a boundary belongs to it; the first may stand at the very start of the body.
        line = re.compile(rb"(?:\A|\r\n)--" + re.escape(boundary) + rb"(--)?[ \t]*(?=\r\n|\Z)")
        pieces, start = [], -1
        body = notice[header.body_offset :]
        for mark in line.finditer(body):
            if start >= 0:
                pieces.append(body[start : max(start, mark.start())])
            if mark[1]:
                return cls(header, boundary, tuple(pieces))
            start = mark.end() + 2
            if len(pieces) >= _MOST_PARTS:
                raise DSNError("the notice has too many parts")
        raise DSNError("the notice is cut off: its last boundary is missing")

    def to_bytes(self) -> bytes:
        """The notice again, preamble and epilogue left out."""
        mark = b"--" + self.boundary
        body = b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in self.parts)
        return self.header.raw + b"\r\n" + body + mark + b"--\r\n"
