"""The configured steps, in their order: what costs least and refuses most comes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.frontdoor.clientnames import ClientNameStep
from danelaw.frontdoor.dnslists import DNSListStep

if TYPE_CHECKING:
    from danelaw.frontdoor.premises import Premises
    from danelaw.inbound.steps import Step


def front_steps(premises: Premises) -> tuple[Step, ...]:
    """Every step the configuration asks for."""
    config = premises.config
    steps: list[Step] = []
    names = ClientNameStep(premises)
    if config.client_names.enabled:
        steps.append(names)
    if config.dns_list:
        steps.append(DNSListStep(premises, names))
    return tuple(steps)
