"""Users who hand in mail: what lets them in, and the step that is asked about them."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from danelaw.config.ceilings import parse_uses
from danelaw.demanding import TagDomain
from danelaw.inbound.demanding import Asking, DemandStep
from danelaw.inbound.ledger import SECOND, Ceiling
from danelaw.inbound.lockouts import Lockouts
from danelaw.inbound.login import Logins
from danelaw.inbound.submission import SubmissionSettings, SubmissionStep
from danelaw.inbound.userbook import UserBook

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.inbound.ceilings import Ceilings
    from danelaw.inbound.steps import Step
    from danelaw.telemetry import Log, Metrics

_HOUR = 3600


def logins_of(config: Config, ceilings: Ceilings, log: Log, metrics: Metrics) -> Logins | None:
    """`[submission]`; None where nobody can log in. Raises `DanelawError` for a file of users that cannot be used."""
    if all(listen.auth == "off" for listen in config.listen):
        return None
    section = config.submission
    book = UserBook(
        section.users,
        secret=secrets.token_bytes(32),
        checks=section.checks,
        remember=section.remember.total_seconds(),
        trouble=lambda error: log.error("reload-failed", reason=error.reason, advice=error.advice),
    )
    lockouts = Lockouts(
        ceilings.book,
        ceilings.ticks,
        _ceiling(section.client_failures),
        _ceiling(section.user_failures),
        nanoseconds=int(section.lock_out.total_seconds() * SECOND),
        delay=section.failure_delay.total_seconds(),
        reached=ceilings.note,
    )
    return Logins(book, lockouts, log, metrics, asyncio.get_running_loop().time)


def asking_of(config: Config, metrics: Metrics) -> Asking:
    """`[demand]`: how senders may ask for protection."""
    name = config.demand.tag_domain
    return Asking(config.demand.field, None if name is None else TagDomain(name), metrics)


def first_steps(config: Config, logins: Logins | None, ceilings: Ceilings, asking: Asking) -> tuple[Step, ...]:
    """Those asked before all others: about users' mail, and about what senders ask for."""
    return (DemandStep(asking), *(() if logins is None else (_submission_step(config, logins, ceilings),)))


def _submission_step(config: Config, logins: Logins, ceilings: Ceilings) -> SubmissionStep:
    """The step that is asked about users."""
    section = config.submission
    settings = SubmissionSettings(
        hostname=str(config.hostname),
        own_senders=section.sender != "any",
        own_authors=section.sender == "own-author",
        add_fields=section.add_fields,
        messages=_hourly(section.messages_per_hour),
        recipients=_hourly(section.recipients_per_hour),
    )
    return SubmissionStep(
        settings, logins.book, ceilings.book, ceilings.ticks, lambda name, user, of: ceilings.note(name, user, of)
    )


def _ceiling(text: str) -> Ceiling | None:
    uses = parse_uses(text)
    return None if uses is None else Ceiling(*uses)


def _hourly(count: int | None) -> Ceiling | None:
    return None if count is None else Ceiling(count, _HOUR)
