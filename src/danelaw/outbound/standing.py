"""What a checkup says about a domain, as facts for a survey over many domains (`danelaw.adoption`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from danelaw.address import Domain
from danelaw.adoption import DomainFacts, HostFacts, offered, oldest
from danelaw.dane import TLSAState
from danelaw.dnsdata import DNSSECStatus
from danelaw.mtasts import Announcement, STSDiscovery
from danelaw.outbound.checkup import Checkup
from danelaw.outbound.destination import HostPlan, Survey
from danelaw.outbound.probe import Probed
from danelaw.routing import mx_site
from danelaw.tlspolicy import StartTLSOutcome

_DNSSEC = {
    DNSSECStatus.SECURE.value: "signed",
    DNSSECStatus.INSECURE.value: "unsigned",
    DNSSECStatus.BOGUS.value: "bogus",
}
_NO_MAIL = {(5, 1, 2): "no-domain", (5, 1, 10): "null-mx"}


def facts_of(
    checkup: Checkup,
    discovery: STSDiscovery | None,
    tlsrpt: str,
    recipients: int,
    now: float,
    site_of: Callable[[str], str] = mx_site,
) -> DomainFacts:
    """The facts of one domain. `discovery` is its MTA-STS record and `tlsrpt` as `adoption.wants_reports` says, None
    and `unknown` where they were not asked for; `now` in POSIX seconds; `site_of` says who runs a host.
    """
    found = checkup.survey
    by_host: dict[Domain, list[Probed]] = {plan.host: [] for plan in found.hosts}
    for probed in checkup.probes:
        by_host[probed.plan.host].append(probed)
    mail = "yes"
    if found.undeliverable is not None:
        mail = _NO_MAIL.get(found.undeliverable.status, "no-address")
    return DomainFacts(
        domain=checkup.domain,
        recipients=recipients,
        checked=now,
        mail=mail,
        dnssec=_DNSSEC.get(found.destination.mx.status, "unknown"),
        mta_sts=_mta_sts(found, discovery),
        tlsrpt=tlsrpt,
        level=checkup.level,
        reason=_reason(checkup),
        hosts=tuple(_host(checkup, plan, by_host[plan.host], site_of) for plan in found.hosts),
    )


def _reason(checkup: Checkup) -> str:
    """Why it is no better: the domain's own reason, or that of its weakest address."""
    if checkup.reason:
        return checkup.reason
    weakest = next((one for one in checkup.probes if one.takes_mail and one.protection == checkup.weakest), None)
    return checkup.reason_of(weakest) if weakest is not None else ""


def _mta_sts(found: Survey, discovery: STSDiscovery | None) -> str:
    policy = found.sts.policy
    if policy is not None:
        return policy.mode.value
    if discovery is None:
        return "unknown" if found.error is not None else "absent"
    if found.sts.error is not None or discovery.announcement is Announcement.INVALID:
        return "broken"
    if discovery.announcement is Announcement.FAILED:
        return "unknown"
    return "announced" if discovery.announcement is Announcement.FOUND else "absent"


def _host(checkup: Checkup, plan: HostPlan, probes: Sequence[Probed], site_of: Callable[[str], str]) -> HostFacts:
    records = plan.records
    tlsa = {TLSAState.USABLE: "usable", TLSAState.UNUSABLE: "unusable", TLSAState.ABSENT: "none"}[records.tlsa_state]
    if records.error is not None and (records.tlsa_base is not None or not records.addresses):
        tlsa = "unknown"
    levels = [checkup.level_of(one) for one in probes]
    weakest = min(
        (one for one in probes if one.takes_mail and one.protection is not None),
        key=lambda one: one.protection.strength if one.protection is not None else 0,
        default=None,
    )
    shown = weakest or next(iter(probes), None)
    level = weakest.protection.level if weakest is not None and weakest.protection is not None else ""
    return HostFacts(
        name=plan.host.ascii,
        preference=plan.preference,
        site=site_of(plan.host.ascii),
        signed=records.address_status is DNSSECStatus.SECURE,
        tlsa=tlsa,
        usages=tuple(sorted({record.parameters for record in records.records})),
        dane=_dane(plan, tlsa, probes),
        level=level or ("unknown" if "unknown" in levels else "waits"),
        tls=oldest(filter(None, map(_version, probes))),
        requiretls=offered(
            "yes" if one.handshake.requiretls_offered else "no" for one in probes if one.handshake is not None
        ),
        reason=checkup.reason_of(shown) if shown is not None else (records.error or ""),
    )


def _dane(plan: HostPlan, tlsa: str, probes: Sequence[Probed]) -> str:
    """What its records are worth: one address with another key is enough to be broken."""
    if tlsa != "usable":
        broken = tlsa == "unknown" and plan.records.tlsa_base is not None
        return "broken" if broken else tlsa
    results = [
        report.result_type is None
        for one in probes
        if one.judgement is not None
        for report in one.judgement.tlsrpt
        if report.policy_type == "tlsa"
    ]
    if not results:
        return "untested"
    return "valid" if all(results) else "broken"


def _version(probed: Probed) -> str | None:
    """The version of a session, `none` for a server that was spoken to and has no TLS."""
    handshake = probed.handshake
    if handshake is None:
        return None
    return handshake.version if handshake.starttls is StartTLSOutcome.ESTABLISHED else "none"
