"""Permits across workers: how the gates of a worker reach the broker that the supervisor keeps, and hear from it.

All that the gates of a worker say in one turn of its loop goes in one frame, in order, and so do the news that come
back. Nobody waits on the line: a gate goes on with whatever has no limit, and what has one waits for its news. Permits
are the worker's until it gives them back or is reaped (`PermitService.reaped`); a line that breaks frees nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from danelaw.errors import DanelawError
from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.queue.asking import Ask, Drop, Give, Grant, Heard, Name, News, Recall, Waits, Word
from danelaw.queue.broker import PermitBroker
from danelaw.queue.direct import tell
from danelaw.queue.permits import Ceiling, PermitKey
from danelaw.spool import database
from danelaw.spool.shards import is_free

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.gateway.line import Line
    from danelaw.gateway.switchboard import Switchboard
    from danelaw.queue.gate import Gate

Ceilings: TypeAlias = Callable[[PermitKey], Ceiling]
"""What each key allows."""
_MOST_AT_ONCE = 10_000
_MOST_KEYS = 200
_MOST_WANTED = 1000
_LONGEST_TEXT = 1000
_WORDS: dict[str, type[Word] | type[News]] = {
    "ask": Ask, "drop": Drop, "give": Give, "heard": Heard, "grant": Grant, "waits": Waits, "recall": Recall,
}  # fmt: skip
_CODES = {kind: code for code, kind in _WORDS.items()}


class PermitService:
    """The supervisor's side. `attach` it to the switchboard, call `look` in each turn and `reaped` for every worker
    that is gone. `ticks` is the monotonic clock.
    """

    def __init__(self, ceiling: Callable[[PermitKey], Ceiling], ticks: Callable[[], float]) -> None:
        self.broker = PermitBroker(ceiling)
        self._ticks = ticks
        self._switchboard: Switchboard | None = None
        self._strangers: set[int] = set()
        self._directory: Path | None = None

    def attach(self, switchboard: Switchboard) -> None:
        """Hear what workers say from now on."""
        self._switchboard = switchboard
        switchboard.services["permits"] = self._serve

    def await_strangers(self, directory: Path) -> None:
        """Grant nothing while workers of a supervisor that was killed still hold shards of the spool: their deliveries
        are in no ledger.
        """
        self._directory = directory
        self._strangers = {shard for shard in database.shards(directory) if not is_free(directory, shard)}
        self.broker.closed = bool(self._strangers)

    def look(self, owned: Iterable[int] | None = None) -> None:
        """Serve those whom time lets in. `owned` are the shards of our workers, where strangers may be gone."""
        now = self._ticks()
        if self.broker.closed and owned is not None and self._directory is not None:
            self._strangers.difference_update(owned)
            self._strangers = {one for one in self._strangers if not is_free(self._directory, one)}
            if not self._strangers:
                self.broker.closed = False
                self.broker.stir(now)
        self.broker.look(now)
        self._tell()

    def next_look(self) -> float | None:
        """When to `look` at the latest (monotonic seconds)."""
        return self.broker.next_look()

    def renew(self, ceiling: Callable[[PermitKey], Ceiling]) -> None:
        """Other limits hold from now on."""
        self.broker.renew(ceiling, self._ticks())
        self._tell()

    def reaped(self, holder: str) -> None:
        """A worker is dead: what it held is free."""
        self.broker.forget(holder, self._ticks())
        self._tell()

    def restore(self, state: dict[str, Any]) -> None:
        """What the broker of the program before this one in this process knew."""
        self.broker.restore(state, self._ticks())
        self._tell()

    def _serve(self, holder: str, args: dict[str, Any]) -> None:
        words = args.get("words")
        if not isinstance(words, list) or len(words) > _MOST_AT_ONCE:
            raise DanelawError("permits are asked for in lists")
        heard: list[Word] = []
        for one in words:
            word = decoded(one)
            if not isinstance(word, Ask | Drop | Give | Heard):
                raise DanelawError("the broker tells news and takes none")
            heard.append(word)
        self.broker.hear(holder, heard, self._ticks())
        self._tell()

    def _tell(self) -> None:
        for holder, news in self.broker.news().items():
            if self._switchboard is not None:
                self._switchboard.tell(holder, "permits", news=[encoded(one) for one in news])


class LinePermits:
    """A worker's side, for all its gates. `observe` is told how long each request took until the first news of it."""

    def __init__(self, line: Line, ticks: Callable[[], float], observe: Callable[[float], None]) -> None:
        self._line = line
        self._ticks = ticks
        self._observe = observe
        self._loop = asyncio.get_running_loop()
        self._gates: dict[int, Gate] = {}
        self._last = 0
        self._said: list[Word] = []
        self._asked: dict[Name, float] = {}
        line.handle("permits", self._hear)

    def join(self, gate: Gate) -> int:
        """One more gate; gives its number."""
        self._last += 1
        self._gates[self._last] = gate
        return self._last

    def leave(self, number: int) -> None:
        """A gate is no more."""
        self._gates.pop(number, None)

    def say(self, word: Word) -> None:
        """Tell the broker, with all else of this turn of the loop."""
        if not self._said:
            self._loop.call_soon(self._send)
        if isinstance(word, Ask):
            self._asked[word.name] = self._ticks()
        elif isinstance(word, Drop):
            self._asked.pop(word.name, None)
        self._said.append(word)

    def look(self) -> float | None:
        """The supervisor watches the time."""
        return None

    def cut_off(self) -> None:
        """The line is broken: no more news will come."""
        for gate in tuple(self._gates.values()):
            gate.cut_off()

    def _send(self) -> None:
        said, self._said = self._said, []
        for start in range(0, len(said), _MOST_AT_ONCE):
            words = [encoded(word) for word in said[start : start + _MOST_AT_ONCE]]
            self._line.tell(SUPERVISOR, "permits", words=words)

    def _hear(self, sender: str, args: Mapping[str, Any]) -> None:
        for one in args["news"]:
            news = decoded(one)
            assert isinstance(news, Grant | Waits | Recall)
            if not isinstance(news, Recall) and (since := self._asked.pop(news.name, None)) is not None:
                self._observe(self._ticks() - since)
            tell(self._gates, news, self.say)


def encoded(word: Word | News) -> list[Any]:
    """A word as JSON has it."""
    return [_CODES[type(word)], *word]


def decoded(value: Any) -> Word | News:
    """What `encoded` gave, after JSON. Raises `DanelawError` for anything else."""
    try:
        code, *fields = value
        kind = _WORDS[code]
        match code:
            case "ask":
                name, group, slots, tokens, wanted, wait = fields
                if not (_is_whole(wanted) and 0 < wanted <= _MOST_WANTED and type(wait) is bool):
                    raise ValueError(wanted)
                return Ask(_name(name), _name(group), _keys(slots), _keys(tokens), wanted, wait)
            case "drop":
                return Drop(_name(*fields))
            case "waits":
                name, key, allowed, retry_at = fields
                return Waits(_name(name), _key(key), allowed, retry_at)
            case "grant":
                name, *others = fields
                return Grant(_name(name), *others)
        number, *others = fields
        if not _is_whole(number) or not all(one is None or type(one) in (int, bool) for one in others):
            raise ValueError(fields)
        return kind(number, *others)
    except (TypeError, ValueError, KeyError):
        raise DanelawError("what was said about permits makes no sense") from None


def _name(value: Any) -> Name:
    gate, serial = value
    if not (_is_whole(gate) and _is_whole(serial)):
        raise ValueError(value)
    return gate, serial


def _is_whole(value: Any) -> bool:
    return type(value) is int


def _keys(values: Any) -> tuple[PermitKey, ...]:
    if not isinstance(values, list) or len(values) > _MOST_KEYS:
        raise ValueError(values)
    keys = tuple(map(_key, values))
    if len(set(keys)) < len(keys):
        raise ValueError(values)
    return keys


def _key(value: Any) -> PermitKey:
    rule, kind, subject = value
    if not all(isinstance(text, str) and len(text) <= _LONGEST_TEXT for text in (rule, kind, *subject)):
        raise ValueError(value)
    return PermitKey(rule, kind, tuple(subject))
