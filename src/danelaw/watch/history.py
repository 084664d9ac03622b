"""The past of one destination: runs of days at one level, so that years of a steady destination are one line."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from danelaw.tlspolicy import Protection
from danelaw.watch.errors import WatchError
from danelaw.watch.observation import MOST_HOSTS, Observation

MOST_SPANS = 24
"""Runs remembered; the oldest are forgotten first."""
_BY_WORD = {one.value: one for one in Protection}


@dataclass(frozen=True, slots=True)
class Span:
    """Days `first` to `last` of which `days` had mail, all at one `level`: `messages` to `hosts`. `others` went less
    protected by somebody's own wish, a server was left out `stopped` times, for the last time on day `last_stop`.
    """

    first: int
    last: int
    days: int
    messages: int
    level: Protection
    hosts: tuple[str, ...] = ()
    others: int = 0
    stopped: int = 0
    last_stop: int = 0

    def with_day(self, seen: Observation) -> Span:
        """One more day at the same level, or without any mail."""
        hosts = tuple(dict.fromkeys((*(one.host for one in seen.hosts), *self.hosts)))[:MOST_HOSTS]
        return replace(
            self,
            last=seen.day,
            days=self.days + bool(seen.messages),
            messages=self.messages + seen.messages,
            hosts=hosts,
            others=self.others + seen.others,
            stopped=self.stopped + seen.stopped,
            last_stop=seen.day if seen.stopped else self.last_stop,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """What a destination has shown without interruption until now: its weakest verified `level` over `days` days with
    mail since day `first`.
    """

    level: Protection
    first: int
    last: int
    days: int
    messages: int
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """The runs of one destination, oldest first."""

    destination: str
    spans: tuple[Span, ...] = ()

    @property
    def last(self) -> int:
        """The last day that is in it, -1 when empty."""
        return self.spans[-1].last if self.spans else -1

    @property
    def standing(self) -> Standing | None:
        """None where the latest mail was not verified, or there was none."""
        found: list[Span] = []
        for span in reversed(self.spans):
            if span.level is Protection.NOTHING_SENT:
                continue
            if not span.level.verified:
                break
            found.append(span)
        if not found:
            return None
        hosts = tuple(dict.fromkeys(host for span in found for host in span.hosts))
        return Standing(
            min(span.level for span in found),
            found[-1].first,
            found[0].last,
            sum(span.days for span in found),
            sum(span.messages for span in found),
            hosts,
        )

    def with_day(self, seen: Observation) -> History:
        """The history with one more day. A day that is in it already, or nothing to tell of, changes nothing."""
        if seen.day <= self.last or not (seen.messages or seen.stopped or seen.others):
            return self
        spans = self.spans
        if spans and (seen.level is spans[-1].level or not seen.messages):
            spans = (*spans[:-1], spans[-1].with_day(seen))
        else:
            spans = (*spans, Span(seen.day, seen.day, 0, 0, seen.level).with_day(seen))
        return History(self.destination, spans[-MOST_SPANS:])

    def to_text(self) -> str:
        """The stored form: a JSON array of arrays."""
        rows = [
            [s.first, s.last, s.days, s.messages, s.level.value, list(s.hosts), s.others, s.stopped, s.last_stop]
            for s in self.spans
        ]
        return json.dumps(rows, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_text(cls, destination: str, text: str) -> History:
        """From `to_text`. Raises `WatchError`."""
        try:
            return cls(destination, tuple(_span(row) for row in json.loads(text)))
        except (ValueError, TypeError, KeyError, IndexError) as error:
            raise WatchError(f"the history of {destination[:80]} is damaged: {error}") from error


def _span(row: list[Any]) -> Span:
    numbers = [int(row[place]) for place in (0, 1, 2, 3, 6, 7, 8)]
    first, last, days, messages, others, stopped, last_stop = numbers
    hosts = tuple(str(host) for host in row[5])
    return Span(first, last, days, messages, _BY_WORD[row[4]], hosts, others, stopped, last_stop)
