"""All records that somebody's configuration calls for, held against DNS."""

from __future__ import annotations

from typing import Any

from danelaw.address import Domain
from danelaw.dnsdata import Lookup
from danelaw.publication.plan_text import plan_dkim, plan_dmarc, plan_spf, plan_sts, plan_tlsrpt
from danelaw.publication.plan_tlsa import plan_tlsa
from danelaw.publication.record import PlannedRecord, State
from danelaw.publication.wanted import Wanted
from danelaw.routing import NextHop, gather, lookup_mx


def planned(wanted: Wanted) -> Lookup[tuple[PlannedRecord, ...]]:
    """Host by host, then domain by domain, then keys."""
    lookups: list[Lookup[Any]] = []
    for host in wanted.hosts:
        lookups += [plan_tlsa(host, wanted.now), plan_tlsrpt(host.name, wanted)]
    for domain in wanted.domains:
        lookups += [_plan_mx(domain, wanted), plan_sts(domain, wanted), plan_tlsrpt(domain, wanted),
                    plan_spf(domain, wanted), plan_dmarc(domain, wanted)]  # fmt: skip
    lookups += [plan_dkim(key) for key in wanted.keys]
    found = yield from gather(*lookups)
    records: list[PlannedRecord] = []
    for one in found:
        records += one if isinstance(one, tuple) else (one,)
    # A host that is a domain too is asked about once.
    return tuple(dict.fromkeys(records))


def _plan_mx(domain: Domain, wanted: Wanted) -> Lookup[PlannedRecord]:
    """Whether a domain's mail comes here, by signed MX records (RFC 7672 §2.2.1)."""
    mx = yield from lookup_mx(NextHop(domain))
    own = {host.name for host in wanted.hosts}
    first = wanted.hosts[0].name
    now = () if mx.implicit else tuple(f"{host.preference} {host.name}." for host in mx.hosts)

    def record(rdata: str, state: State, reason: str) -> PlannedRecord:
        return PlannedRecord("MX", f"{domain.ascii}.", "MX", rdata, state, reason, now)

    text = f"10 {first}."
    if mx.error is not None:
        return record(text, State.UNKNOWN, mx.error)
    if mx.nxdomain or mx.implicit:
        return record(text, State.MISSING, "there is no MX record")
    others = [host.name for host in mx.hosts if host.name not in own]
    if mx.null_mx or len(others) == len(mx.hosts):
        where = ", ".join(map(str, others[:4])) or "nobody (null MX)"
        return record("", State.DIFFERS, f"its mail goes to {where}, not to {first}: change that when you mean to")
    if not mx.secure:
        return record(text, State.UNSIGNED, "it is not signed, and without that TLSA records do not protect the domain")
    if others:
        return record(text, State.PRESENT, f"signed; {', '.join(map(str, others[:4]))} takes its mail too")
    return record(text, State.PRESENT, "signed, and all its hosts are ours")
