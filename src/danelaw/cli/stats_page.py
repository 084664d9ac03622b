"""What `danelaw stats` prints for people, and as CSV."""

from __future__ import annotations

from collections.abc import Iterator

from danelaw.adoption import percent
from danelaw.adoption.table import row
from danelaw.adoption.traffic import VERIFIED, Line, Traffic, strength
from danelaw.cli.output import Output, Symbol
from danelaw.tlspolicy import Protection

_BAR = 30
_FORMS = ((VERIFIED, "█", "#"), (frozenset({"host-only DANE", "encrypted only"}), "▒", "+"), (None, "░", "."))
_WORDS = "verified", "encrypted, not verified", "clear text and other"


def show(out: Output, traffic: Traffic, since: str, limit: int) -> None:
    """Print it: the answer first, the next command last."""
    total = traffic.total
    out.headline(_symbol(total), _answer(traffic, since))
    lines = traffic.lines(limit)
    if lines:
        out.line()
        _table(out, traffic, lines)
        marks = "   ".join(
            f"{utf8 if out.utf8 else ascii_} {words}" for (_, utf8, ascii_), words in zip(_FORMS, _WORDS, strict=True)
        )
        out.line()
        out.paragraph(marks)
    _received(out, traffic)
    left = len(traffic.lines()) - len(lines)
    if left > 0:
        out.paragraph(f"{left:,} more lines: --limit {len(lines) + left}")
    out.next(_next(traffic))


def _symbol(line: Line) -> Symbol:
    if not line.recipients:
        return Symbol.NONE
    return Symbol.VERIFIED if line.verified * 2 >= line.recipients else Symbol.ENCRYPTED


def _answer(traffic: Traffic, since: str) -> str:
    total, days = traffic.total, traffic.days
    if days is None or not total.recipients:
        stopped = f"; {total.stopped:,} tries sent nothing" if total.stopped else ""
        return f"No mail was delivered in the last {since}{stopped}."
    words = (
        f"{percent(total.verified, total.recipients)} of {total.recipients:,} recipients were reached at a verified "
        f"server since {days[0]}"
    )
    trend = traffic.trend
    if trend is not None:
        first, last = (f"{round(100 * share)} %" for share in trend)
        words += f"; {first} → {last} over that time"
    return f"{words}."


def _table(out: Output, traffic: Traffic, lines: list[Line]) -> None:
    most = max(line.recipients for line in lines)
    rows = []
    for line in lines:
        cells = (
            line.name,
            f"{line.recipients:>10,}",
            f"{percent(line.verified, line.recipients) if line.recipients else '':>8}",
            f"{line.stopped:>12,}" if line.stopped else "",
            _bar(out, line, most),
        )
        rows.append((Symbol.NONE, cells))
    out.table(rows, heads=(traffic.by, "recipients", "verified", "sent nothing", ""))
    if traffic.by != "protection":
        found = sorted(traffic.total.delivered.items(), key=lambda item: strength(item[0]))
        words = ", ".join(f"{word or 'not by SMTP'} {number:,}" for word, number in found)
        out.line()
        out.paragraph(f"in all: {words}")


def _bar(out: Output, line: Line, most: int) -> str:
    """As long as the line has recipients, divided by how they were reached."""
    parts = []
    rest = dict(line.delivered)
    for words, utf8, ascii_ in _FORMS:
        chosen = [word for word in rest if words is None or word in words]
        number = sum(rest.pop(word) for word in chosen)
        length = round(_BAR * number / most) if most else 0
        parts.append((utf8 if out.utf8 else ascii_) * (length or (1 if number else 0)))
    return "".join(parts)


def _received(out: Output, traffic: Traffic) -> None:
    whole = sum(traffic.received.values())
    if not whole:
        return
    words = ", ".join(
        f"{percent(number, whole)} {version.replace('TLSv', 'TLS ') or Protection.CLEAR.value}"
        for version, number in sorted(traffic.received.items(), reverse=True)
    )
    out.paragraph(f"received: {whole:,} messages, {words}")


def _next(traffic: Traffic) -> str:
    if traffic.total.recipients and traffic.by == "day":
        return "danelaw stats --by domain, or: danelaw survey --history 30d"
    return "danelaw survey --history 30d"


def csv_lines(traffic: Traffic) -> Iterator[str]:
    """A line for each line and protection."""
    yield row((traffic.by, "protection", "recipients", "tries_without_sending"))
    for line in traffic.lines():
        for word, number in sorted(line.delivered.items(), key=lambda item: strength(item[0])):
            yield row((line.name, word or "not by SMTP", number, 0))
        if line.stopped:
            yield row((line.name, Protection.NOTHING_SENT.value, 0, line.stopped))
