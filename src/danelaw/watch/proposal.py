"""What a steady history allows to insist on: a pin, that is an override with evidence and an end of its own."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.tlspolicy import OverrideTLS, Protection
from danelaw.watch.history import History, Span

_PINS = {
    Protection.DANE: OverrideTLS.DANE_REQUIRE,
    Protection.MTA_STS: OverrideTLS.VERIFY,
    Protection.PKIX: OverrideTLS.VERIFY,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a history must have: within the last `window` days mail on at least `days` of them and `messages` messages,
    the last within `fresh` days, nothing weaker, and no server left out within `quiet` days. A pin holds for `holds`
    days, but never longer than what it rests on was observed.
    """

    window: int = 30
    days: int = 7
    messages: int = 10
    fresh: int = 7
    quiet: int = 14
    holds: int = 90


@dataclass(frozen=True, slots=True)
class Proposal:
    """Pin `destination` to `tls` until the end of day `until`. It was verified (`level`) on `days` days with mail since
    day `since`, `messages` messages over `hosts`. `stopped` messages within the window would have waited under the pin:
    those that went less protected by somebody's own wish.
    """

    destination: str
    tls: OverrideTLS
    until: int
    level: Protection
    since: int
    days: int
    messages: int
    hosts: tuple[str, ...]
    stopped: int


def proposal_of(history: History, today: int, wanted: Wanted) -> tuple[Proposal | None, str]:
    """A proposal, or None and why not in words. `today` is the day it would begin."""
    recent = [span for span in history.spans if span.last >= today - wanted.window]
    standing = history.standing
    reason = _against(recent, today, wanted)
    if standing is None or reason:
        return None, reason or "its latest mail was not verified"
    if standing.days < wanted.days or standing.messages < wanted.messages:
        return None, f"too little history: {standing.days} days with mail, {standing.messages} messages"
    if standing.last < today - wanted.fresh:
        return None, f"no mail went there for {today - standing.last} days"
    tls = _PINS.get(standing.level)
    if tls is None:
        return None, f"{standing.level.value} is no protection to insist on here"
    observed = standing.last - standing.first + 1
    return Proposal(
        history.destination,
        tls,
        today + min(wanted.holds, observed),
        standing.level,
        standing.first,
        standing.days,
        standing.messages,
        standing.hosts,
        sum(span.others for span in recent),
    ), ""


def _against(recent: list[Span], today: int, wanted: Wanted) -> str:
    """What in the last weeks speaks against it."""
    if not recent:
        return f"no mail went there for {wanted.window} days"
    weaker = [one for one in recent if not one.level.verified and one.level is not Protection.NOTHING_SENT]
    if weaker:
        return f"{weaker[-1].level.value} {_ago(today - weaker[-1].last)}"
    stops = [one.last_stop for one in recent if one.stopped]
    if stops and max(stops) >= today - wanted.quiet:
        return f"a server was left out {_ago(today - max(stops))}: it could not prove itself"
    return ""


def _ago(days: int) -> str:
    return "today" if days <= 0 else "yesterday" if days == 1 else f"{days} days ago"
