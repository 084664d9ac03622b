"""Who carries the mail, and what one provider could change for all its customers.

A provider that publishes TLSA records for its few MX hosts protects every customer domain whose own zone is signed
(RFC 7672 §2.2.1 wants a secure MX RRset, §2.2.2 a secure address RRset of the host).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from danelaw.adoption.facts import DomainFacts, HostFacts

MOST_HOSTS = 50
"""Names of hosts kept for each provider; all are counted."""
SHOWN = 50
"""Providers in a report."""
_WILL_MATCH = frozenset({"valid", "untested"})


class Step(Enum):
    """What a provider would have to do for a domain to be protected by DANE."""

    PUBLISH = "publish TLSA"
    SIGN = "sign the zone of its hosts and publish TLSA"
    REPAIR = "repair its TLSA records"


@dataclass(slots=True)
class Provider:
    """One MX site with the domains that use it. A domain with hosts of several providers counts for each.

    `dane` are domains protected by DANE already. `gain` are those that would be if this provider alone did its part,
    by what that is; their own zone is signed, and what others host for them matches. `unsigned` are domains whose own
    zone is not signed: whatever the provider does, DANE cannot protect them.
    """

    site: str
    domains: int = 0
    recipients: int = 0
    dane: list[int] = field(default_factory=lambda: [0, 0])
    unsigned: list[int] = field(default_factory=lambda: [0, 0])
    gain: dict[Step, list[int]] = field(default_factory=lambda: {step: [0, 0] for step in Step})
    hosts: set[str] = field(default_factory=set)
    signed_hosts: int = 0
    tlsa_hosts: int = 0

    def add(self, facts: DomainFacts) -> None:
        """One more domain that uses it."""
        self.domains += 1
        self.recipients += facts.recipients
        if facts.dane == "valid":
            _plus(self.dane, facts.recipients)
        elif facts.dnssec != "signed":
            _plus(self.unsigned, facts.recipients)
        step = missing_step(facts, self.site)
        if step is not None:
            _plus(self.gain[step], facts.recipients)
        for host in facts.hosts:
            if host.site == self.site and host.name not in self.hosts:
                self.hosts.add(host.name)
                self.signed_hosts += host.signed
                self.tlsa_hosts += host.tlsa in ("usable", "unusable")

    @property
    def gains(self) -> tuple[int, int]:
        """Domains and recipients that would be protected by DANE, whatever the provider has to do for it."""
        return sum(one[0] for one in self.gain.values()), sum(one[1] for one in self.gain.values())

    @property
    def step(self) -> Step | None:
        """What would bring most recipients, None when it can bring none."""
        best = max(Step, key=lambda step: (self.gain[step][1], self.gain[step][0]))
        return best if self.gain[best][0] else None

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/survey.md."""
        return {
            "site": self.site,
            "domains": self.domains,
            "recipients": self.recipients,
            "host_count": len(self.hosts),
            "hosts": sorted(self.hosts)[:MOST_HOSTS],
            "hosts_signed": self.signed_hosts,
            "hosts_with_tlsa": self.tlsa_hosts,
            "dane": _pair(self.dane),
            "unsigned": _pair(self.unsigned),
            "would_be_dane": {step.name.lower(): _pair(counts) for step, counts in self.gain.items()},
        }


class Providers:
    """All providers of a survey."""

    def __init__(self) -> None:
        self._by_site: dict[str, Provider] = {}

    def __len__(self) -> int:
        return len(self._by_site)

    def add(self, facts: DomainFacts) -> None:
        """Count a domain for each provider that has a host of it."""
        for site in facts.sites:
            provider = self._by_site.get(site)
            if provider is None:
                provider = self._by_site[site] = Provider(site)
            provider.add(facts)

    def largest(self, most: int = SHOWN) -> Sequence[Provider]:
        """Those with most recipients, then domains, then by name."""
        return sorted(self._by_site.values(), key=lambda one: (-one.recipients, -one.domains, one.site))[:most]

    def most_gain(self, most: int = SHOWN) -> Sequence[Provider]:
        """Those that could bring DANE to most recipients; none with a single domain, whose own affair that is."""
        able = [one for one in self._by_site.values() if one.domains > 1 and one.gains[0]]
        return sorted(able, key=lambda one: (-one.gains[1], -one.gains[0], one.site))[:most]


def missing_step(facts: DomainFacts, site: str) -> Step | None:
    """What the provider `site` alone would have to do for this domain to be protected by DANE; None when it is, or
    when that alone would not do.
    """
    if not facts.takes_mail or facts.dnssec != "signed" or facts.dane == "valid":
        return None
    mine = [host for host in facts.hosts if host.site == site]
    others = [host for host in facts.hosts if host.site != site]
    lacking = [host for host in mine if host.dane not in _WILL_MATCH]
    if (
        not lacking
        or any(host.dane == "unknown" for host in mine)
        or not all(host.dane in _WILL_MATCH for host in others)
    ):
        return None
    return _step(lacking)


def _step(lacking: Sequence[HostFacts]) -> Step:
    if any(not host.signed for host in lacking):
        return Step.SIGN
    return Step.PUBLISH if any(host.tlsa == "none" for host in lacking) else Step.REPAIR


def _plus(counts: list[int], recipients: int) -> None:
    counts[0] += 1
    counts[1] += recipients


def _pair(counts: Sequence[int]) -> dict[str, int]:
    return {"domains": counts[0], "recipients": counts[1]}
