"""The steps between clients and the queue, made from the configuration, in the order in which they are asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.config.signing import signing_keys
from danelaw.frontdoor import Premises, front_steps
from danelaw.gateway.settings import origin_settings
from danelaw.inbound.dmarc_intake import DMARCIntake
from danelaw.inbound.feedback_intake import FeedbackIntake
from danelaw.inbound.filtering import Filtering
from danelaw.inbound.filters_of import Meter, filter_set
from danelaw.inbound.holding import HoldingStep
from danelaw.inbound.origin import Origin, Report
from danelaw.inbound.reported import Reported, nobody
from danelaw.inbound.signing import SigningStep
from danelaw.inbound.steps import Step, Steps
from danelaw.inbound.trust import TrustStep
from danelaw.inbound.trust_submission import TrustSubmissionStep
from danelaw.outbound.callahead import CallAhead
from danelaw.state.reports_database import FILE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable

    from danelaw.frontdoor.clientnames import ClientNameStep
    from danelaw.gateway.shards import Workshop
    from danelaw.resolver import Resolver
    from danelaw.scripting import Scripts
    from danelaw.state import HoldRuleStore, TrustRoll


def steps_of(
    workshop: Workshop,
    resolver: Resolver,
    hold_rules: HoldRuleStore,
    scripts: Scripts | None = None,
    report: Report | None = None,
    first: Iterable[Step] = (),
    *,
    trust: TrustRoll,
) -> Steps:
    """The steps that `workshop.config` asks for: who the client is, where the mail comes from, what it carries, what
    operators' scripts say, and what operators hold. `report` is told where mail comes from; `first` are asked before
    all others; `trust` knows the trust groups. Raises `DanelawError` for what cannot be made.
    """
    config = workshop.config
    keys = signing_keys(config.dkim_key)
    premises = Premises(config, resolver, workshop.metrics, workshop.log, workshop.clock)
    call_ahead = CallAhead(workshop.surveyor, workshop.door, workshop.roots, workshop.clock)
    front = front_steps(premises, call_ahead)
    steps: list[Step] = [*first, *front.early]
    reported = nobody if scripts is None else scripts.reported
    if config.authentication.enabled:
        steps.append(Origin(resolver, origin_settings(config), workshop.metrics, report))
        if config.trust_group:
            steps.append(TrustStep(trust, workshop.metrics, workshop.clock))
    if config.reports.dmarc_address is not None:
        steps.append(_dmarc_intake(workshop, config.reports.dmarc_address, reported))
    if config.reports.feedback:
        hold = config.reports.unreadable == "hold"
        steps.append(FeedbackIntake(config.reports.feedback, workshop.metrics, workshop.log, reported, hold=hold))
    if config.filter:
        steps.append(_filtering(workshop, front.names))
    steps += front.late
    if scripts is not None:
        steps.append(scripts.step)
    if config.trust_group:
        signs = frozenset(key.domain for key in keys)
        steps.append(TrustSubmissionStep(trust, resolver, signs, workshop.clock))
    if keys:
        steps.append(SigningStep(keys, workshop.clock))
    steps.append(HoldingStep(hold_rules, workshop.clock))
    return Steps(steps, front.names.known_name)


def _filtering(workshop: Workshop, names: ClientNameStep) -> Filtering:
    config = workshop.config
    meter = Meter(workshop.log, workshop.metrics)

    return Filtering(
        filter_set(config, meter),
        config.filtering,
        hostname=str(config.hostname),
        meter=meter,
        name_of=names.client_name,
    )


def _dmarc_intake(workshop: Workshop, address: str, reported: Reported) -> DMARCIntake:
    section = workshop.config.reports
    path = workshop.config.spool.directory / FILE_NAME
    return DMARCIntake(
        address,
        path,
        workshop.metrics,
        keep=section.keep.total_seconds(),
        hold=section.unreadable == "hold",
        most=section.max_records,
        most_failures=section.max_failures,
        whole_header=section.failure_header == "whole",
        reported=reported,
    )
