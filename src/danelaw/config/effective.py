"""What the configuration says about one destination, and why: which entry was taken before which other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.config.model import Config
from danelaw.config.trusting import trust_groups
from danelaw.config.ways import Ways
from danelaw.routing import NextHop, carrier_of
from danelaw.state import configured_overrides
from danelaw.tlspolicy import Override, SenderDemand
from danelaw.tlspolicy import effective as effective_override


@dataclass(frozen=True, slots=True)
class Applied:
    """One aspect (`accepted`, `next hop`, `protection`): what applies, and the entry it comes from."""

    aspect: str
    value: str
    why: str


def next_hop_for(config: Config, domain: Domain) -> str | None:
    """The next hop the configuration sets for a recipient domain, None when its own MX decides."""
    return Ways(config).to(domain.ascii).next_hop


def policy_domain(next_hop: str | None, domain: Domain) -> Domain | None:
    """The name overrides and policies go by, without brackets and port; None for an address or a carrier."""
    if next_hop is not None and carrier_of(next_hop) is not None:
        return None
    return domain if next_hop is None else NextHop.from_text(next_hop).policy_domain


def accepted(config: Config, domain: Domain) -> bool:
    """Whether mail for this domain is accepted from anybody."""
    return Ways(config).own(domain.ascii) is not None


def effective(
    config: Config, domain: Domain, now: float, overrides: Iterable[Override] | None = None
) -> tuple[Applied, ...]:
    """Everything that is set about mail to a domain at the time `now` (POSIX seconds).

    `overrides` are all there are, those set at run time first; otherwise only those of the configuration.
    """
    next_hop = next_hop_for(config, domain)
    if next_hop is not None and carrier_of(next_hop) is not None:
        handed = Applied("protection", "handed over", "a carrier has no server whose protection could be judged")
        return (_acceptance(config, domain), _way(config, domain), handed)
    destination = policy_domain(next_hop, domain)
    known = configured_overrides(config.override) if overrides is None else tuple(overrides)
    return (_acceptance(config, domain), _way(config, domain), *_protection(config, destination, known, now))


def _acceptance(config: Config, domain: Domain) -> Applied:
    own = Ways(config).own(domain.ascii)
    if own is not None:
        return Applied("accepted", "from anybody", f'[[domain]] name = "{own.name}"')
    if config.relay.networks:
        networks = ", ".join(str(network) for network in config.relay.networks)
        return Applied("accepted", f"only from {networks}", "[relay] networks; it is not among [[domain]]")
    return Applied("accepted", "from nobody", "neither [[domain]] nor [relay] networks name it")


def _way(config: Config, domain: Domain) -> Applied:
    next_hop, why = Ways(config).to(domain.ascii)
    return Applied("next hop", next_hop or f"MX of {domain}", why)


def _protection(
    config: Config, destination: Domain | None, overrides: Iterable[Override], now: float
) -> Iterable[Applied]:
    if destination is None:
        yield Applied("protection", "whatever the server offers", "an address has no name to check")
        return
    for group in trust_groups(config.trust_group):
        if group.send is SenderDemand.NONE or not group.active(now) or group.exempts(destination):
            continue
        if group.lists(destination):
            yield Applied("trust group", f"at least {group.send.value}", f'[[trust_group]] "{group.name}" lists it')
        elif group.scheme is not None:
            why = f'[[trust_group]] "{group.name}" asks {group.scheme.to_text()}; see danelaw check {destination}'
            yield Applied("trust group", f"at least {group.send.value} if DNS says it is a member", why)
    found = effective_override(overrides, destination, now)
    if found.override is None:
        sts = "DANE, then MTA-STS" if config.mta_sts.enabled else "DANE ([mta_sts] enabled = false)"
        yield Applied("protection", f"what the destination publishes: {sts}", found.why)
    else:
        because = f", because: {found.override.because}" if found.override.because else ""
        yield Applied("protection", found.override.tls.value, f"{found.why}{because}")
    for other, why in found.others:
        yield Applied("not", other.tls.value, why)
