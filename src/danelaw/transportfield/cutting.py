"""Cutting fields of that name out of a header while it passes, in pieces of any size."""

from __future__ import annotations

import re

# White space before the colon is read by many (RFC 5322 §4.5), and software that trims names takes off whatever cannot
# stand in one (§3.6.8). A line that ends after the name could be joined with a colon on the next one by software that
# unfolds first.
_NONE_OF_A_NAME = rb"[^\n!-~]*"
_NAME = re.compile(_NONE_OF_A_NAME + rb"danelaw-transport" + _NONE_OF_A_NAME + rb"(?::|\n|\Z)", re.IGNORECASE)
_QUICK = b"danelaw-transport"
_LONGEST_HELD = 2048


class FieldCutter:
    """Gives back the octets of a message without these fields, as much as is certain; `end` gives the rest.

    The header ends with the first empty line, and what follows passes untouched. `removed` counts what was cut out.
    Beginnings of lines are held back until they can be judged, at most 2 KiB of them.
    """

    __slots__ = ("_cutting", "_held", "_in_header", "_within", "removed")

    def __init__(self) -> None:
        self.removed = 0
        self._held = b""
        self._in_header = True
        self._cutting = False
        self._within = False
        """What comes next is the rest of a line that was judged already."""

    def feed(self, octets: bytes) -> bytes:
        """The next piece of the message."""
        if not self._in_header:
            return octets
        octets = self._held + octets
        self._held = b""
        kept: list[bytes] = []
        place = 0
        while place < len(octets):
            end = octets.find(b"\n", place) + 1
            if not end and not self._within and len(octets) - place <= _LONGEST_HELD:
                self._held = octets[place:]
                break
            place, over = self._line(octets, place, end or len(octets), kept, ends=end > 0)
            if over:
                self._in_header = False
                kept.append(octets[place:])
                break
        return b"".join(kept)

    def end(self) -> bytes:
        """The message is over: what was held back, unless it belongs to such a field."""
        held, self._held = self._held, b""
        if not held:
            return b""
        kept: list[bytes] = []
        self._line(held, 0, len(held), kept, ends=True)
        return b"".join(kept)

    def _line(self, octets: bytes, start: int, end: int, kept: list[bytes], *, ends: bool) -> tuple[int, bool]:
        """Keep or cut a line, or the part of one that is there; gives where the next one begins, and whether this was
        the empty line.
        """
        line = octets[start:end]
        if not self._within:
            if line in (b"\r\n", b"\n"):
                kept.append(line)
                return end, True
            if line[:1] not in (b" ", b"\t"):
                self._cutting = _NAME.match(line) is not None
        self._within = not ends
        if self._cutting:
            self.removed += len(line)
        else:
            kept.append(line)
        return end, False


def without_field(octets: bytes, lowered: bytes) -> bytes:
    """A whole message without these fields. `lowered` is its header, or more of it, in lower case: most headers do not
    have the name at all, and then the message is given back as it is.
    """
    if _QUICK not in lowered:
        return octets
    cutter = FieldCutter()
    return cutter.feed(octets) + cutter.end()
