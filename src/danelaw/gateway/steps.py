"""The steps between clients and the queue, made from the configuration, in the order in which they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.frontdoor import Premises, front_steps
from danelaw.gateway.settings import origin_settings
from danelaw.inbound.filtering import Filtering
from danelaw.inbound.filters_of import Meter, filter_set
from danelaw.inbound.holding import HoldingStep
from danelaw.inbound.origin import Origin
from danelaw.inbound.steps import Step, Steps
from danelaw.outbound.callahead import CallAhead

if TYPE_CHECKING:
    from danelaw.gateway.shards import Workshop
    from danelaw.resolver import Resolver
    from danelaw.state import HoldRuleStore


def steps_of(workshop: Workshop, resolver: Resolver, hold_rules: HoldRuleStore) -> Steps:
    """The steps that `workshop.config` asks for: who the client is, where the mail comes from, what it carries, and
    what operators hold. Raises `DanelawError` for what cannot be made.
    """
    config = workshop.config
    premises = Premises(config, resolver, workshop.metrics, workshop.log, workshop.clock)
    call_ahead = CallAhead(workshop.surveyor, workshop.door, workshop.roots, workshop.clock)
    front = front_steps(premises, call_ahead)
    steps: list[Step] = [*front.early]
    if config.authentication.enabled:
        steps.append(Origin(resolver, origin_settings(config), workshop.metrics))
    if config.filter:
        meter = Meter(workshop.log, workshop.metrics)
        steps.append(Filtering(filter_set(config, meter), config.filtering, hostname=str(config.hostname), meter=meter))
    steps += front.late
    steps.append(HoldingStep(hold_rules, workshop.clock))
    return Steps(steps)
