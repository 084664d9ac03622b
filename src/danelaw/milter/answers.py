"""What a filter says to a step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from danelaw.milter.errors import MilterError

_REPLY_LINE = re.compile(
    r"([45][0-9]{2})(?:[ -]|\Z)(?:([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |\Z))?(.*)\Z", re.ASCII | re.DOTALL
)
MOST_LINES = 32


class Disposition(Enum):
    """The meaning; the value is the octet on the wire."""

    CONTINUE = b"c"
    ACCEPT = b"a"
    REJECT = b"r"
    TEMPFAIL = b"t"
    DISCARD = b"d"
    REPLYCODE = b"y"
    SKIP = b"s"
    SHUTDOWN = b"4"
    CONN_FAIL = b"f"


_BY_OCTET = {member.value[0]: member for member in Disposition}


@dataclass(frozen=True, slots=True)
class Answer:
    """A filter's answer. `code`, `enhanced` and `lines` are set for a reply in its own words, code 4yz or 5yz."""

    disposition: Disposition
    code: int = 0
    enhanced: str | None = None
    lines: tuple[str, ...] = ()

    @property
    def refuses(self) -> bool:
        """The client is to be told no."""
        return self.disposition in _REFUSALS

    @property
    def temporary(self) -> bool:
        """A refusal after which the client may try again."""
        if self.disposition is Disposition.REPLYCODE:
            return self.code < 500
        return self.disposition in (Disposition.TEMPFAIL, Disposition.SHUTDOWN, Disposition.CONN_FAIL)


_REFUSALS = frozenset(
    (Disposition.REJECT, Disposition.TEMPFAIL, Disposition.REPLYCODE, Disposition.SHUTDOWN, Disposition.CONN_FAIL)
)


def answer_of(octet: int, data: bytes) -> Answer | None:
    """The answer in a packet, None when the packet is none. Raises `MilterError` for a reply nobody could send on."""
    disposition = _BY_OCTET.get(octet)
    if disposition is None:
        return None
    if disposition is not Disposition.REPLYCODE:
        return Answer(disposition)
    return _own_reply(data)


def _own_reply(data: bytes) -> Answer:
    # Filters double the percent sign, since the first mail server with milters took the text for a format.
    text = data.partition(b"\0")[0].decode("utf-8", "replace").replace("%%", "%")
    code, enhanced, lines = 0, None, []
    for line in text.rstrip("\r\n").split("\n")[:MOST_LINES]:
        match = _REPLY_LINE.match(line.rstrip("\r"))
        if match is None or (code and int(match[1]) != code):
            raise MilterError(f"the filter's reply {line[:60]!r} is no 4yz or 5yz reply")
        code = int(match[1])
        if match[2] is not None and match[2][0] == match[1][0]:
            enhanced = enhanced or match[2]
        lines.append(match[3].strip())
    return Answer(Disposition.REPLYCODE, code, enhanced, tuple(lines))
