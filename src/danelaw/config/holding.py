"""Sections about held mail: how long it stays, whom digests tell of it, and where their links lead."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, Strict, field_validator, model_validator

from danelaw.address import Mailbox
from danelaw.config.section import Section
from danelaw.config.values import DomainPattern, Duration, ListenAddress, Size, Text, explained

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_STEP = "^[a-z0-9][a-z0-9._-]{0,39}$"
AtEndWord = Literal["delete", "release", "return"]


class HeldBy(Section):
    """What one step holds is kept for another time."""

    name: Text = Field(
        pattern=_STEP,
        description="The step: a filter's name, `rule`, `operator` or `delivery`.",
        examples=["clamd"],
    )
    retention: Duration = Field(description="How long.", examples=["90d"])
    at_end: AtEndWord = Field(
        default="delete",
        description="What happens then: `delete`, `release`, or `return` to the sender.",
        examples=["return"],
    )


class Digest(Section):
    """Mail that tells people what is held for them."""

    times: tuple[Text, ...] = Field(
        default=("07:00",),
        min_length=1,
        max_length=24,
        description="When, by this machine's local time.",
        examples=[["07:00", "15:00"]],
    )
    sender: Text | None = Field(
        default=None,
        description="Address in From. Absent: `quarantine@` and `hostname`.",
        examples=["quarantine@example.org"],
    )
    domains: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Recipient domains whose people are told, each of what is held for them; `.example.org` means "
        "every name below. Empty: nobody is.",
        examples=[["example.org"]],
    )
    owners: dict[Text, Text] = Field(
        default={},
        description="Recipient domains of which one address is told everything instead.",
        examples=[{"example.net": "postmaster@example.net"}],
    )
    steps: tuple[Text, ...] = Field(
        default=(),
        description="Whose holds people may see and release by themselves. A message that any other step holds too is "
        "in no digest: nobody should release a virus.",
        examples=[["rspamd", "rule"]],
    )
    links_last: Duration = Field(
        default=timedelta(days=7), description="For how long the links of a digest work, each once.", examples=["3d"]
    )

    @field_validator("times")
    @classmethod
    def _times_of_day(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            if not _TIME.fullmatch(text):
                raise ValueError(f'{text!r} is no time of day; write "07:00"')
        return tuple(sorted(set(value)))

    @field_validator("sender")
    @classmethod
    def _sender_is_address(cls, value: str | None) -> str | None:
        return None if value is None else _address(value)

    @field_validator("owners")
    @classmethod
    def _owners_are_addresses(cls, value: dict[str, str]) -> dict[str, str]:
        return {domain.lower(): _address(owner) for domain, owner in value.items()}

    @model_validator(mode="after")
    def _something_to_tell(self) -> Digest:
        if (self.domains or self.owners) and not self.steps:
            raise ValueError(
                'digests tell of nothing without steps; name those whose holds people may release: steps = ["rule"]'
            )
        return self


class Web(Section):
    """The small web server behind the links of digests. It speaks HTTP: put your TLS front before it."""

    listen: ListenAddress | None = Field(
        default=None,
        description="Address and port; absent: none, and digests have no links.",
        examples=["127.0.0.1:8026"],
    )
    url: Text | None = Field(
        default=None,
        description="Where people reach it: the beginning of every link.",
        examples=["https://mail.example.org/quarantine"],
    )

    @field_validator("url")
    @classmethod
    def _is_web_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        plain = value.isascii() and value.isprintable() and not re.search(r"""[\s"'<>\\^`{|}?#]""", value)
        if parts.scheme not in ("http", "https") or not parts.hostname or not plain or "@" in parts.netloc:
            raise ValueError(f'{value!r} is no web address; write "https://mail.example.org/quarantine"')
        return value.rstrip("/")

    @model_validator(mode="after")
    def _both_or_none(self) -> Web:
        if (self.listen is None) != (self.url is None):
            missing = "url" if self.url is None else "listen"
            raise ValueError(f"listen and url belong together; add {missing}")
        return self


class Quarantine(Section):
    """What becomes of held mail."""

    retention: Duration = Field(
        default=timedelta(days=30),
        description="How long what steps and rules hold stays; `[[quarantine.step]]` says otherwise for one. What "
        "operators and next hops' replies hold stays until somebody acts.",
        examples=["14d"],
    )
    at_end: AtEndWord = Field(
        default="delete",
        description="What happens then: `delete`, `release`, or `return` to the sender.",
        examples=["return"],
    )
    max_messages: Annotated[int, Strict(), Field(ge=1, le=10_000_000)] = Field(
        default=100_000, description="Most messages held; beyond them the oldest are deleted.", examples=[10000]
    )
    max_size: Size = Field(default=10 << 30, description="Most octets held; likewise.", examples=["2G"])
    step: tuple[HeldBy, ...] = Field(
        default=(), description="Other terms for single steps.", examples=[[{"name": "clamd", "retention": "90d"}]]
    )
    digest: Digest = Field(default=Digest(), description="Telling people what is held for them.")
    web: Web = Field(default=Web(), description="Where the links of digests lead.")

    @model_validator(mode="after")
    def _no_step_twice(self) -> Quarantine:
        names = [step.name for step in self.step]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'[[quarantine.step]] name "{twice[0]}" appears twice; keep one of them')
        return self


def _address(text: str) -> str:
    mailbox: Mailbox = explained(lambda: Mailbox.from_text(text))
    return mailbox.to_text()
