"""What a configuration allows about trust groups but probably does not mean."""

from __future__ import annotations

from collections.abc import Iterator

from danelaw.address import Domain
from danelaw.config.effective import next_hop_for, policy_domain
from danelaw.config.model import Config
from danelaw.config.trusting import trust_groups
from danelaw.state import configured_overrides
from danelaw.tlspolicy import OverrideTLS, SenderDemand
from danelaw.trustgroup import TrustGroup

_WEAKER = frozenset({OverrideTLS.NONE, OverrideTLS.MAY, OverrideTLS.ENCRYPT})
_SHOWN = 3


def trust_remarks(config: Config, now: float) -> Iterator[str]:
    """One sentence each; `now` in POSIX seconds. Raises `DanelawError` for a file of members that cannot be used."""
    for group in trust_groups(config.trust_group):
        if not group.active(now):
            yield f'trust group "{group.name}" has ended; nothing is demanded any more'
            continue
        yield from _refusing_all(config, group)
        yield from _unsigned(config, group)
        if group.send is SenderDemand.NONE:
            continue
        yield from _elsewhere(config, group)
        yield from _overridden(config, group)


def _refusing_all(config: Config, group: TrustGroup) -> Iterator[str]:
    if group.receive.tls is not None and config.domain and not config.certificate:
        yield (
            f'trust group "{group.name}" demands TLS of mail from members, and listeners do not offer it; add '
            "[[certificate]]"
        )


def _unsigned(config: Config, group: TrustGroup) -> Iterator[str]:
    """Domains of ours whose users could send nothing that they did not sign themselves."""
    if not group.submission or all(listener.auth == "off" for listener in config.listen):
        return
    signed = {key.domain for key in config.dkim_key}
    for one in config.domain:
        name = Domain(one.name.lstrip("."))
        if group.lists(name) and not group.exempts(name) and name not in signed:
            yield (
                f'trust group "{group.name}" takes mail of users of {name} only where it brings a DKIM signature; add '
                "[[dkim_key]] to have it signed here"
            )


def _elsewhere(config: Config, group: TrustGroup) -> Iterator[str]:
    """Members whose mail goes by another name than their own, so that the demand would not meet it."""
    led = []
    for name in sorted(group.members - {name for name in group.members if name.startswith(".")})[:1000]:
        domain = Domain(name)
        hop = policy_domain(next_hop_for(config, domain), domain)
        if hop is None or not (group.lists(hop) or group.exempts(domain)):
            led.append(f"{name} to {hop or 'an address'}")
    if led:
        more = f" and {len(led) - _SHOWN} more" if len(led) > _SHOWN else ""
        yield (
            f'trust group "{group.name}" goes by next-hop domains, and a route leads mail of {", ".join(led[:_SHOWN])}'
            f"{more}; add these next hops to members, or what is demanded does not hold for that mail"
        )
    elif group.scheme is not None and config.delivery.next_hop is not None:
        yield (
            f'trust group "{group.name}" goes by next-hop domains, and [delivery] next_hop leads all mail to '
            f"{config.delivery.next_hop}; what is demanded of members found in DNS holds for nothing that goes there"
        )


def _overridden(config: Config, group: TrustGroup) -> Iterator[str]:
    for override in configured_overrides(config.override):
        name = override.destination.lstrip(".")
        if override.tls in _WEAKER and group.lists(Domain(name)) and not group.exempts(Domain(name)):
            yield (
                f"[[override]] {override.destination} = {override.tls.value} does not weaken what trust group "
                f'"{group.name}" demands; write exempt = ["{name}"] there if that is meant'
            )
