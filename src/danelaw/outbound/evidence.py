"""The evidence for a note to a destination's postmaster: from a checkup, and from what the spool knows of its mail."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import TYPE_CHECKING

from danelaw.dsn import Cause
from danelaw.outbound.causes import of_judgement, of_survey
from danelaw.outbound.nameservers import TLSAAnswers
from danelaw.outbound.postmaster_note import Evidence, Seen, Waiting
from danelaw.outbound.probe import Unreached
from danelaw.spool.attempts import host_record
from danelaw.spool.trouble import trouble_of
from danelaw.spool.view import alone

if TYPE_CHECKING:
    from danelaw.outbound.checkup import Checkup
    from danelaw.outbound.destination import HostPlan, Survey
    from danelaw.outbound.nameservers import ZoneReport
    from danelaw.outbound.probe import Probed

_MOST_HOSTS = 10
_MOST_RECORDS = 4


def evidence_of(checkup: Checkup, waiting: Waiting, at: float) -> Evidence:
    """What a note rests on; `at` is when the checkup was made, in POSIX seconds."""
    survey = checkup.survey
    domain = survey.next_hop.domain
    trouble = None
    if survey.error is not None:
        trouble = (of_survey(survey), survey.error)
    return Evidence(
        domain=domain.ascii if domain is not None else checkup.domain,
        at=at,
        promises=tuple(_promises(survey)),
        seen=tuple(_seen(checkup, one) for one in checkup.probes[:_MOST_HOSTS] if checkup.level_of(one) != "unknown"),
        trouble=trouble,
        remarks=tuple(_remarks(checkup.name_servers)),
        waiting=waiting,
    )


def _promises(survey: Survey) -> Iterable[str]:
    mx = survey.destination.mx
    signed = {"secure": "signed", "insecure": "not signed", "bogus": "with signatures that do not verify"}
    if mx.error is not None:
        yield mx.error
    elif mx.implicit:
        yield f"no MX records ({signed.get(mx.status, mx.status)}): the domain is its own mail server"
    else:
        hosts = ", ".join(f"{host.preference} {host.name}" for host in mx.hosts[:_MOST_HOSTS])
        yield f"MX {hosts} ({signed.get(mx.status, mx.status)})"
    for plan in survey.hosts[:_MOST_HOSTS]:
        yield from _tlsa(plan, survey.next_hop.port)
    policy = survey.sts.policy
    if policy is not None:
        yield f"MTA-STS policy, mode {policy.mode.value}, MX hosts {', '.join(policy.mx[:_MOST_HOSTS])}"


def _tlsa(plan: HostPlan, port: int) -> Iterable[str]:
    records = plan.records
    if records.error is not None:
        yield f"{records.host}: {records.error}"
    for record in records.records[:_MOST_RECORDS]:
        yield f"_{port}._tcp.{records.tlsa_base or records.host} TLSA {record} (signed)"


def _seen(checkup: Checkup, one: Probed) -> Seen:
    cause: Cause | None = None
    if one.judgement is not None and one.judgement.failure is not None:
        cause = of_judgement(one.judgement, one.plan, one.handshake)
    elif one.judgement is None:
        cause = Cause.TURNED_AWAY if one.unreached is Unreached.BROKEN else Cause.NO_CONNECTION
    tls = one.handshake.version if one.handshake is not None else None
    return Seen(one.plan.host.ascii, one.address or "", tls or "", cause, checkup.reason_of(one))


def _remarks(zones: Iterable[ZoneReport]) -> Iterable[str]:
    for zone in zones:
        for server in zone.servers:
            if server.tlsa in (TLSAAnswers.SILENT, TLSAAnswers.REFUSES):
                yield (
                    f"Name server {server.name} of {zone.zone} {server.reason}. Have it answer questions for "
                    f"{zone.owner} TLSA; until then mail is late now and then, from everybody who asks for it."
                )


def waiting_of(connection: sqlite3.Connection, next_hop: str, hosts: Iterable[str]) -> Waiting:
    """What one shard knows of the mail for a next hop; `hosts` are its mail servers. Other domains are not counted: the
    note goes to the postmaster of this one.
    """
    found = alone(connection, next_hop, ())
    trouble = trouble_of(connection, next_hop)
    since = trouble.since if trouble is not None else None
    records = (host_record(connection, host) for host in hosts)
    times = [one.last_success for one in records if one is not None and one.last_success is not None]
    worked = max(times, default=None)
    if worked is not None and (since is None or worked > since):
        worked = None
    return Waiting(found.messages, found.since, since, worked)


def together(parts: Iterable[Waiting]) -> Waiting:
    """The same over all shards."""
    found = list(parts)
    oldest = min((one.oldest for one in found if one.oldest is not None), default=None)
    since = min((one.since for one in found if one.since is not None), default=None)
    worked = max((one.worked for one in found if one.worked is not None), default=None)
    return Waiting(sum(one.messages for one in found), oldest, since, worked)
