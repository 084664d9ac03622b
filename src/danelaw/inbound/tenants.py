"""Whose mail it is: the tenant by where it was handed in and who sent it, for shares, limits and filters.

Tenants get equal shares of the deliveries (`danelaw.queue.fairness`), and a `[[limit]]` can name them. Who may send
at all is not decided here.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING

from danelaw.config.ways import DomainTable

if TYPE_CHECKING:
    from danelaw.address import ReversePath
    from danelaw.config.receiving import Tenant

_REMEMBERED = 10_000


class Tenants:
    """The `[[tenant]]` entries, in their order: the first that fits is it."""

    def __init__(self, tenants: Iterable[Tenant]) -> None:
        self._tenants = tuple(
            (
                one.name,
                tuple(one.networks),
                tuple(one.users),
                DomainTable((name, True) for name in one.senders) if one.senders else None,
            )
            for one in tenants
        )
        self._known: dict[tuple[str, str, bool, str], str] = {}

    def of(self, client_address: str, reverse_path: ReversePath, *, trusted: bool, user: str = "") -> str:
        """The tenant of a message, empty for none. `trusted` tells that the client may relay: whom others claim to be
        counts for nothing. `user` is as whom it logged in.
        """
        if not self._tenants:
            return ""
        mailbox = reverse_path.mailbox
        domain = mailbox.domain.to_text() if mailbox is not None else ""
        key = (client_address, domain, trusted, user)
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            found = self._known[key] = self._find(*key)
        return found

    def _find(self, client_address: str, domain: str, trusted: bool, user: str) -> str:
        address = ipaddress.ip_address(client_address.partition("%")[0])
        address = getattr(address, "ipv4_mapped", None) or address
        for name, networks, users, senders in self._tenants:
            if users and not (user and any(user == one or (one[:1] == "@" and user.endswith(one)) for one in users)):
                continue
            here = any(address.version == network.version and address in network for network in networks)
            if networks and not here:
                continue
            if senders is not None and not (senders.get(domain) and (here or trusted)):
                continue
            return name
        return ""
