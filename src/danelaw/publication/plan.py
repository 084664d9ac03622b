"""All records that somebody's configuration calls for, held against DNS."""

from __future__ import annotations

from typing import Any

from danelaw.address import Domain
from danelaw.dnsdata import Lookup
from danelaw.publication.plan_text import plan_dkim, plan_dmarc, plan_spf, plan_sts, plan_tlsrpt
from danelaw.publication.plan_tlsa import plan_tlsa
from danelaw.publication.record import PlannedRecord, State
from danelaw.publication.wanted import OwnHost, Wanted
from danelaw.routing import NextHop, gather, lookup_mx


def plans(wanted: Wanted) -> tuple[Lookup[tuple[PlannedRecord, ...]], ...]:
    """Look-ups host by host, then domain by domain, then key by key; their records in this order are the plan.

    They are many, for a resolver bounds what one look-up may ask, and a provider has thousands of domains.
    """
    hosts = {host.name for host in wanted.hosts}
    return (
        *(_plan_host(host, wanted) for host in wanted.hosts),
        *(_plan_domain(domain, wanted, tlsrpt=domain not in hosts) for domain in wanted.domains),
        *(_together(plan_dkim(key)) for key in wanted.keys),
    )


def _plan_host(host: OwnHost, wanted: Wanted) -> Lookup[tuple[PlannedRecord, ...]]:
    return _together(plan_tlsa(host, wanted.now), plan_tlsrpt(host.name, wanted))


def _plan_domain(domain: Domain, wanted: Wanted, *, tlsrpt: bool) -> Lookup[tuple[PlannedRecord, ...]]:
    """`tlsrpt` is False for the name of a host, whose plan has that record."""
    lookups: list[Lookup[Any]] = [_plan_mx(domain, wanted), plan_sts(domain, wanted)]
    if tlsrpt:
        lookups.append(plan_tlsrpt(domain, wanted))
    return _together(*lookups, plan_spf(domain, wanted), plan_dmarc(domain, wanted))


def _together(*lookups: Lookup[Any]) -> Lookup[tuple[PlannedRecord, ...]]:
    found = yield from gather(*lookups)
    records: list[PlannedRecord] = []
    for one in found:
        records += one if isinstance(one, tuple) else (one,)
    return tuple(records)


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
