"""spamd of SpamAssassin: SPAMC/1.5, a request like one of HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Literal

from danelaw.filters.engine import Engine, exchange
from danelaw.filters.result import FilterEdit, FilterError, FilterResult, ReplaceHeader, Verdict, plain
from danelaw.filters.specimen import Specimen, pieces
from danelaw.filters.stream import ServerAddress, Stream
from danelaw.message import Header, MessageError
from danelaw.milter import InsertHeader, ReplaceBody

Method = Literal["SYMBOLS", "CHECK", "HEADERS", "PROCESS"]

_STATUS = re.compile(rb"SPAMD/[0-9.]{1,8} ([0-9]{1,3}) ?(.*)\Z", re.ASCII)
_SPAM = re.compile(r"(True|False|Yes|No)\s*;\s*(-?[0-9.]{1,12})\s*/\s*(-?[0-9.]{1,12})\s*\Z", re.ASCII | re.IGNORECASE)
_RULE = re.compile(r"[A-Za-z0-9_]{1,100}\Z", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_.@+-]{1,100}\Z", re.ASCII)
_LARGEST_HEAD = 16 * 1024
_LARGEST_ANSWER = 256 * 1024
_MOST_RULES = 200


class Spamd(Engine):
    """`method`: SYMBOLS for score and rules, CHECK for the score, HEADERS to take over its X-Spam fields, PROCESS to
    take over the message as it rewrites it; `user` whose preferences count.
    """

    kind = "spamd"

    def __init__(self, method: Method = "SYMBOLS", user: str = "") -> None:
        if user and not _USER.match(user):
            raise ValueError(f"{user!r} is no user name")
        self._method: Method = method
        self._user = user

    async def examine(self, server: ServerAddress, specimen: Specimen) -> FilterResult:
        """Send the message and read score, threshold and what the method adds."""
        largest = _LARGEST_ANSWER + (2 * specimen.content.size if self._method == "PROCESS" else 0)
        async with await Stream.open(server) as stream:
            answer = await exchange(stream, self._request(specimen), lambda: stream.read_all(largest), then_end=True)
        return result_of(answer, self._method)

    async def ping(self, server: ServerAddress) -> str:
        """PING."""
        async with await Stream.open(server) as stream:
            await stream.send(b"PING SPAMC/1.5\r\n\r\n")
            answer = await stream.read_all(_LARGEST_HEAD)
        head = answer.partition(b"\n")[0].rstrip(b"\r")
        match = _STATUS.match(head)
        if match is None or match[1] != b"0":
            raise FilterError(f"it answers PING with {plain(head.decode('utf-8', 'replace'), 60)!r}")
        return plain(match[2].decode("utf-8", "replace"), 60)

    async def _request(self, specimen: Specimen) -> AsyncIterator[bytes]:
        user = f"User: {self._user}\r\n" if self._user else ""
        yield f"{self._method} SPAMC/1.5\r\nContent-length: {specimen.content.size}\r\n{user}\r\n".encode()
        async for piece in pieces(specimen.content):
            yield piece


def result_of(answer: bytes, method: Method = "SYMBOLS") -> FilterResult:
    """The result in spamd's answer. Raises `FilterError`."""
    head, separator, body = answer.partition(b"\r\n\r\n")
    if not separator or len(head) > _LARGEST_HEAD:
        raise FilterError("it hangs up without an answer" if not answer else "its answer is not whole")
    lines = head.split(b"\r\n")
    status = _STATUS.match(lines[0])
    if status is None:
        raise FilterError(
            f"it answers {plain(lines[0].decode('utf-8', 'replace'), 60)!r}, which is not spamd's protocol"
        )
    if status[1] != b"0":
        raise FilterError(f"it says: {plain(status[2].decode('utf-8', 'replace'), 100)} ({status[1].decode()})")
    fields = _fields(lines[1:])
    length = fields.get("content-length", "")
    if length.isdecimal() and int(length[:12]) > len(body):
        raise FilterError("it hangs up in the middle of an answer")
    spam = _SPAM.match(fields.get("spam", ""))
    if spam is None:
        raise FilterError("its answer has no score")
    try:
        # Minus zero is zero for people.
        score, required = float(spam[2]) + 0.0, float(spam[3]) + 0.0
    except ValueError:
        raise FilterError("its score is no number") from None
    found = spam[1].lower() in ("true", "yes")
    reason = f"{score:g} of {required:g} points"
    names = _rules(body) if method == "SYMBOLS" else ()
    return FilterResult("", Verdict.FOUND if found else Verdict.CLEAN, reason, score, required, names,
                        _edits(body, method), leading_space=True)  # fmt: skip


def _fields(lines: list[bytes]) -> dict[str, str]:
    found = {}
    for line in lines[:50]:
        name, _, value = line.partition(b":")
        found[name.strip().lower().decode("ascii", "replace")] = value.strip().decode("utf-8", "replace")
    return found


def _rules(body: bytes) -> tuple[str, ...]:
    words = body.decode("ascii", "replace").strip().split(",")[:_MOST_RULES]
    return tuple(word.strip() for word in words if _RULE.match(word.strip()))


def _edits(body: bytes, method: Method) -> tuple[FilterEdit, ...]:
    if method not in ("HEADERS", "PROCESS"):
        return ()
    try:
        header = Header.from_bytes(body)
    except MessageError:
        raise FilterError("the header it gives back is too large") from None
    if method == "PROCESS":
        return (ReplaceHeader(header.raw), ReplaceBody(body[header.body_offset :]))
    marks = [field for field in header if field.name.lower().startswith(b"x-spam-")]
    return tuple(InsertHeader(0, mark.name, mark.raw.partition(b":")[2].rstrip(b"\r\n")) for mark in reversed(marks))
