"""What hooks are asked and say, written down for a while about what somebody wants to see: a client, an address.

While nobody wants anything there is no cost: the runner's observers are not set. Memory is bounded; the oldest lines
go first. What belongs to a message is stored with it too, within `MOST_STORED` octets, so that `explain` has it.
"""

from __future__ import annotations

import json
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any, TypeAlias

from danelaw.policy import POINTS, Context, FailurePolicy, MailContext, RecipientContext, Waiting
from danelaw.rules import judge
from danelaw.rules.patterns import address_matches

if TYPE_CHECKING:
    from danelaw.policy import Hook
    from danelaw.rules import Rule
    from danelaw.scripting.running import Called, Runner

Line: TypeAlias = dict[str, Any]
MOST_LINES = 2000
MOST_OCTETS = 4 << 20
"""Of all lines, about."""
MOST_CALLS_SHOWN = 30
MOST_STORED = 12_000
_MOST_CONNECTIONS = 500
_MOST_OF_ONE = 60
_RULES = {"rules_recipient": "recipient", "rules_message": "message"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be traced until `until` (POSIX seconds): all that is given must hold. `address` is a pattern as in
    rules, of senders and recipients; `client` a network, `message` a queue id.
    """

    until: float
    address: str = ""
    client: IPv4Network | IPv6Network | None = None
    message: str = ""

    def holds(self, context: Context) -> bool | None:
        """Whether a context is wanted; None where that is not known yet."""
        if self.message and getattr(context, "id", "") != self.message:
            return False
        if self.client is not None and not self._is_from(context):
            return False
        if not self.address:
            return True
        if any(address_matches(self.address, one) for one in _addresses(context)):
            return True
        return None if not hasattr(context, "id") else False

    def _is_from(self, context: Context) -> bool:
        text = _client(context).partition("%")[0]
        assert self.client is not None
        return bool(text) and ip_address(text) in self.client

    def to_object(self) -> dict[str, Any]:
        """As JSON."""
        client = "" if self.client is None else str(self.client)
        return {"until": self.until, "address": self.address, "client": client, "message": self.message}


class Traces:
    """The traces of one process. `clock` gives POSIX seconds; `hooks_at` the hooks of a version at a step, `rules`
    those in force.
    """

    def __init__(
        self, runner: Runner, clock: Callable[[], float], hooks_at: Callable[[str, str], Iterable[Hook]],
        rules: Callable[[], Iterable[Rule]],
    ) -> None:  # fmt: skip
        self._runner = runner
        self._clock = clock
        self._hooks_at = hooks_at
        self._rules = rules
        self.wanted: Wanted | None = None
        self.lines: deque[Line] = deque()
        self._octets = 0
        self.dropped = 0
        self._open: OrderedDict[str, list[Line]] = OrderedDict()
        self._kept: OrderedDict[str, list[Line]] = OrderedDict()
        runner.taken = self.taken

    def start(self, wanted: Wanted) -> None:
        """Trace this from now on, and forget what was traced before."""
        self.stop()
        self.lines.clear()
        self._octets = self.dropped = 0
        self.wanted = wanted
        self._runner.traces, self._runner.observe = self.wants, self.observe

    def stop(self) -> None:
        """Trace nothing more; what was traced stays to be shown."""
        self.wanted = None
        self._open.clear()
        self._kept.clear()
        self._runner.traces, self._runner.observe = _nothing, None

    def wants(self, context: Context) -> bool:
        """Whether the calls of the library about a context are to be kept."""
        wanted = self.wanted
        if wanted is None:
            return False
        if self._clock() >= wanted.until:
            self.stop()
            return False
        return wanted.holds(context) is not False

    def observe(self, called: Called, context: Context) -> None:
        """A hook has been asked."""
        wanted = self.wanted
        if wanted is None:
            return
        key = _key(context)
        match wanted.holds(context):
            case False:
                self._open.pop(key, None)
            case None:
                _add(self._open, key, self._line(called, context))
            case _:
                line = self._line(called, context)
                found = [*self._open.pop(key, ()), line]
                for one in found:
                    self._keep(one)
                    _add(self._kept, key, one)

    def _keep(self, line: Line) -> None:
        self.lines.append(line)
        self._octets += _size(line)
        while len(self.lines) > MOST_LINES or self._octets > MOST_OCTETS:
            self._octets -= _size(self.lines.popleft())
            self.dropped += 1

    def taken(self, context: Context) -> list[Line]:
        """What was traced about the message of a context since it was last asked for, to be stored with it."""
        return self._kept.pop(_key(context), []) if self._kept else []

    def report(self) -> dict[str, Any]:
        """As JSON: what is wanted (None: nothing more), and all lines."""
        wanted = self.wanted
        if wanted is not None and self._clock() >= wanted.until:
            self.stop()
            wanted = None
        return {
            "wanted": None if wanted is None else wanted.to_object(),
            "dropped": self.dropped,
            "lines": list(self.lines),
            "idle": self._idle(),
        }

    def _idle(self) -> list[list[str]]:
        """Hooks of the versions that were traced which nobody asked: version, step and name."""
        asked = {(line["version"], line["hook"]) for line in self.lines}
        found = []
        for version in dict.fromkeys(version for version, _ in asked):
            for point in POINTS:
                hooks = self._hooks_at(version, point)
                found += [[version, point, one.name] for one in hooks if (version, one.name) not in asked]
        return found

    def _line(self, called: Called, context: Context) -> Line:
        line: Line = {
            "at": round(context.now, 3),
            "client": _client(context),
            "message": getattr(context, "id", ""),
            "about": str(getattr(context, "recipient", "") or getattr(context, "reverse_path", "")),
            "step": called.point,
            "hook": called.hook,
            "version": called.version,
            "outcome": called.outcome,
            "seconds": round(called.seconds, 6),
            "words": called.reason[:300],
        }
        if called.calls:
            line["calls"] = [
                {
                    "name": one.name, "arguments": one.arguments, "result": one.result,
                    "seconds": round(one.seconds, 6), "failed": one.failed,
                }
                for one in called.calls[:MOST_CALLS_SHOWN]
            ]  # fmt: skip
        if called.hook in _RULES and isinstance(context, MailContext):
            line["rules"] = self._judged(_RULES[called.hook], context)
        not_asked = self._not_asked(called)
        if not_asked:
            line["not_asked"] = not_asked
        return line

    def _judged(self, at: str, context: MailContext) -> list[dict[str, Any]]:
        """Each rule of this moment and what its conditions came to, as the context is after all of them."""
        found = []
        for rule in self._rules():
            if rule.at.value == at:
                judged = judge(rule, context)
                because = "; ".join(f"{one.condition} {'holds' if one.holds else 'does not hold'}: {one.found}"
                                    for one in judged.because)  # fmt: skip
                found.append({"rule": rule.name, "applies": judged.applies, "because": because[:300]})
        return found[:MOST_CALLS_SHOWN]

    def _not_asked(self, called: Called) -> list[str]:
        """The hooks behind this one, where it had the last word."""
        hooks = list(self._hooks_at(called.version, called.point))
        names = [one.name for one in hooks]
        place = names.index(called.hook) if called.hook in names else -1
        ends = called.verdict is not None
        if called.outcome in ("failed", "resting"):
            ends = place < 0 or hooks[place].on_failure is not FailurePolicy.IGNORE
        return names[place + 1 :] if ends else []


def within(lines: Iterable[Line], most: int = MOST_STORED) -> list[Line]:
    """As many lines, the first ones, as fit into so many octets of JSON; the last one counts those left out."""
    found: list[Line] = []
    left, beyond = most, 0
    for line in lines:
        size = len(json.dumps(line, ensure_ascii=False).encode("utf-8", "surrogatepass")) + 1
        if size > left or beyond:
            beyond += 1
            continue
        left -= size
        found.append(line)
    return [*found, {"more": beyond}] if beyond else found


def merged(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The reports of several processes as one, in the order of time."""
    known = list(reports)
    lines = sorted((line for one in known for line in one["lines"]), key=lambda line: float(line["at"]))
    return {
        "wanted": next((one["wanted"] for one in known if one["wanted"] is not None), None),
        "workers": len(known),
        "dropped": sum(one["dropped"] for one in known),
        "lines": lines,
        "idle": _idle_everywhere(known, lines),
    }


def _idle_everywhere(known: list[Mapping[str, Any]], lines: list[Line]) -> list[list[str]]:
    asked = {(line["version"], line["hook"]) for line in lines}
    idle = dict.fromkeys(tuple(one) for report in known for one in report["idle"])
    return [list(one) for one in idle if (one[0], one[2]) not in asked]


def _add(kept: OrderedDict[str, list[Line]], key: str, line: Line) -> None:
    found = kept.setdefault(key, [])
    if len(found) < _MOST_OF_ONE:
        found.append(line)
    kept.move_to_end(key)
    if len(kept) > _MOST_CONNECTIONS:
        kept.popitem(last=False)


def _size(line: Line) -> int:
    """Octets of a line, about."""
    calls = sum(100 + len(one["arguments"]) + len(one["result"]) for one in line.get("calls", ()))
    rules = sum(60 + len(one["because"]) for one in line.get("rules", ()))
    return 300 + len(line["words"]) + calls + rules


def _client(context: Context) -> str:
    client = getattr(context, "client", "")
    return client if isinstance(client, str) else str(client.address)


def _key(context: Context) -> str:
    """A connection while a message arrives, later the message."""
    client = getattr(context, "client", "")
    return str(getattr(context, "id", "")) if isinstance(client, str) else f"{client.address} {client.port}"


def _addresses(context: Context) -> list[str]:
    found = [str(context.reverse_path)] if hasattr(context, "reverse_path") else []
    if isinstance(context, RecipientContext):
        found.append(context.recipient)
    found += [str(one.address if isinstance(one, Waiting) else one) for one in getattr(context, "recipients", ())]
    return found


def _nothing(context: Context) -> bool:
    return False
