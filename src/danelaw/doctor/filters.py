"""Examinations of the filter engines: does each of their servers answer?"""

from __future__ import annotations

import asyncio

from danelaw.config import Config
from danelaw.config import Filter as FilterSection
from danelaw.doctor.finding import Finding, Severity
from danelaw.filters import FilterError, ServerAddress
from danelaw.inbound.filters_of import filter_set

_SECONDS = 10.0
_FIXES = {
    "rspamd": "see that rspamd's normal worker listens there (rspamadm configdump worker): systemctl status rspamd",
    "clamd": "see LocalSocket or TCPSocket in clamd.conf, and that it has signatures: systemctl status clamav-daemon",
    "spamd": "see the options --listen and --allowed-ips of spamd: systemctl status spamd",
    "milter": "see the Socket setting of that milter, and that it runs",
}


async def filters(config: Config) -> list[Finding]:
    """One finding for each server of each filter."""
    chosen = filter_set(config)
    answers = await asyncio.gather(*(one.ping(_SECONDS) for one in chosen.filters.values()))
    return [
        _finding(section, server, answer)
        for section, found in zip(config.filter, answers, strict=True)
        for server, answer in found.items()
    ]


def _finding(section: FilterSection, server: ServerAddress, answer: str | FilterError) -> Finding:
    if isinstance(answer, str):
        return Finding("filter", Severity.OK, f"{section.name} answers at {server}: {answer}")
    doing = {"accept": "mail passes unexamined", "defer": "mail is deferred", "refuse": "mail is refused"}
    what = f"{section.name} does not answer at {server}: {answer.reason}"
    severity = Severity.WARNING
    if len(section.address) == 1:
        what += f"; {doing[section.on_failure]}"
        severity = Severity.WARNING if section.on_failure == "accept" else Severity.ERROR
    return Finding("filter-down", severity, what, _FIXES[section.kind])
