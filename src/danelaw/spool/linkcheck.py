"""Is the log still what was written? The chain of a shard, walked from its first kept link to its last."""

from __future__ import annotations

import sqlite3
from array import array
from collections import OrderedDict
from dataclasses import dataclass

from danelaw.hashchain import NOTHING, entry_of, jump_of
from danelaw.queue import id_to_text
from danelaw.spool.attempts import day_tables, recorded_in
from danelaw.spool.links import KeptLink, digest_at, last_link, link_at, links_from

_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class Break:
    """Where the chain first breaks: `number` of the link, when it was written (milliseconds since 1970), why."""

    number: int
    at: int
    reason: str


@dataclass(slots=True)
class LinkReport:
    """What was found: links and entries that hold, entries forgotten by purges, tries recorded before there was a
    chain; `first` and `last` are the numbers of kept links, `digest` is the head, `met` whether `head` was met.
    """

    links: int = 0
    entries: int = 0
    forgotten: int = 0
    before_the_chain: int = 0
    first: int = 0
    last: int = 0
    digest: bytes = NOTHING
    met: bool = False
    flaw: Break | None = None

    def broken(self, number: int, at: int, reason: str) -> None:
        """Note a break, unless an earlier one is known."""
        if self.flaw is None or number < self.flaw.number:
            self.flaw = Break(number, at, reason)


def check_links(connection: sqlite3.Connection, head: bytes | None = None) -> LinkReport:
    """Walk the chain of a shard from a reading connection, also beside a running gateway; what is written meanwhile is
    not looked at. `head` is a digest that was kept elsewhere. Needs four octets of memory per link.
    """
    report = LinkReport()
    last = last_link(connection)
    if last is None:
        return report
    report.last, report.digest = last
    left = _walk(connection, report, head)
    _match(connection, report, left)
    return report


def _walk(connection: sqlite3.Connection, report: LinkReport, head: bytes | None) -> array[int]:
    """Each link against the one before; gives how many entries of each are to be found among the tries."""
    left = array("I")
    before: tuple[int, bytes] | None = None
    for kept in links_from(connection, 0, report.last):
        link = kept.link
        if before is None:
            report.first = link.number
            before = (link.number - 1, _before(connection, link.number))
        report.met |= kept.digest == head
        flaw = _flaw(connection, kept, before, report.first)
        if flaw is not None:
            report.broken(before[0] + 1 if link.number != before[0] + 1 else link.number, link.at, flaw)
            left.extend([0] * max(0, link.number - before[0] - 1))
        report.links += 1
        report.entries += len(kept.entries)
        report.forgotten += kept.forgotten
        left.append(max(0, len(kept.entries) - kept.forgotten))
        before = (link.number, kept.digest)
    if before is not None and before[0] != report.last:
        report.broken(before[0] + 1, 0, f"link {before[0] + 1} is gone, and link {report.last} was written")
    if head is not None and not report.met:
        report.met = bool(connection.execute("SELECT 1 FROM head WHERE digest = ?", (head,)).fetchone())
    return left


def _before(connection: sqlite3.Connection, number: int) -> bytes:
    """The digest that the first kept link must name as the one before it."""
    row = connection.execute("SELECT digest FROM head WHERE number = ?", (number - 1,)).fetchone()
    return NOTHING if row is None else bytes(row[0])


def _flaw(connection: sqlite3.Connection, kept: KeptLink, before: tuple[int, bytes], first: int) -> str | None:
    link = kept.link
    if link.number != before[0] + 1:
        return f"link {before[0] + 1} is gone"
    if link.previous != before[1]:
        return f"it names another link {before[0]} than the one that is kept"
    back = jump_of(link.number)
    if first <= back < link.number - 1 and link.jump != digest_at(connection, back):
        return f"it names another link {back} than the one that is kept"
    if kept.digest != link.digest:
        return "its digest is not that of its contents"
    return None


def _match(connection: sqlite3.Connection, report: LinkReport, left: array[int]) -> None:
    """Each try against the link it is said to be in, then each link against the tries."""
    known: OrderedDict[int, KeptLink | None] = OrderedDict()
    for table in day_tables(connection):
        for one in recorded_in(connection, table):
            if one.link is None:
                report.before_the_chain += 1
                continue
            if one.link > report.last:
                continue
            if one.link not in known:
                known[one.link] = link_at(connection, one.link)
                if len(known) > _REMEMBERED:
                    known.popitem(last=False)
            kept = known[one.link]
            if kept is None or entry_of(one.message, one.number, one.record) not in kept.entries:
                at = kept.link.at if kept is not None else 0
                report.broken(one.link, at, f"a try of message {id_to_text(one.message)} is not what was recorded")
                continue
            index = one.link - report.first
            if index < len(left):
                left[index] = max(0, left[index] - 1)
    for index, count in enumerate(left):
        if count and report.flaw is None:
            _missing(connection, report, report.first + index, count)


def _missing(connection: sqlite3.Connection, report: LinkReport, number: int, count: int) -> None:
    """A purge or retention may have come in between: only what is still unexplained is a break."""
    kept = link_at(connection, number)
    if kept is None:
        return
    tables = " UNION ALL ".join(f"SELECT 1 FROM {name} WHERE link = {number}" for name in day_tables(connection))
    there = connection.execute(f"SELECT count(*) FROM ({tables})").fetchone()[0] if tables else 0
    gone = len(kept.entries) - kept.forgotten - there
    if gone > 0:
        report.broken(number, kept.link.at, f"{gone} of its {len(kept.entries)} entries are gone")
