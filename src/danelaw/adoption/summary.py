"""Shares over many domains, added up one domain at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from danelaw.adoption.facts import DomainFacts
from danelaw.adoption.providers import Providers
from danelaw.adoption.words import KINDS, NO_MAIL

SCHEMA = "danelaw/survey/1"


@dataclass(slots=True)
class Weighed:
    """Something counted twice: by `domains` and by `recipients`."""

    domains: int = 0
    recipients: int = 0

    def add(self, recipients: int) -> None:
        """One more domain with so many recipients."""
        self.domains += 1
        self.recipients += recipients

    def to_json(self) -> dict[str, int]:
        """Both numbers."""
        return {"domains": self.domains, "recipients": self.recipients}


@dataclass(slots=True)
class Summary:
    """`total` are the domains that take mail: all shares are parts of it. `no_mail` are the others, by why.

    `kinds` has for each kind of `danelaw.adoption.words` its values. `usages` counts domains by the parameters of the
    TLSA records of their hosts, `host_usages` hosts, each once however many domains it serves; `host_dane` likewise.
    """

    total: Weighed = field(default_factory=Weighed)
    no_mail: dict[str, Weighed] = field(default_factory=lambda: {why: Weighed() for why in NO_MAIL})
    kinds: dict[str, dict[str, Weighed]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    usages: dict[str, Weighed] = field(default_factory=dict)
    host_usages: Counter[str] = field(default_factory=Counter)
    host_dane: Counter[str] = field(default_factory=Counter)
    providers: Providers = field(default_factory=Providers)
    _hosts: set[str] = field(default_factory=set)

    def add(self, facts: DomainFacts) -> None:
        """Count one more domain."""
        if not facts.takes_mail:
            self.no_mail.setdefault(facts.mail, Weighed()).add(facts.recipients)
            return
        self.total.add(facts.recipients)
        for kind, values in self.kinds.items():
            values.setdefault(facts.value(kind), Weighed()).add(facts.recipients)
        for usage in {usage for host in facts.hosts for usage in host.usages}:
            self.usages.setdefault(usage, Weighed()).add(facts.recipients)
        for host in facts.hosts:
            if host.name not in self._hosts:
                self._hosts.add(host.name)
                self.host_usages.update(set(host.usages))
                self.host_dane[host.dane] += 1
        self.providers.add(facts)

    @property
    def host_count(self) -> int:
        """Different MX hosts."""
        return len(self._hosts)

    @property
    def verified(self) -> Weighed:
        """What would go to servers that prove to be the domain's."""
        good = KINDS["level"].good
        found = [values for value, values in self.kinds["level"].items() if value in good]
        return Weighed(sum(one.domains for one in found), sum(one.recipients for one in found))

    def ordered(self, kind: str) -> list[tuple[str, Weighed]]:
        """The values of a kind that occur, in the order of their words; unknown ones last."""
        found, order = self.kinds[kind], list(KINDS[kind].words)
        return sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order))

    def to_json(self) -> dict[str, Any]:
        """The summary's part of docs/schemas/survey.md."""
        return {
            "total": self.total.to_json(),
            "no_mail": {why: weighed.to_json() for why, weighed in self.no_mail.items()},
            "verified": self.verified.to_json(),
            "shares": {kind: {value: one.to_json() for value, one in self.ordered(kind)} for kind in self.kinds},
            "usages": {usage: one.to_json() for usage, one in _largest_first(self.usages)},
            "hosts": {
                "count": self.host_count,
                "dane": dict(sorted(self.host_dane.items())),
                "usages": dict(self.host_usages.most_common()),
            },
            "providers": [one.to_json() for one in self.providers.largest()],
        }


def _largest_first(found: Mapping[str, Weighed]) -> list[tuple[str, Weighed]]:
    return sorted(found.items(), key=lambda item: (-item[1].domains, item[0]))


def percent(part: int, whole: int) -> str:
    """A share in words: "61 %", "0.4 %", "under 0.1 %", and never 100 or 0 for what is not all or nothing."""
    if not whole or not part:
        return "0 %"
    share = 100 * part / whole
    if part == whole:
        return "100 %"
    if share < 0.1:
        return "under 0.1 %"
    if share < 9.95 or share > 99:
        return f"{min(share, 99.9):.1f} %".replace(".0 %", " %")
    return f"{min(round(share), 99)} %"
