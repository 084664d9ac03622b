"""A plan of pins as a file for people: made, reviewed with an editor, applied. TOML, one `[[pin]]` each."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from danelaw.tlspolicy import Override, OverrideTLS
from danelaw.tlspolicy.override import OverrideError
from danelaw.watch.errors import WatchError
from danelaw.watch.proposal import Proposal

DAY = 86_400
MARK = "pin: "
"""How the reason of an override begins that came from a plan."""
MAX_FILE = 16 << 20
MOST_PINS = 100_000
LONGEST_DAYS = 366
_EPOCH = date(1970, 1, 1)
_PINNABLE = (OverrideTLS.DANE_REQUIRE, OverrideTLS.VERIFY)
_KEYS = frozenset({"destination", "tls", "until", "because", "would_have_stopped"})


def day_text(day: int) -> str:
    """Day 20783 as `2026-11-26`."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def evidence(proposal: Proposal) -> str:
    """Why a pin is safe, in one line: it becomes the override's reason."""
    hosts = ", ".join(proposal.hosts[:3]) + (f" and {len(proposal.hosts) - 3} more" if len(proposal.hosts) > 3 else "")
    return (
        f"{proposal.level.value} on all {proposal.days} days with mail since {day_text(proposal.since)},"
        f" {proposal.messages} messages to {hosts}"
    )


def to_text(proposals: Iterable[Proposal], made: float) -> str:
    """The file; `made` in POSIX seconds."""
    when = datetime.fromtimestamp(made, UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"# Pins proposed by danelaw on {when} from what was delivered here. Review it and take out what you do not",
        "# want; then:  danelaw pins apply THIS-FILE",
        "# A pin is an override: while it holds, mail waits rather than go with less. Each ends by itself.",
    ]
    for one in proposals:
        lines += [
            "",
            "[[pin]]",
            f"destination = {_quoted(one.destination)}",
            f"tls = {_quoted(one.tls.value)}",
            f"until = {day_text(one.until)}",
            f"because = {_quoted(evidence(one))}",
            f"would_have_stopped = {one.stopped}",
        ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A string of TOML: as JSON has it, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


@dataclass(frozen=True, slots=True)
class Pin:
    """One entry as it was reviewed."""

    override: Override
    would_have_stopped: int = 0


def from_text(text: str, now: float, source: str) -> tuple[Pin, ...]:
    """Read a plan; `now` in POSIX seconds, `source` as in `Override`. Every problem is named by its destination.

    Raises `WatchError` for what is no plan, for settings a plan may not have (only `dane-require` and `verify`, which
    make mail wait and never weaken it), an end that is past or further than a year, and a destination twice.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WatchError(f"the plan cannot be read: {error}", advice="danelaw pins plan > plan.toml") from None
    pins = found.get("pin", [])
    if set(found) - {"pin"} or not isinstance(pins, list) or not all(isinstance(one, dict) for one in pins):
        raise WatchError("a plan has entries [[pin]] and nothing else", advice="danelaw pins plan > plan.toml")
    if len(pins) > MOST_PINS:
        raise WatchError(f"the plan has more than {MOST_PINS} pins", advice="split it")
    read: dict[str, Pin] = {}
    problems = []
    for number, entry in enumerate(pins, 1):
        try:
            pin = _pin(entry, now, source)
        except (WatchError, OverrideError) as error:
            problems.append(f"pin {number} ({str(entry.get('destination', 'no destination'))[:80]}): {error.reason}")
            continue
        if pin.override.destination in read:
            problems.append(f"pin {number}: {pin.override.destination} appears twice")
        read[pin.override.destination] = pin
    if problems:
        raise WatchError("\n".join(problems[:20]), advice="correct the plan; nothing was applied")
    return tuple(read.values())


def _pin(entry: dict[str, Any], now: float, source: str) -> Pin:
    unknown = sorted(set(entry) - _KEYS)
    if unknown:
        raise WatchError(f"{unknown[0][:40]!r} is no key of a pin")
    destination, tls, because = (entry.get(name) for name in ("destination", "tls", "because"))
    if not isinstance(destination, str) or not isinstance(tls, str) or not isinstance(because, str):
        raise WatchError("destination, tls and because are texts in quotes")
    stopped = entry.get("would_have_stopped", 0)
    if not isinstance(stopped, int):
        raise WatchError("would_have_stopped is a number")
    expires = _end(entry.get("until"))
    override = Override.of(destination, tls, because=MARK + because, expires=expires, source=source)
    if override.tls not in _PINNABLE:
        raise WatchError("a pin is dane-require or verify", advice="danelaw override add, for other settings")
    if expires <= now:
        raise WatchError(f"it ended {entry['until']}")
    if expires > now + LONGEST_DAYS * DAY:
        raise WatchError("it has no end within a year, and has to end")
    return Pin(override, stopped)


def _end(until: object) -> float:
    """The end of a day, or a moment, in POSIX seconds."""
    if isinstance(until, datetime):
        return (until if until.tzinfo is not None else until.replace(tzinfo=UTC)).timestamp()
    if isinstance(until, date):
        return ((until - _EPOCH).days + 1) * float(DAY)
    raise WatchError("until is a date such as 2026-12-31")
