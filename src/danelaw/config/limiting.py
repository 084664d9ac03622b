"""Sections about how much goes where, and what replies mean: limits, sites, bounce classes, responses to replies."""

from __future__ import annotations

import ipaddress
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from danelaw.config.problems import ConfigError, Problem
from danelaw.config.section import Section
from danelaw.config.values import Count, DomainPattern, FilePath, Instant, Switch, Text, explained
from danelaw.errors import DanelawError
from danelaw.queue.limits import LimitRule, WarmUp
from danelaw.queue.rates import Rate
from danelaw.replies import BounceFile, Classifier, Responses, shipped, shipped_responses
from danelaw.replies.classifier import shipped_file
from danelaw.routing import Sites, shipped_sites

LimitField = Literal["domain", "site", "mx", "remote", "local", "tenant", "job", "transport"]
_MATCH = ("domain", "site", "mx", "remote", "local", "tenant", "job", "transport")
_NUMBERS = ("connections", "rate", "connection_rate", "messages_per_connection", "recipients", "warm_up")


class WarmingUp(Section):
    """A schedule for an address or tenant that is new to its receivers."""

    since: Instant = Field(description="The first day, which begins at 0:00 UTC.", examples=["2026-12-01"])
    per_day: tuple[Count, ...] = Field(
        min_length=1,
        max_length=366,
        description="Messages on each day; after the last day this limits nothing.",
        examples=[[50, 100, 200, 500, 1000]],
    )

    @field_validator("since", mode="before")
    @classmethod
    def _begins_in_the_morning(cls, value: object) -> object:
        # A date alone otherwise means its end, which is right for exceptions but not for a beginning.
        if isinstance(value, str) and len(value) == 10:
            text = value
            value = explained(lambda: date.fromisoformat(text))
        if isinstance(value, date) and not isinstance(value, datetime):
            return datetime.combine(value, time(), UTC)
        return value

    @field_validator("per_day")
    @classmethod
    def _some_each_day(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if min(value) < 1:
            raise ValueError("a day with no messages is no warm-up; write at least 1 for each day")
        return value


class Limit(Section):
    """A limit on outbound mail. Everything it matches is counted together, or apart by `per`; all limits that match
    must be kept.
    """

    name: Text = Field(
        pattern="^[a-z0-9][a-z0-9._-]{0,39}$",
        description="What `queue list` and the log call it: small letters, digits, dots, hyphens.",
        examples=["careful"],
    )
    domain: tuple[DomainPattern | Literal["*"], ...] = Field(
        default=(),
        description="Next-hop domains (the recipient's domain, unless a route or smarthost says otherwise); "
        "`.example.org` means every name below, `*` all. Absent: any.",
        examples=[["example.org", ".example.org"]],
    )
    site: tuple[Text, ...] = Field(
        default=(),
        description="MX sites: names of large providers (`danelaw queue sites`), or the end of the host's name.",
        examples=[["google", "yahoo"]],
    )
    mx: tuple[DomainPattern | Literal["*"], ...] = Field(
        default=(), description="Names of MX hosts.", examples=[["mx1.example.org"]]
    )
    remote: tuple[Text, ...] = Field(
        default=(), description="Addresses or networks of MX hosts.", examples=[["192.0.2.0/24"]]
    )
    local: tuple[Text, ...] = Field(
        default=(),
        description="Our addresses or networks, of those set in `[delivery]`.",
        examples=[["198.51.100.25"]],
    )
    tenant: tuple[Text, ...] = Field(default=(), description="Tenants.", examples=[["newsletter"]])
    job: tuple[Text, ...] = Field(
        default=(), description='Jobs, as policy scripts name them; `""` is mail of none.', examples=[["campaign-7"]]
    )
    transport: tuple[Literal["mx", "fixed", "carrier"], ...] = Field(
        default=(),
        description="`mx` for next hops found by MX, `fixed` for those set by you, `carrier` for a `[[carrier]]`, of "
        "which the `domain` is the name.",
        examples=[["mx"]],
    )
    per: tuple[LimitField, ...] = Field(
        default=(),
        description='Count apart for each value of these: `per = ["domain"]` is a limit for every domain by itself.',
        examples=[["domain"]],
    )
    connections: Count | None = Field(
        default=None, ge=1, le=100_000, description="Connections at once, idle ones included.", examples=[10]
    )
    rate: Text | None = Field(
        default=None, description="Messages per time, in any stretch of that time.", examples=["100/min"]
    )
    connection_rate: Text | None = Field(default=None, description="New connections per time.", examples=["30/min"])
    messages_per_connection: Count | None = Field(
        default=None, ge=1, description="Messages over one connection.", examples=[20]
    )
    recipients: Count | None = Field(
        default=None, ge=1, description="Recipients in one transaction; more are sent in several.", examples=[50]
    )
    adaptive: Switch = Field(
        default=True,
        description="Halve `connections` when a server answers 421 or falls silent, and grow again with success.",
        examples=[False],
    )
    warm_up: WarmingUp | None = Field(
        default=None, description="Messages per day while an address or tenant is new.",
        examples=[{"since": "2026-12-01", "per_day": [50, 100, 200]}],
    )  # fmt: skip

    @field_validator("rate", "connection_rate")
    @classmethod
    def _rates(cls, value: str | None) -> str | None:
        if value is not None:
            rate: Rate = explained(lambda: Rate.from_text(value))
            if rate.count == 0:
                raise ValueError('a rate of nothing would keep mail for ever; write at least "1/day", or suspend')
        return value

    @field_validator("remote", "local")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            try:
                ipaddress.ip_network(text)
            except ValueError:
                raise ValueError(f'{text!r} is no address or network; write "192.0.2.0/24"') from None
        return value

    @model_validator(mode="after")
    def _limits_something(self) -> Limit:
        if all(getattr(self, name) is None for name in _NUMBERS):
            raise ValueError(f"limits nothing; add one of {', '.join(_NUMBERS)}")
        return self

    def rule(self) -> LimitRule:
        """The same as the queue takes it."""
        warm_up = None
        if self.warm_up is not None:
            warm_up = WarmUp(self.warm_up.since.timestamp(), self.warm_up.per_day)
        return LimitRule(
            self.name,
            tuple((name, tuple(getattr(self, name))) for name in _MATCH if getattr(self, name)),
            self.per,
            self.connections,
            Rate.from_text(self.rate) if self.rate else None,
            Rate.from_text(self.connection_rate) if self.connection_rate else None,
            self.messages_per_connection,
            self.recipients,
            self.adaptive,
            warm_up,
        )


class SiteRoll(Section):
    """Which mail servers belong together, and the limits shipped for the large providers."""

    file: FilePath | None = Field(
        default=None,
        description="Your own file of sites; those of the same name replace shipped ones.",
        examples=["/etc/danelaw/sites.toml"],
    )
    limits: Switch = Field(
        default=True,
        description="Keep the shipped limits for large providers (`danelaw queue sites` lists them).",
        examples=[False],
    )


class Bounces(Section):
    """What replies of other servers mean."""

    file: FilePath | None = Field(
        default=None,
        description="Your own bounce classes and rules, asked before the shipped ones.",
        examples=["/etc/danelaw/bounces.toml"],
    )


class Replying(Section):
    """What the gateway does by itself when servers complain."""

    enabled: Switch = Field(
        default=True,
        description="Suspend a destination for a while when its replies ask for it; each act is logged.",
        examples=[False],
    )
    file: FilePath | None = Field(
        default=None,
        description="Your own responses, asked before the shipped ones.",
        examples=["/etc/danelaw/responses.toml"],
    )


def read_file(path: Path) -> str:
    """A data file named in the configuration. Raises `DanelawError` naming it."""
    try:
        with path.open("rb") as stream:
            return stream.read((1 << 20) + 1).decode("utf-8")
    except OSError as error:
        raise DanelawError(
            f"{path} cannot be read: {error.strerror}", advice="correct its name or its rights"
        ) from None
    except UnicodeDecodeError:
        raise DanelawError(f"{path} is not UTF-8", advice="save the file as UTF-8") from None


def bounce_classifier(path: Path | None) -> Classifier:
    """The shipped bounce classes, with the operator's before them. Raises `DanelawError`."""
    if path is None:
        return shipped()
    return Classifier(BounceFile.from_text(read_file(path), path.name, shipped_file()))


def site_roll(path: Path | None) -> Sites:
    """The shipped sites, with the operator's. Raises `DanelawError`."""
    return shipped_sites() if path is None else Sites.from_text(read_file(path), path.name, shipped_sites())


def responses(section: Replying, classifier: Classifier) -> Responses:
    """The responses in force. Raises `DanelawError`."""
    if not section.enabled:
        return Responses(())
    base = shipped_responses()
    if section.file is None:
        return base
    return Responses.from_text(read_file(section.file), section.file.name, classifier.file.classes, base)


def limit_rules(limits: tuple[Limit, ...], sites: Sites, *, shipped_limits: bool) -> tuple[LimitRule, ...]:
    """The operator's rules and those of the sites. Raises `ConfigError` when a site's limits cannot be read."""
    rules = [limit.rule() for limit in limits]
    for site in sites.sites if shipped_limits else ():
        if not site.limits:
            continue
        try:
            rules.append(Limit.model_validate({**_plain(site.limits), "name": site.name, "site": (site.name,)}).rule())
        except ValidationError as error:
            what = error.errors()[0]
            raise ConfigError([Problem("sites.toml", 0, f"site.{site.name}.limits", str(what["msg"]))]) from None
    return tuple(rules)


def _plain(limits: Any) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in limits.items()}


def unrecognised(classifier: Classifier) -> list[str]:
    """Examples of the operator's bounce rules that are not taken as their rules say."""
    return list(classifier.failures()) if classifier.file.own < len(classifier.file.rules) else []
