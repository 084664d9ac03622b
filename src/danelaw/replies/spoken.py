"""A failed reply in the parts rules look at: code, enhanced code, words in lower case."""

from __future__ import annotations

import re
from typing import NamedTuple

from danelaw.errors import DanelawError
from danelaw.smtp import Reply

MAX_TEXT = 1024
"""How many characters of a reply are looked at: what it means stands at its beginning."""
_LINE = re.compile(r"([245][0-9]{2})(?:[ -]|\Z)", re.ASCII)
_STATUS = re.compile(r"([245])\.([0-9]{1,3})\.([0-9]{1,3})(?![0-9.])", re.ASCII)
_NONE = (0, 0, 0)


class NoReply(DanelawError):
    """The text does not begin with a code of a failure."""


class SpokenReply(NamedTuple):
    """`code` such as 550, `status` as numbers ((0, 0, 0) where none was given), `words` lower case and on one line."""

    code: int
    status: tuple[int, int, int]
    words: str

    @classmethod
    def of(cls, reply: Reply) -> SpokenReply:
        """The parts of a reply as the client read it."""
        status = reply.enhanced if reply.enhanced is not None else _NONE
        return cls(reply.code, (status[0], status[1], status[2]), _words(reply.text))

    @classmethod
    def from_text(cls, text: str) -> SpokenReply:
        """Read `550 5.1.1 No such user`, also over several lines as they were on the wire. Raises `NoReply`."""
        code, status, words = 0, _NONE, []
        for line in text[: 4 * MAX_TEXT].strip().splitlines():
            rest = line.strip()
            if (start := _LINE.match(rest)) is not None:
                code = code or int(start[1])
                rest = rest[start.end() :].lstrip()
            if (found := _STATUS.match(rest)) is not None and int(found[1]) == code // 100:
                if status == _NONE:
                    status = (int(found[1]), int(found[2]), int(found[3]))
                rest = rest[found.end() :].lstrip()
            words.append(rest)
        if code < 400:
            raise NoReply(
                f"{text[:60]!r} is no reply of a failure", advice='write it as the server did: "550 5.1.1 No such user"'
            )
        return cls(code, status, _words(" ".join(words)))


def _words(text: str) -> str:
    return " ".join(text[:MAX_TEXT].lower().split())
