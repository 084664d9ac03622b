"""From the configuration to the settings of each part: the only place that knows both vocabularies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import dns.name

from danelaw.authentication import Action, DispositionSettings, Enforcement, ExaminationSettings, LocalPolicy
from danelaw.config import ceilings as config_ceilings
from danelaw.config.limiting import bounce_classifier, limit_rules, responses, site_roll
from danelaw.dkim import VerifySettings
from danelaw.dmarc import Policy
from danelaw.dnssec import NegativeTrustAnchor, TrustAnchors
from danelaw.errors import DanelawError
from danelaw.inbound.ceilings import Ceilings, Rates
from danelaw.inbound.ledger import SECOND, Ceiling, Ledger
from danelaw.inbound.origin import OriginSettings
from danelaw.outbound.answers import Answers
from danelaw.outbound.local_addresses import LocalAddress, LocalAddresses
from danelaw.outbound.transmission import Patience
from danelaw.quarantine import AtEnd, Retention, Term
from danelaw.queue import DELIVERY, OPERATOR, RetrySchedule
from danelaw.queue.direct import DirectPermits, Permits
from danelaw.queue.gate import Gate
from danelaw.queue.limits import Limits
from danelaw.resolver import CacheLimits, ResolverMode, ResolverSettings, ResolverTimeouts, system_servers
from danelaw.spool import SpoolSettings

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.queue.limits import LimitRule
    from danelaw.queue.permits import Ceiling as PermitCeiling
    from danelaw.queue.permits import PermitKey
    from danelaw.replies import Classifier, Responses
    from danelaw.routing import Sites
    from danelaw.telemetry import Log, Metrics

RESERVED_DESCRIPTORS = 256
"""For databases, bodies, name servers, policies, logs and operators."""
_FEWEST_CLIENTS = 8
_POOL_LOOKS_SECONDS = 2.0


def trust_anchors(path: Path | None) -> TrustAnchors:
    """The anchors in a zone-form file, or the root's shipped keys. Raises `DanelawError` naming the file."""
    if path is None:
        return TrustAnchors.root()
    try:
        return TrustAnchors.from_text(path.read_text("utf-8"))
    except OSError as error:
        raise DanelawError(
            f"the trust anchors {path} cannot be read: {error.strerror}", advice="correct [resolver] anchor_file"
        ) from None


def resolver_settings(config: Config) -> ResolverSettings:
    """`[resolver]`. Raises `DanelawError` when an anchor file cannot be used."""
    section = config.resolver
    timeout, deadline = section.timeout.total_seconds(), section.deadline.total_seconds()
    return ResolverSettings(
        servers=tuple(server.pair for server in section.servers) or system_servers(),
        mode=ResolverMode(section.mode),
        anchors=trust_anchors(section.anchor_file),
        negative=tuple(
            NegativeTrustAnchor(dns.name.from_text(str(item.name)), item.until.timestamp(), item.because)
            for item in section.negative
        ),
        timeouts=ResolverTimeouts(stagger=timeout, query=min(4 * timeout, deadline), lookup=deadline, run=3 * deadline),
        cache=CacheLimits(
            entries=section.cache_entries,
            max_ttl=section.max_ttl.total_seconds(),
            max_negative_ttl=section.max_negative_ttl.total_seconds(),
        ),
    )


def origin_settings(config: Config) -> OriginSettings:
    """`[authentication]`."""
    section = config.authentication
    return OriginSettings(
        authserv_id=str(section.authserv_id or config.hostname),
        examination=ExaminationSettings(
            dkim=VerifySettings(smallest_rsa=section.smallest_rsa, partial_body=section.partial_bodies),
            receiver=str(config.hostname),
        ),
        disposition=DispositionSettings(
            enforcement=Enforcement(section.enforcement),
            fault=Action(section.no_author),
            temperror=Action(section.dns_failure),
            spf_fail=Action(section.spf_fail),
            sealers=frozenset(section.sealers),
            policies=tuple(
                LocalPolicy(
                    own.domain,
                    Policy(own.policy),
                    own.until.timestamp() if own.until is not None else None,
                    own.because,
                )
                for own in section.policy
            ),
        ),
    )


def retry_schedule(config: Config) -> RetrySchedule:
    """`[queue]` as a schedule of waits."""
    section = config.queue
    return RetrySchedule.growing(
        section.retry_first.total_seconds(),
        section.retry_longest.total_seconds(),
        section.retry_factor,
        lifetime=section.lifetime.total_seconds(),
        delay_notice=section.warn_after.total_seconds() if section.warn_after else 0.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How mail is to be sent and replies are to be taken, as the configuration and its data files say."""

    sites: Sites
    limits: tuple[LimitRule, ...]
    classifier: Classifier
    responses: Responses


def conduct(config: Config) -> Conduct:
    """`[[limit]]`, `[sites]`, `[bounces]` and `[responses]`: the files are read once, at start.

    Raises `DanelawError` when one of them cannot be used.
    """
    sites, classifier = site_roll(config.sites.file), bounce_classifier(config.bounces.file)
    return Conduct(
        sites=sites,
        limits=limit_rules(config.limit, sites, shipped_limits=config.sites.limits),
        classifier=classifier,
        responses=responses(config.responses, classifier),
    )


def limits(config: Config) -> Limits:
    """`[[limit]]` and the limits of `[sites]`. Raises `DanelawError` when the file of sites cannot be used."""
    return Limits(limit_rules(config.limit, site_roll(config.sites.file), shipped_limits=config.sites.limits))


def permit_ceilings(config: Config, clock: Callable[[], float]) -> Callable[[PermitKey], PermitCeiling]:
    """What the limits allow. Raises `DanelawError` when their files cannot be used."""
    known = limits(config)
    return lambda key: known.ceiling(key, clock())


def direct_permits(conduct: Conduct, clock: Callable[[], float]) -> Permits:
    """The broker of a gateway in one process."""
    known = Limits(conduct.limits)
    return DirectPermits(lambda key: known.ceiling(key, clock()), time.monotonic)


def gate(conduct: Conduct, clock: Callable[[], float], permits: Permits, idle: float) -> Gate:
    """The limits at one shard; `idle` is for how many seconds connections without work are kept."""
    return Gate(
        Limits(conduct.limits), time.monotonic, clock, conduct.sites.of_host, permits, keep=idle + _POOL_LOOKS_SECONDS
    )


def answers(conduct: Conduct, log: Log, metrics: Metrics, addresses: LocalAddresses) -> Answers:
    """What replies mean, and what is done about them; `addresses` are ours to send from."""
    return Answers(
        log=log,
        metrics=metrics,
        classifier=conduct.classifier,
        responses=conduct.responses,
        site_of=conduct.sites.of_host,
        addresses=addresses,
    )


def ceilings(config: Config, book: Ledger) -> Ceilings:
    """`[limits.client]`, `[limits.trusted]`, `[limits.total]`, counted in `book`."""
    limits = config.limits

    def rates(section: config_ceilings.Ceilings) -> Rates:
        uses = (None, *(None if one is None else Ceiling(*one) for one in section.uses()))
        return Rates(uses, getattr(section, "connections", None) or limits.connections_per_client)

    return Ceilings(
        book,
        time.monotonic_ns,
        rates(limits.client),
        rates(limits.trusted),
        rates(limits.total),
        exempt=tuple(limits.exempt),
        refuse_nanoseconds=int(limits.refuse_for.total_seconds() * SECOND),
    )


def spool_settings(config: Config) -> SpoolSettings:
    """`[spool]` and `[history]`."""
    keep = config.history.keep.total_seconds()
    shortest = min(SpoolSettings().shortest_lifetime, config.queue.lifetime.total_seconds())
    return SpoolSettings(
        reserve=config.spool.min_free,
        history_age=keep,
        history_size=config.history.max_size,
        attempts_age=keep,
        redact_addresses=config.history.redact,
        shortest_lifetime=shortest,
        primed_log=config.spool.min_free // 8,
        counts_traffic=True,
    )


def retention(config: Config) -> Retention:
    """`[quarantine]`: the terms of held mail. Operators' holds and those of next hops have no end by themselves."""
    section = config.quarantine
    forever = Term(None, AtEnd.DELETE)
    by_step = {OPERATOR: forever, DELIVERY: forever}
    by_step |= {step.name: Term(step.retention.total_seconds(), AtEnd(step.at_end)) for step in section.step}
    usual = Term(section.retention.total_seconds(), AtEnd(section.at_end))
    return Retention(usual, by_step, section.max_messages, section.max_size)


def within_descriptors(config: Config, allowed: int) -> Config:
    """The configuration with no more clients at once than leave descriptors for the spool, deliveries and look-ups:
    `allowed` is how many this process may have. A client above that is told 421 instead of meeting a closed door.
    """
    if allowed < 0:  # RLIM_INFINITY
        return config
    most = max(_FEWEST_CLIENTS, allowed - config.delivery.connections - RESERVED_DESCRIPTORS)
    if config.limits.connections <= most:
        return config
    return config.model_copy(update={"limits": config.limits.model_copy(update={"connections": most})})


def local_addresses(config: Config, clock: Callable[[], float] = time.time) -> LocalAddresses:
    """`[[delivery.addresses]]`, with `source_ipv4` and `source_ipv6` before them, and the names said from them."""
    delivery = config.delivery
    helo = str(delivery.helo or config.hostname)
    own = [LocalAddress(one.address, str(one.helo or helo)) for one in delivery.local_addresses]
    return LocalAddresses(
        helo,
        tuple(one for one in own if ":" not in (one.address or "")),
        tuple(one for one in own if ":" in (one.address or "")),
        site_of=site_roll(config.sites.file).of_host,
        clock=clock,
    )


def patience(config: Config) -> Patience:
    """The time-outs of `[delivery]`."""
    section = config.delivery
    return Patience(
        connect=section.connect_timeout.total_seconds(),
        handshake=section.handshake_timeout.total_seconds(),
        greeting=section.greeting_timeout.total_seconds(),
        command=section.command_timeout.total_seconds(),
        data=section.data_timeout.total_seconds(),
        accept=section.accept_timeout.total_seconds(),
    )
