"""The page of `danelaw advise`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.cli.check_page import name_server_words
from danelaw.cli.output import Output, Symbol, duration, number, printable
from danelaw.outbound.nameservers import TLSAAnswers
from danelaw.publication import OurHosts, Standing, explained, trouble

if TYPE_CHECKING:
    from danelaw.cli.advise import Found

_SHOWN = 20
_NAMED = 3
_SYMBOLS = {
    Standing.PROTECTED: Symbol.VERIFIED,
    Standing.PARTLY: Symbol.ENCRYPTED,
    Standing.FAILED: Symbol.ENCRYPTED,
    Standing.ELSEWHERE: Symbol.NONE,
    Standing.NULL_MX: Symbol.NONE,
    Standing.NO_MAIL: Symbol.NONE,
    Standing.NXDOMAIN: Symbol.NONE,
}


def show(out: Output, found: Found, seconds: float, *, show_all: bool) -> None:
    """The answer, why not, which domains, our hosts and their name servers."""
    counts = found.counts
    protected, total = counts[Standing.PROTECTED], len(found.advices)
    symbol = Symbol.STOPPED if not protected else Symbol.VERIFIED if protected == found.concerned else Symbol.ENCRYPTED
    verb = "is" if protected == 1 else "are"
    plural = "domain" if total == 1 else "domains"
    out.headline(
        symbol,
        f"{number(protected)} of {number(total)} {plural} {verb} protected by the TLSA records of "
        f"{_names(found.ours)}.   no mail sent, {duration(seconds)}",
    )
    others = [(standing, counts[standing]) for standing in Standing if counts[standing]]
    if any(standing is not Standing.PROTECTED for standing, _ in others):
        out.line()
        out.table(
            [
                (_symbol(standing), (number(count), explained(standing).plural, explained(standing).advice))
                for standing, count in others
            ],
            heads=("DOMAINS", "WHICH", "WHAT THEIR OWNERS WOULD DO"),
        )
    _domains(out, found, show_all=show_all)
    _hosts(out, found)
    out.next(_next(found))


def _domains(out: Output, found: Found, *, show_all: bool) -> None:
    from danelaw.cli.advise import sorted_by_concern

    rows = sorted_by_concern(one for one in found.advices if show_all or one.standing is not Standing.PROTECTED)
    if not rows:
        return
    out.line()
    shown = rows if show_all else rows[:_SHOWN]
    out.table(
        [(_symbol(one.standing), (printable(one.domain)[:60], one.standing.value, one.reason)) for one in shown],
        heads=("DOMAIN", "STANDING", "WHY"),
    )
    if len(rows) > len(shown):
        out.paragraph(f"… and {number(len(rows) - len(shown))} more: --all, or --csv FILE")


def _hosts(out: Output, found: Found) -> None:
    out.line()
    for host in found.ours.hosts:
        words = trouble(host)
        usable = f"{host.host}: {len(host.records)} signed TLSA record{'' if len(host.records) == 1 else 's'}"
        out.headline(Symbol.VERIFIED if words is None else Symbol.STOPPED, words or usable)
    for zone in found.name_servers:
        fine = zone.error is None and all(
            server.tlsa in (TLSAAnswers.ANSWERS, TLSAAnswers.NOT_ASKED) and not server.flaws for server in zone.servers
        )
        out.headline(Symbol.VERIFIED if fine else Symbol.ENCRYPTED, f"{zone.zone}: {name_server_words(zone)}")
        for server in zone.servers:
            for flaw in server.flaws:
                out.paragraph(f"{server.name} {flaw}", hang=2)


def _next(found: Found) -> str:
    troubled = next((host for host in found.ours.hosts if trouble(host) is not None), None)
    if troubled is not None:
        return f"danelaw dns _25._tcp.{troubled.host} TLSA"
    host = found.ours.hosts[0].host if found.ours.hosts else "HOST"
    return f"danelaw check '[{host}]'   (do the servers show what they publish?)"


def _symbol(standing: Standing) -> Symbol:
    return _SYMBOLS.get(standing, Symbol.STOPPED)


def _names(ours: OurHosts) -> str:
    names = [host.host.ascii for host in ours.hosts]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
