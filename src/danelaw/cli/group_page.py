"""The page `danelaw queue list --group-by` prints."""

from __future__ import annotations

from typing import Any

from danelaw.cli.output import Output, Symbol, duration, relative, size

KINDS = ("next-hop", "domain", "sender", "reason", "state", "demand")
"""As `danelaw.spool.groups.KINDS`, which the help must not import."""
_EMPTY = {
    "domain": "(no domain)",
    "sender": "<> (notices)",
    "reason": "(not tried yet)",
    "demand": "(none)",
}
_TERMS = {"next-hop": "host", "domain": "to", "sender": "from", "state": "state", "demand": "demand"}


def show_groups(out: Output, found: dict[str, Any]) -> None:
    """Print the groups, most messages first, and the filter that lists the first of them."""
    groups, total, now, by = found["groups"], found["total"], found["now"], found["by"]
    kind = "finished" if found["finished"] else "waiting or held"
    if not groups:
        out.headline(Symbol.NONE, f"no {kind} message" + (" matches" if found["filter"] else ""))
        out.next("danelaw queue list")
        return
    count = found["group_count"]
    out.headline(
        Symbol.NONE,
        f"{total['messages']} {kind} message{'s' * (total['messages'] != 1)}, {size(total['size'])}, "
        f"in {count} group{'s' * (count != 1)} by {by}",
    )
    out.line()
    rows = [(Symbol.NONE, [*_numbers(group, now), group["name"] or _EMPTY.get(by, "")]) for group in groups]
    heads = ["MESSAGES", "RECIPIENTS", "SIZE", "OLDEST", "NEXT TRY", by.upper()]
    if any("limit" in group for group in groups):
        heads.append("WAITS FOR")
        rows = [(symbol, [*row, group.get("limit", "")]) for (symbol, row), group in zip(rows, groups, strict=True)]
    out.table(rows, heads=heads)
    if count > len(groups):
        out.line(f"  and {count - len(groups)} more: --limit")
    out.line()
    finished = " --finished" if found["finished"] else ""
    if by in _TERMS:
        out.next(f"danelaw queue list{finished} {_quoted(_narrowed(found, groups[0]))}")
    else:  # many a reason is that of a queue asleep, which no condition on messages names
        chosen = f" {_quoted(found['filter'])}" if found["filter"] else ""
        out.next(f"danelaw queue list{finished} --group-by next-hop{chosen}")


def _numbers(group: dict[str, Any], now: float) -> list[str]:
    due = group["next_try"]
    return [
        str(group["messages"]),
        str(group["recipients"]),
        size(group["size"]),
        duration(now - group["oldest"]),
        "" if due is None else relative(max(due, now), now),
    ]


def _narrowed(found: dict[str, Any], group: dict[str, Any]) -> str:
    """The filter that means this group: what was asked for, and its name."""
    by, name = found["by"], str(group["name"])
    term = f"{_TERMS[by]}:{_value(by, name)}"
    return f"({found['filter']}) {term}" if found["filter"] else term


def _value(by: str, name: str) -> str:
    # A pattern has no escape for its own wildcards; ? matches both.
    text = name.replace("*", "?")
    if by == "domain":
        text = f"*@{text}" if text else "postmaster"
    plain = text.isascii() and all(c.isalnum() or c in ".-_@*?[]:+=" for c in text)
    if plain and text:
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _quoted(text: str) -> str:
    """As one word for a shell."""
    import shlex

    return shlex.quote(text)
