"""Recipients of one notice who share a fate and its reason, told of together: a notice about thousands stays short."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from danelaw.dsn.cause import Cause
from danelaw.dsn.values import DSNRecipient, HostTry


@dataclass(slots=True)
class Group:
    """At least one recipient."""

    recipients: list[DSNRecipient] = field(default_factory=list)

    @property
    def first(self) -> DSNRecipient:
        """Who stands for the others."""
        return self.recipients[0]

    @property
    def tries(self) -> tuple[HostTry, ...]:
        """The tries of the first recipient that has any: the others' were the same."""
        return next((one.tries for one in self.recipients if one.tries), ())

    @property
    def replies(self) -> dict[str, tuple[str, str]]:
        """By address, which server answered what."""
        return {
            one.address: (one.remote_mta or one.destination, one.diagnostic)
            for one in self.recipients
            if one.diagnostic is not None
        }


def grouped(recipients: Iterable[DSNRecipient]) -> list[Group]:
    """Recipients by destination, cause and demand, in the order of their first."""
    groups: dict[tuple[object, ...], Group] = {}
    for one in recipients:
        reason = one.reason if one.cause is Cause.OTHER else ""
        key = (one.destination, one.cause, reason, one.demander, one.remark, one.advice, one.over is None)
        groups.setdefault(key, Group()).recipients.append(one)
    return list(groups.values())
