"""Rules without code: the tables `[[rule]]`, read into `danelaw.rules`."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, Strict, field_validator, model_validator

from danelaw.address import Mailbox
from danelaw.config.section import Section
from danelaw.config.values import Duration, Instant, IPNetwork, NextHopText, Size, Switch, Text, explained
from danelaw.rules import Act, At, Changes, Conditions, Rule, Schedule, earliest
from danelaw.rules.rule import AT_RECIPIENT

_NAME = r"^[a-z0-9][a-z0-9_-]{0,39}$"
_FIELD = r"^[!-9;-~]{1,75}$"
FieldName = Annotated[str, Strict(), Field(pattern=_FIELD)]
_ADDRESSES = "`anna@example.org`, `*@example.org`, `example.org` (all of that domain), `.example.org` (all below it)"


class When(Section):
    """Conditions: all that are given must hold; of several values of one, any."""

    client: tuple[IPNetwork, ...] = Field(default=(), description="Networks of clients.", examples=[["192.0.2.0/24"]])
    trusted: Switch | None = Field(
        default=None, description="Whether the client may relay, by its network or as a user.", examples=[False]
    )
    listener: tuple[Text, ...] = Field(
        default=(), description="Addresses it connected to, with `*`.", examples=[["*:587"]]
    )
    tls: Switch | None = Field(default=None, description="Whether it came by TLS.", examples=[True])
    user: tuple[Text, ...] = Field(default=(), description="Users who logged in, with `*`.", examples=[["*"]])
    helo: tuple[Text, ...] = Field(default=(), description="Names in EHLO, with `*`.", examples=[["localhost*"]])
    sender: tuple[Text, ...] = Field(
        default=(),
        description=f"Envelope senders: {_ADDRESSES}, `<>` (none: a notice).",
        examples=[["news.example.net", "<>"]],
    )
    recipient: tuple[Text, ...] = Field(
        default=(), description="Recipients, likewise; at the whole message one of them is enough.",
        examples=[["sales@example.org"]],
    )  # fmt: skip
    author: tuple[Text, ...] = Field(
        default=(), description="Addresses in From, likewise.", examples=[[".bank.example"]]
    )
    subject: tuple[Text, ...] = Field(default=(), description="Subjects, with `*`.", examples=[["*lottery*"]])
    header: dict[FieldName, Text] = Field(
        default={}, description="Fields of the header and their texts, with `*`; all must fit.",
        examples=[{"X-Mailer": "*bulk*"}],
    )  # fmt: skip
    header_missing: tuple[FieldName, ...] = Field(
        default=(), description="Fields that must not be there.", examples=[["Message-ID"]]
    )
    attachment: tuple[Text, ...] = Field(
        default=(), description="Names of attached files, with `*`.", examples=[["*.iso", "*.lnk"]]
    )
    spf: tuple[Text, ...] = Field(default=(), description="Results of SPF.", examples=[["fail", "softfail"]])
    dkim: tuple[Text, ...] = Field(default=(), description="Results of any DKIM signature.", examples=[["pass"]])
    dmarc: tuple[Text, ...] = Field(default=(), description="Results of DMARC.", examples=[["fail"]])
    arc: tuple[Text, ...] = Field(default=(), description="Results of ARC.", examples=[["pass"]])
    found: dict[Text, tuple[Text, ...]] = Field(
        default={}, description="Results of steps, by their names.", examples=[{"rspamd": ["tag"]}]
    )
    larger_than: Size | None = Field(default=None, description="Octets of the message, more than.", examples=["10M"])
    smaller_than: Size | None = Field(default=None, description="Octets, fewer than.", examples=["1K"])
    tag: tuple[Text, ...] = Field(
        default=(), description="Marks that rules or scripts before have set.", examples=[["newsletter"]]
    )
    hours: tuple[Text, ...] = Field(
        default=(), description="Times of the week; one over midnight belongs to the day it begins.",
        examples=[["Mon-Fri 08:00-18:00"]],
    )  # fmt: skip
    zone: Text = Field(default="UTC", description="The time zone of `hours`.", examples=["Europe/Berlin"])

    @field_validator("hours")
    @classmethod
    def _hours_can_be_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            explained(functools.partial(Schedule.from_text, text))
        return value

    @field_validator("zone")
    @classmethod
    def _zone_is_known(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f'there is no time zone {value!r}; write one like "Europe/Berlin"') from None
        return value

    def conditions(self) -> Conditions:
        """The same as `danelaw.rules` has it."""
        values = {name: getattr(self, name) for name in type(self).model_fields}
        values["client"] = tuple(str(network) for network in self.client)
        values["hours"] = tuple(Schedule.from_text(text) for text in self.hours)
        return Conditions(**values)


class RuleTable(Section):
    """One rule: what it is about, and what follows."""

    name: Text = Field(pattern=_NAME, description="Its name, in the log and in `explain`.", examples=["no-images"])
    when: When = Field(default=When(), description="Conditions; none means always.", examples=[{"dmarc": ["fail"]}])
    unless: When | None = Field(
        default=None, description="Where all of these hold, the rule does not.", examples=[{"trusted": True}]
    )
    action: Literal["none", "accept", "reject", "defer", "discard", "hold", "redirect"] = Field(
        default="none",
        description="`none` only marks and changes; `accept` lets the mail go past rules behind it and scripts.",
        examples=["hold"],
    )
    at: Literal["recipient", "message"] | None = Field(
        default=None,
        description="When it is asked. Absent: about each recipient where it refuses or redirects by conditions that "
        "are known by then, `recipient` among them; else about the whole message.",
        examples=["recipient"],
    )
    text: Text = Field(default="", max_length=400, description="What is said, or why.", examples=["we take no images"])
    code: Annotated[int, Strict()] | None = Field(default=None, description="Reply code.", examples=[554])
    status: Text = Field(default="", description="Enhanced status code (RFC 3463).", examples=["5.7.1"])
    to: tuple[Text, ...] = Field(
        default=(), description="To whom `redirect` sends.", examples=[["postmaster@example.org"]]
    )
    retention: Duration | None = Field(default=None, description="How long `hold` keeps it.", examples=["7d"])
    add_header: dict[FieldName, Text] = Field(
        default={}, description="Fields put on top.", examples=[{"X-Class": "bulk"}]
    )
    set_header: dict[FieldName, Text] = Field(
        default={}, description="Fields set, in place of those of that name.", examples=[{"Reply-To": "a@example.org"}]
    )
    remove_header: tuple[FieldName, ...] = Field(
        default=(), description="Fields taken away.", examples=[["X-Originating-IP"]]
    )
    subject_prefix: Text = Field(
        default="", max_length=60, description="Put before the subject, once.", examples=["[external] "]
    )
    footer: Text = Field(
        default="", max_length=10_000, description="Text put behind the message's.", examples=["--\nExample Ltd"]
    )
    tag: tuple[Annotated[str, Strict(), Field(pattern=r"^[A-Za-z_]\w{0,39}$")], ...] = Field(
        default=(), description="Marks, for rules behind, scripts, and `queue list`.", examples=[["bulk"]]
    )
    copy_to: tuple[Text, ...] = Field(
        default=(),
        description="Others who get it as well, as a message of its own.",
        examples=[["journal@example.org"]],
    )
    next_hop: NextHopText | None = Field(default=None, description="Another next hop.", examples=["[filter.example]"])
    demand: Literal["", "encrypted", "verified", "dane"] = Field(
        default="", description="What the way of the message must at least have.", examples=["verified"]
    )
    tenant: Text = Field(default="", description="Whose mail it is, for `[[limit]]`.", examples=["acme"])
    job: Text = Field(default="", description="The job it belongs to, for `[[limit]]`.", examples=["spring"])
    priority: Literal["low", "normal", "high"] = Field(
        default="normal", description="Before or after other mail.", examples=["low"]
    )
    expires_in: Duration | None = Field(
        default=None, description="When it is returned if it cannot be delivered.", examples=["4h"]
    )
    order: Annotated[int, Strict()] = Field(
        default=0, description="Smaller numbers are asked first; equal ones as they stand.", examples=[10]
    )
    stop: Switch | None = Field(
        default=None,
        description="Whether rules behind it and scripts are left out. Absent: yes, unless the action is `none`.",
        examples=[False],
    )
    enabled: Switch = Field(default=True, description="Whether it holds at all.", examples=[False])
    expires: Instant | None = Field(
        default=None, description="The end of its validity.", examples=["2027-01-31T18:00:00Z"]
    )
    comment: Text = Field(default="", description="Why it is there.", examples=["TICKET-4711"])
    owner: Text = Field(default="", description="Whom to ask.", examples=["security@example.org"])

    @field_validator("to", "copy_to")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            explained(functools.partial(Mailbox.from_text, text))
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> RuleTable:
        if (self.action == "redirect") != bool(self.to):
            raise ValueError('action = "redirect" and `to` belong together')
        first = {"reject": 5, "defer": 4}.get(self.action)
        if self.code is not None and (first is None or self.code // 100 != first):
            raise ValueError(f"code {self.code} does not fit action {self.action!r}")
        if self.status and (first is None or not self.status.startswith(f"{first}.")):
            raise ValueError(f"status {self.status!r} does not fit action {self.action!r}")
        if self.retention is not None and self.action != "hold":
            raise ValueError('retention is for action = "hold"')
        self._fits_its_moment()
        return self

    def _fits_its_moment(self) -> None:
        rule = self.rule()
        if rule.at is not At.RECIPIENT:
            return
        early = rule.when.given | (frozenset() if rule.unless is None else rule.unless.given)
        late = sorted(early - AT_RECIPIENT)
        if late:
            raise ValueError(f'{late[0]} is not known yet when a recipient is named; write at = "message"')
        if rule.changes.given - {"tag"}:
            raise ValueError('only the whole message can be changed; write at = "message"')
        if rule.act in (Act.DISCARD, Act.HOLD):
            raise ValueError(f'{rule.act.value} is about the whole message; write at = "message"')

    def rule(self) -> Rule:
        """The same as `danelaw.rules` has it."""
        when, unless = self.when.conditions(), None if self.unless is None else self.unless.conditions()
        act, changes = Act(self.action), self._changes()
        return Rule(
            name=self.name,
            when=when,
            unless=unless,
            act=act,
            changes=changes,
            at=earliest(when, unless, act, changes) if self.at is None else At(self.at),
            text=self.text,
            code=self.code or 0,
            status=self.status,
            to=self.to,
            retention=None if self.retention is None else self.retention.total_seconds(),
            order=self.order,
            stop=act is not Act.NONE if self.stop is None else self.stop,
            expires=None if self.expires is None else self.expires.timestamp(),
            comment=self.comment,
            owner=self.owner,
        )

    def _changes(self) -> Changes:
        values: dict[str, Any] = {name: getattr(self, name) for name in _CHANGES}
        values["next_hop"] = self.next_hop or ""
        values["priority"] = _PRIORITIES[self.priority]
        values["expires_in"] = None if self.expires_in is None else self.expires_in.total_seconds()
        return Changes(**values)


_PRIORITIES: Mapping[str, int] = {"low": -1, "normal": 0, "high": 1}
_CHANGES = (
    "add_header",
    "set_header",
    "remove_header",
    "subject_prefix",
    "footer",
    "tag",
    "copy_to",
    "demand",
    "tenant",
    "job",
)
