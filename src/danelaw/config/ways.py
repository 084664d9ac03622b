"""Which recipient domains are ours, and which way the mail of each goes: one rule for delivery, check and config."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar

from danelaw.config.model import Config
from danelaw.config.receiving import RecipientDomain

T = TypeVar("T")


class DomainTable(Generic[T]):
    """Values by domain pattern: `.example.org` stands for every name below example.org, and the most specific wins."""

    def __init__(self, entries: Iterable[tuple[str, T]]) -> None:
        self._entries = dict(entries)

    def get(self, domain: str) -> T | None:
        """The value of the pattern that covers `domain` (A-labels, lower case) most closely, None without one."""
        entries = self._entries
        if domain in entries:
            return entries[domain]
        at = domain.find(".")
        while at >= 0:
            suffix = domain[at:]
            if suffix in entries:
                return entries[suffix]
            at = domain.find(".", at + 1)
        return None


class Way(NamedTuple):
    """`next_hop` in `routing.NextHop` text form, None where the domain's own MX decides; `why` names the entry."""

    next_hop: str | None
    why: str


class Ways:
    """The configuration's entries, made ready for one look-up per recipient."""

    def __init__(self, config: Config) -> None:
        self._own: DomainTable[tuple[RecipientDomain, Way]] = DomainTable(
            (item.name, (item, Way(item.next_hop, f'[[domain]] name = "{item.name}"'))) for item in config.domain
        )
        self._routes: DomainTable[Way] = DomainTable(
            (item.domain, Way(item.next_hop, f'[[route]] domain = "{item.domain}"')) for item in config.route
        )
        smarthost = config.delivery.next_hop
        self._default = Way(smarthost, "[delivery] next_hop (smarthost)" if smarthost else "nothing configured")

    def own(self, domain: str) -> RecipientDomain | None:
        """The `[[domain]]` entry that covers a recipient domain: its mail is accepted from anybody."""
        found = self._own.get(domain)
        return None if found is None else found[0]

    def to(self, domain: str) -> Way:
        """The way of a recipient domain's mail: its `[[domain]]` entry, then a `[[route]]`, then the smarthost."""
        found = self._own.get(domain)
        if found is not None and found[1].next_hop is not None:
            return found[1]
        return self._routes.get(domain) or self._default
