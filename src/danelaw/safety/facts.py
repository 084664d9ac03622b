"""What is known of a domain's servers, and the level that follows: that of the weakest that could take the mail.

Three things tell about a server, the better ones first: a probe just made, our last delivery to it, and what DNS and
settings demand of it whatever it offers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from danelaw.outbound.checkup import Checkup, untaken
from danelaw.outbound.destination import HostPlan, Survey
from danelaw.outbound.probe import Probed
from danelaw.queue import Attempt
from danelaw.tlspolicy import WORDS, Protection, TLSUse

UNKNOWN, WAITS, NO_MAIL = "unknown", "waits", "no-mail"
_CLEAR = Protection.CLEAR
_BY_VALUE = {one.value: one for one in Protection}
_BY_LEVEL = {one.level: one for one in reversed(Protection)}
_LABELS = {NO_MAIL: "no mail", UNKNOWN: "unknown"}
_MOST_HOSTS = 32


@dataclass(frozen=True, slots=True)
class HostFact:
    """One MX host. `level` is what mail to it would get now (or `waits`, `unknown`), `guaranteed` what it gets even
    when an attacker on the path interferes. `basis` says what it rests on: `probe`, `delivery` or `dns`.
    """

    plan: HostPlan
    level: str
    guaranteed: Protection
    basis: str
    reason: str
    tls: str | None = None
    requiretls: bool | None = None
    seen: float | None = None

    def to_json(self) -> dict[str, Any]:
        """As docs/safety-api.md shows it."""
        plan, records = self.plan, self.plan.records
        return {
            "name": plan.host.ascii,
            "preference": plan.preference,
            "addresses": list(records.addresses[:8]),
            "level": self.level,
            "guaranteed": self.guaranteed.level,
            "basis": self.basis,
            "seen": self.seen,
            "tls": self.tls,
            "requiretls": self.requiretls,
            "demand": plan.requirement.reason,
            "demanded_by": plan.requirement.demanded_by,
            "tlsa": [record.to_text() for record in records.records[:16]],
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A survey, the last tries of our own by host name, and probes where they were made (`probes` None: they were not).

    `probed` is when, in POSIX seconds.
    """

    survey: Survey
    tries: Mapping[str, Attempt] = field(default_factory=dict)
    probes: tuple[Probed, ...] | None = None
    probed: float = 0.0

    @property
    def hosts(self) -> tuple[HostFact, ...]:
        """Every MX host, in MX order. Probes that no server at all answered tell more about our network than theirs."""
        return tuple(self._host(plan) for plan in self.survey.hosts[:_MOST_HOSTS])

    def _host(self, plan: HostPlan) -> HostFact:
        probes = self.probes or ()
        found = tuple(one for one in probes if one.plan.host == plan.host)
        if found and not untaken(probes):
            return _probed(plan, Checkup(plan.host.ascii, self.survey, found), self.probed)
        attempt = self.tries.get(plan.host.ascii)
        return _untried(plan) if attempt is None else _tried(plan, attempt)


def _guaranteed(plan: HostPlan) -> Protection:
    """What every message gets, or it waits: opportunistic TLS can be stripped, so it guarantees nothing."""
    wanted = plan.requirement
    if wanted.refusal is not None:
        return Protection.NOTHING_SENT
    return wanted.earns if wanted.tls is TLSUse.MANDATORY else _CLEAR


def _probed(plan: HostPlan, checkup: Checkup, when: float) -> HostFact:
    hands = [one.handshake for one in checkup.probes if one.handshake is not None]
    weakest = checkup.weakest
    shown = next((one for one in checkup.probes if one.protection is weakest), checkup.probes[0])
    versions = sorted({hand.version for hand in hands if hand.version})
    return HostFact(
        plan,
        checkup.level,
        _guaranteed(plan),
        "probe",
        checkup.reason_of(shown),
        versions[0] if versions else None,
        all(hand.requiretls_offered for hand in hands) if hands else None,
        when,
    )


def _tried(plan: HostPlan, attempt: Attempt) -> HostFact:
    """By our last try; what is demanded now counts before what was met then."""
    guaranteed = _guaranteed(plan)
    met = _BY_VALUE.get(attempt.protection)
    if plan.requirement.refusal is not None or met is None:
        return _untried(plan)
    seen, tls = attempt.time, attempt.tls_version or None
    if met is Protection.NOTHING_SENT:
        return HostFact(plan, WAITS, guaranteed, "delivery", attempt.reason, tls, None, seen)
    if guaranteed is _CLEAR:
        level = min(met, Protection.ENCRYPTED)
        return HostFact(plan, level.level, guaranteed, "delivery", attempt.reason, tls, None, seen)
    return HostFact(plan, guaranteed.level, guaranteed, "delivery", attempt.reason, tls, None, seen)


def _untried(plan: HostPlan) -> HostFact:
    guaranteed = _guaranteed(plan)
    refusal = plan.requirement.refusal
    if refusal is not None:
        return HostFact(plan, WAITS, guaranteed, "dns", refusal.reason)
    level = UNKNOWN if guaranteed is _CLEAR else guaranteed.level
    if plan.requirement.tls is TLSUse.NEVER:
        level = _CLEAR.level
    return HostFact(plan, level, guaranteed, "dns", plan.requirement.reason)


def level_of(survey: Survey, hosts: tuple[HostFact, ...]) -> str:
    """The level of the domain. A server of which nothing is known may be the weakest, so it is the level's. So may be
    one that did not take our last mail, demands nothing, and may be back.
    """
    if survey.undeliverable is not None:
        return NO_MAIL
    taking = [host.level for host in hosts if host.level not in (WAITS, UNKNOWN)]
    weakest = min((_BY_LEVEL[level] for level in taking), default=None)
    unknown = any(host.level == UNKNOWN for host in hosts) or bool(taking and any(map(_may_be_back, hosts)))
    if weakest is not _CLEAR and unknown:
        return UNKNOWN
    return WAITS if weakest is None else weakest.level


def _may_be_back(host: HostFact) -> bool:
    return host.level == WAITS and host.basis == "delivery" and host.guaranteed is _CLEAR


def label_of(level: str) -> str:
    """The word of the closed vocabulary for a level of `danelaw check`."""
    return _LABELS.get(level) or _BY_LEVEL[level].value


def described(domain: str, facts: DomainFacts) -> dict[str, Any]:
    """Everything about a domain but its age, as docs/safety-api.md shows it."""
    survey, hosts = facts.survey, facts.hosts
    level = level_of(survey, hosts)
    able = [host for host in hosts if host.guaranteed is not Protection.NOTHING_SENT]
    floor = min((host.guaranteed for host in able), default=Protection.NOTHING_SENT)
    offers = [host.requiretls for host in hosts if host.level != WAITS]
    mx = survey.destination.mx
    return {
        "domain": domain,
        "next_hop": survey.next_hop.to_text(),
        "level": level,
        "label": label_of(level),
        "guaranteed": NO_MAIL if level == NO_MAIL else floor.level,
        "words": worded(level),
        "reason": _reason(survey, hosts, level),
        "requirement": {
            "waits_rather_than_unverified": bool(able) and all(host.guaranteed.verified for host in able),
            "waits_rather_than_unencrypted": bool(able) and floor > _CLEAR,
            "override": survey.override.why if survey.override.override is not None else None,
            "trust_groups": list(survey.groups.demand.names) if survey.groups.demand is not None else [],
        },
        "mx": {
            "status": mx.status,
            "implicit": mx.implicit,
            "names": [host.name.ascii for host in mx.hosts] if level != NO_MAIL else [],
        },
        "mta_sts": {
            "asked": survey.sts_asked,
            "mode": survey.sts.policy.mode.value if survey.sts.policy is not None else None,
            "note": survey.sts.note if survey.sts_asked else "",
        },
        "hosts": [host.to_json() for host in hosts],
        "requiretls": None if not offers or None in offers else all(offers),
    }


def worded(level: str) -> dict[str, str]:
    """What a level means, for people and for experts."""
    words = WORDS[label_of(level)]
    return {"people": words.people, "experts": words.experts}


def _reason(survey: Survey, hosts: tuple[HostFact, ...], level: str) -> str:
    if survey.undeliverable is not None:
        return survey.undeliverable.reason
    if survey.error is not None:
        return survey.error
    if level == UNKNOWN and not any(host.level == UNKNOWN for host in hosts):
        away = next((host.plan.host for host in hosts if _may_be_back(host)), "")
        return f"{away} could not be used at our last try, and takes mail without protection when it is back"
    return next((host.reason for host in hosts if host.level == level), "")
