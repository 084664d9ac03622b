"""The configured steps, in their order: what costs least and refuses most comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.frontdoor.clientnames import ClientNameStep
from danelaw.frontdoor.dnslists import DNSListStep

if TYPE_CHECKING:
    from danelaw.frontdoor.premises import Premises
    from danelaw.inbound.steps import Step


def front_steps(premises: Premises) -> tuple[Step, ...]:
    """Every step the configuration asks for. Raises `DanelawError` for what cannot be opened."""
    config = premises.config
    steps: list[Step] = []
    names = ClientNameStep(premises)
    lists = DNSListStep(premises, names) if config.dns_list else None
    if config.client_names.enabled:
        steps.append(names)
    if lists is not None:
        steps.append(lists)
    if config.greylisting.enabled:
        steps.append(_greylist(premises, names, lists))
    return tuple(steps)


def _greylist(premises: Premises, names: ClientNameStep, lists: DNSListStep | None) -> Step:
    from danelaw.frontdoor.greylisting import GreylistStep, rules_of
    from danelaw.state import GreylistStore
    from danelaw.state.greylist import FILE_NAME

    settings = premises.config.greylisting
    path = premises.config.spool.directory / FILE_NAME
    store = GreylistStore(path, rules_of(settings), auto_allow=settings.auto_allow, entries=settings.entries)
    return GreylistStep(premises, store, names, lists)
