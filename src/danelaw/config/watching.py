"""The section about watching destinations: when a weaker day is an event."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field, field_validator

from danelaw.address import Mailbox
from danelaw.config.section import Section
from danelaw.config.values import Count, Duration, Switch, Text, explained


class Watch(Section):
    """Destinations that were verified for long and prove less now."""

    enabled: Switch = Field(
        default=True, description="Look at what was recorded and say what weakened.", examples=[False]
    )
    interval: Duration = Field(
        default=timedelta(minutes=15),
        ge=timedelta(seconds=1),
        description="Pause between looks; longer by itself where a look takes long, so that it never has more than a "
        "hundredth of the time.",
        examples=["1h"],
    )
    days: Count = Field(
        default=7, ge=1, description="On so many days mail must have been verified before a weaker day is an event.",
        examples=[14],
    )  # fmt: skip
    messages: Count = Field(
        default=10, ge=1, description="And so many messages, over all those days.", examples=[50]
    )  # fmt: skip
    most_events: Count = Field(
        default=20,
        ge=1,
        description="Events told in the log after one look, the strongest fall first; the others are counted there and "
        "listed by `danelaw watch list`.",
        examples=[100],
    )
    notify: Text | None = Field(
        default=None,
        description="Who gets a letter about them, at most one in six hours. Absent: nobody; log and metrics tell.",
        examples=["postmaster@example.org"],
    )
    keep: Duration = Field(
        default=timedelta(days=365),
        ge=timedelta(days=30),
        description="How long a destination is remembered to which no mail goes any more.",
        examples=["90d"],
    )

    @field_validator("notify")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        mailbox: Mailbox = explained(lambda: Mailbox.from_text(value))
        return mailbox.to_text()
