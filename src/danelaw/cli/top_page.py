"""The words of `danelaw top`, the same on the screen and printed once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from danelaw.cli.output import Output, Symbol, display_width, duration, relative, size

LABEL = 8
HEADS = ("DESTINATION", "AT ONCE", "PER S", "WAITING", "OLDEST", "NEXT TRY", "WHY")
_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII_BLOCKS = "_.-=+*%#"
_LEAST_GRAPH = 10
_PRINTED_ROWS = 20

ORDERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "waiting": lambda row: (-row["waiting"], -busy(row), row["next_hop"]),
    "busy": lambda row: (-busy(row), -row["waiting"], row["next_hop"]),
    "oldest": lambda row: (row["oldest"] if row["oldest"] is not None else float("inf"), row["next_hop"]),
    "name": lambda row: tuple(row[name] for name in ("next_hop", "demand", "tenant", "job", "priority")),
}
"""How destinations can be sorted: what most waits for, the busiest, the oldest mail, by name."""


def busy(row: dict[str, Any]) -> float:
    """How much a destination has to do: deliveries under way and answers a second."""
    return float(row["under_way"] + (row["per_second"] or 0.0))


def show(out: Output, found: dict[str, Any]) -> None:
    """Print one picture."""
    panel(out, found)
    rows = sorted(found["destinations"]["rows"], key=ORDERS["waiting"])
    out.line()
    if rows:
        out.table([(symbol(row), cells(row, found["time"])) for row in rows[:_PRINTED_ROWS]], heads=HEADS)
        if len(rows) > _PRINTED_ROWS:
            out.line(f"  and {len(rows) - _PRINTED_ROWS} more: danelaw top --json")
        out.line()
    out.next(following(rows[0] if rows else None))


def panel(out: Output, found: dict[str, Any], *, brief: bool = False) -> None:
    """Everything above the destinations, at the width of `out`; `brief` for a screen of 24 lines."""
    out.headline(*headline(found))
    _traffic(out, found)
    for label, parts in facts(found, brief=brief):
        _fact(out, label, parts)


def headline(found: dict[str, Any]) -> tuple[Symbol, str]:
    """The answer: does mail flow?"""
    age = duration(found["time"] - found["started"])
    tail = f"{found['hostname']}, danelaw {found['version']}, up {age}"
    resolver, limits = found["resolver"], found["limits"]
    if found["not_ready"]:
        return Symbol.STOPPED, f"takes no mail: {found['not_ready']}.   {tail}"
    if not resolver["usable"]:
        return Symbol.STOPPED, f"takes mail, but nothing can be verified in DNS.   {tail}"
    if limits:
        many = "a limit is" if len(limits) == 1 else f"{len(limits)} limits are"
        return Symbol.ENCRYPTED, f"mail flows; {many} reached.   {tail}"
    if any(found["in"]["history"]) or any(found["out"]["history"]) or found["queue"]["under_way"]:
        return Symbol.VERIFIED, f"mail flows.   {tail}"
    return Symbol.VERIFIED, f"ready; no mail came or went in the last 2 min.   {tail}"


def _traffic(out: Output, found: dict[str, Any]) -> None:
    ways = (("IN", found["in"], "messages/s"), ("OUT", found["out"], "recipients/s"))
    words = [f"{_number(way['per_second'])} {unit}, {_octets(way['octets_per_second'])}/s" for _, way, unit in ways]
    width = max(map(len, words))
    for (label, way, _), said in zip(ways, words, strict=True):
        peak = f"  peak {_number(max(way['history'], default=0.0))} in {_span(len(way['history']))}"
        room = out.width - 2 - LABEL - width - 2 - len(peak)
        drawn = graph(way["history"], min(room, 60), utf8=out.utf8) if room >= _LEAST_GRAPH else ""
        out.line(f"  {label:<{LABEL}}{said:<{width}}  {drawn}{peak}")


def graph(values: Sequence[float], width: int, *, utf8: bool = True) -> str:
    """Numbers as bars, newest at the right, each column the highest of its part; nothing at all is a blank."""
    blocks = _BLOCKS if utf8 else _ASCII_BLOCKS
    each = max(1, -(-len(values) // width))
    # Cut from the newest back, so that a bar keeps its values while it wanders to the left.
    columns = [max(values[max(0, end - each) : end]) for end in range(len(values), 0, -each)][::-1]
    top = max(columns, default=0.0)
    bars = (" " if value <= 0 else blocks[min(7, int(value / top * 7.999))] for value in columns)
    return "".join(bars).rjust(width)


def facts(found: dict[str, Any], *, brief: bool = False) -> list[tuple[str, list[str]]]:
    """The other lines: a label, and parts between which a line may be broken."""
    lines = [
        ("QUEUE", _queue(found)),
        ("SENT", _sent(found["outcomes"])),
        ("TIMES", _times(found["timing"], brief)),
        ("DNS", _dns(found, brief)),
        ("LOAD", _load(found, brief)),
        ("LIMITS", _limits(found)),
    ]
    if found["policy"]["hooks"]:
        lines.append(("POLICY", _policy(found["policy"])))
    if len(found["workers"]) > 1:
        lines += [("WORKER" if not number else "", [_worker(one)]) for number, one in enumerate(found["workers"])]
    return lines


def _queue(found: dict[str, Any]) -> list[str]:
    queue, destinations = found["queue"], found["destinations"]
    oldest = f", oldest {duration(queue['oldest_seconds'])}" if queue["oldest_seconds"] is not None else ""
    many = destinations["waiting"]
    whom = f" for {many} destination{'s' * (many != 1)}" if many and queue["waiting"] else ""
    return [f"{queue['waiting']} waiting{whom}{oldest}", f"{queue['held']} held", f"{queue['under_way']} under way"]


def _sent(outcomes: dict[str, Any]) -> list[str]:
    delivered = outcomes["delivered"]
    total, span = sum(delivered.values()), _span(outcomes["seconds"])
    parts = [f"in {span}: {total or 'nothing'} delivered"]
    for protection, count in sorted(delivered.items(), key=lambda item: -item[1]):
        parts.append(f"{protection} {_percent(count, total)}")
    waiting, returned = sum(outcomes["waiting"].values()), sum(outcomes["returned"].values())
    if waiting:
        parts.append(f"after {waiting} {'try' if waiting == 1 else 'tries'} still waiting")
    if returned:
        parts.append(f"{returned} returned")
    return parts


def _times(timing: dict[str, Any], brief: bool) -> list[str]:
    named = (("delivery", "delivered in"), ("commit", "stored in"), ("loop_lag", "loop late by"))
    measured = [(timing[name], words) for name, words in named if timing[name]["count"]]
    if not measured:
        return ["nothing to measure in the last minute"]
    if brief:
        return ["99 %: " + " · ".join(f"{words.split()[0]} {_bound(one['most_below'])}" for one, words in measured)]
    return [f"{words} {_below(one)}" for one, words in measured]


def _below(one: dict[str, Any]) -> str:
    half, most = one["half_below"], one["most_below"]
    return _bound(half) if half == most else f"{_bound(half)}, 99 % {_bound(most)}"


def _bound(seconds: float | None) -> str:
    if seconds is None:
        return "beyond measure"
    return f"≤ {seconds * 1000:g} ms" if seconds < 1 else f"≤ {duration(seconds)}"


def _dns(found: dict[str, Any], brief: bool) -> list[str]:
    resolver, timing = found["resolver"], found["timing"]["look_up"]
    if not resolver["probed"]:
        parts = ["resolver not examined yet"]
    elif resolver["findings"]:
        parts = [resolver["findings"][0]]
        if len(resolver["findings"]) > 1:
            parts.append(f"{len(resolver['findings']) - 1} more: danelaw doctor")
    else:
        parts = ["resolver well"]
    if resolver["from_cache"] is not None:
        share = f", {resolver['from_cache'] * 100:.0f} % from memory" if not brief else ""
        parts.append(f"{_number(resolver['questions_per_second'])} questions/s{share}")
    if timing["count"]:
        parts.append(f"answered in {_below(timing)}")
    return parts


def _load(found: dict[str, Any], brief: bool) -> list[str]:
    inbound, outbound, workers = found["inbound"], found["outbound"], found["workers"]
    refused = found["in"]["refused_per_second"]
    clients = f"{inbound['sessions']} client{'s' * (inbound['sessions'] != 1)}"
    parts = [
        f"{clients}, {_number(refused)} refusals/s" if refused else clients,
        f"{inbound['under_way']} of {inbound['window']} in the inbound window",
        f"{outbound['connections']} out",
        f"CPU {sum(one['cpu'] for one in workers) * 100:.0f} %",
    ]
    if brief:
        return parts
    return [
        *parts,
        f"memory {size(sum(one['memory_octets'] for one in workers))}",
        f"disk {size(found['disk']['free_octets'])} free",
    ]


def _limits(found: dict[str, Any]) -> list[str]:
    parts = [f"{one['what']}: {one['used']} of {one['of']}" for one in found["limits"]]
    own = [row["next_hop"] for row in found["destinations"]["rows"] if row["limited"]]
    if own:
        more = f" and {len(own) - 1} more" if len(own) > 1 else ""
        parts.append(f"own limit of {own[0]}{more}")
    return parts or ["none reached"]


def _policy(policy: dict[str, Any]) -> list[str]:
    hooks = policy["hooks"]
    calls, failures = (sum(one[name] for one in hooks) for name in ("calls", "failures"))
    resting = [one["hook"] for one in hooks if one["resting"]]
    busy_now, pending = (sum(one[name] for one in hooks) for name in ("running", "pending"))
    parts = [f"version {policy['active'][:7]}" + (f", {policy['staged'][:7]} staged" if policy["staged"] else "")]
    parts.append(f"{len(hooks)} hook{'s' * (len(hooks) != 1)} called {calls} times, {failures} failed")
    if busy_now or pending:
        parts.append(f"{busy_now} running, {pending} pending")
    if resting:
        parts.append(f"left alone: {', '.join(resting)}")
    return parts


def _worker(one: dict[str, Any]) -> str:
    return (
        f"pid {one['pid']}: {one['sessions']} clients, {one['under_way']} under way, loop late "
        f"{one['loop_lag'] * 1000:.1f} ms, CPU {one['cpu'] * 100:.0f} %, {size(one['memory_octets'])}"
    )


def _fact(out: Output, label: str, parts: Sequence[str]) -> None:
    """Parts with dots between, broken between parts where the width ends; a part that is too long is folded."""
    room = max(out.width - 2 - LABEL, 20)
    lines: list[str] = []
    for part in parts:
        joined = f"{lines[-1]} · {part}" if lines else part
        if lines and display_width(joined) <= room:
            lines[-1] = joined
        else:
            lines.extend(_folded(part, room))
    for number, line in enumerate(lines):
        out.line(f"  {label if not number else '':<{LABEL}}{line}")


def _folded(text: str, room: int) -> list[str]:
    import textwrap

    return textwrap.wrap(text, room) or [""]


# destinations


def symbol(row: dict[str, Any]) -> Symbol:
    """At a glance: its hosts cannot be used, its limit is reached, mail goes, nothing goes."""
    if row["asleep_until"] or row["failures"]:
        return Symbol.STOPPED
    if row["limited"]:
        return Symbol.ENCRYPTED
    return Symbol.VERIFIED if row["under_way"] or row["per_second"] else Symbol.NONE


def cells(row: dict[str, Any], now: float) -> list[str]:
    """A destination under `HEADS`."""
    due = row["next_try"] if row["waiting"] else None
    return [
        name(row),
        f"{row['under_way']}/{row['limit']}",
        "" if row["per_second"] is None else _number(row["per_second"]),
        str(row["waiting"]),
        "" if row["oldest"] is None else duration(now - row["oldest"]),
        "" if due is None else relative(max(due, now), now),
        why(row),
    ]


def name(row: dict[str, Any]) -> str:
    """The destination with what else distinguishes its queue."""
    priority = "" if row["priority"] == "normal" else row["priority"]
    more = (("tenant", row["tenant"]), ("job", row["job"]), ("priority", priority))
    words = (row["next_hop"], row["demand"], *(f"{field}={value}" for field, value in more if value))
    return " ".join(word for word in words if word)


def why(row: dict[str, Any]) -> str:
    """One reason, in words: a limit that holds it back, else what a host said."""
    return str(row["limited"] or (row["reason"] if row["waiting"] or row["asleep_until"] else ""))


def following(row: dict[str, Any] | None) -> str:
    """The next command to type about a destination, or about none."""
    if row is None:
        return "danelaw queue list --group-by state"
    return f"danelaw queue list {term(row)!r}"


def term(row: dict[str, Any]) -> str:
    """The destination as a filter."""
    hop = row["next_hop"]
    return f"host:{hop}" if all(c.isalnum() or c in ".-[]:_" for c in hop) else f'host:"{hop}"'


def _number(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _octets(count: float) -> str:
    for unit, power in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if count >= 1 << power:
            return f"{count / (1 << power):.1f} {unit}"
    return f"{count:.0f} bytes"


def _percent(part: int, whole: int) -> str:
    share = 100 * part / whole
    return f"{share:.0f} %" if share >= 1 or not share else "below 1 %"


def _span(seconds: float) -> str:
    """A length of time that was watched: whole minutes from one on."""
    if seconds >= 3540:
        return "1 h"
    return f"{round(seconds / 60)} min" if seconds >= 60 else f"{max(1, round(seconds))} s"
