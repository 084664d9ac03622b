"""What the configuration says about one destination, and why: which entry was taken before which other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from danelaw.address import Domain
from danelaw.config.model import Config
from danelaw.config.sending import Override
from danelaw.config.values import matches_pattern
from danelaw.routing import NextHop

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Applied:
    """One aspect (`accepted`, `next hop`, `protection`): what applies, and the entry it comes from."""

    aspect: str
    value: str
    why: str


def most_specific(domain: Domain, entries: Iterable[tuple[str, T]]) -> T | None:
    """Of (pattern, value) pairs the value whose pattern covers the domain most closely; exact beats `.parent`."""
    fitting = [
        (not pattern.startswith("."), len(pattern), value)
        for pattern, value in entries
        if matches_pattern(pattern, domain)
    ]
    return max(fitting, key=lambda item: item[:2])[2] if fitting else None


def next_hop_for(config: Config, domain: Domain) -> str | None:
    """The next hop the configuration sets for a recipient domain, None when its own MX decides.

    The `[[domain]]` entry comes first, then a `[[route]]`, then the smarthost of `[delivery]`.
    """
    return _next_hop(config, domain)[0]


def _next_hop(config: Config, domain: Domain) -> tuple[str | None, str]:
    own = most_specific(domain, ((item.name, item) for item in config.domain))
    if own is not None and own.next_hop is not None:
        return own.next_hop, f'[[domain]] name = "{own.name}"'
    route = most_specific(domain, ((item.domain, item) for item in config.route))
    if route is not None:
        return route.next_hop, f'[[route]] domain = "{route.domain}"'
    if config.delivery.next_hop is not None:
        return config.delivery.next_hop, "[delivery] next_hop (smarthost)"
    return None, "nothing configured"


def policy_domain(next_hop: str | None, domain: Domain) -> Domain | None:
    """The name overrides and policies go by: the next hop's, without brackets and port; None for an address."""
    return domain if next_hop is None else NextHop.from_text(next_hop).policy_domain


def override_for(config: Config, domain: Domain, now: datetime) -> Override | None:
    """The override of the configuration for a destination (`policy_domain`) that is in force at `now`."""
    alive = ((item.destination, item) for item in config.override if item.until is None or item.until > now)
    return most_specific(domain, alive)


def accepted(config: Config, domain: Domain) -> bool:
    """Whether mail for this domain is accepted from anybody."""
    return any(matches_pattern(item.name, domain) for item in config.domain)


def effective(config: Config, domain: Domain, now: datetime) -> tuple[Applied, ...]:
    """Everything the configuration says about mail to a domain at the time `now`."""
    destination = policy_domain(next_hop_for(config, domain), domain)
    protection = [Applied("protection", "whatever the server offers", "an address has no name to check")]
    if destination is not None:
        protection = list(_protection(config, destination, now))
    return (_acceptance(config, domain), _way(config, domain), *protection)


def _acceptance(config: Config, domain: Domain) -> Applied:
    own = most_specific(domain, ((item.name, item) for item in config.domain))
    if own is not None:
        return Applied("accepted", "from anybody", f'[[domain]] name = "{own.name}"')
    if config.relay.networks:
        networks = ", ".join(str(network) for network in config.relay.networks)
        return Applied("accepted", f"only from {networks}", "[relay] networks; it is not among [[domain]]")
    return Applied("accepted", "from nobody", "neither [[domain]] nor [relay] networks name it")


def _way(config: Config, domain: Domain) -> Applied:
    next_hop, why = _next_hop(config, domain)
    return Applied("next hop", next_hop or f"MX of {domain}", why)


def _protection(config: Config, domain: Domain, now: datetime) -> Iterable[Applied]:
    ended = [item for item in config.override if item.until is not None and item.until <= now]
    override = override_for(config, domain, now)
    if override is None:
        sts = "DANE, then MTA-STS" if config.mta_sts.enabled else "DANE ([mta_sts] enabled = false)"
        yield Applied("protection", f"what the destination publishes: {sts}", "no override in the configuration")
    else:
        until = f", until {override.until:%Y-%m-%d %H:%M %Z}" if override.until else ""
        because = f", because: {override.because}" if override.because else ""
        yield Applied(
            "protection", override.tls, f'[[override]] destination = "{override.destination}"{until}{because}'
        )
    for item in ended:
        if matches_pattern(item.destination, domain):
            yield Applied(
                "ended", item.tls, f'[[override]] destination = "{item.destination}" ended {item.until:%Y-%m-%d}'
            )
