"""Sections about filter engines: which are asked, and what their verdicts do."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Annotated, Literal

from pydantic import Field, Strict, field_validator, model_validator

from danelaw.config.section import Section
from danelaw.config.values import Count, Duration, Size, Switch, Text, explained
from danelaw.filters import ServerAddress

Number = Annotated[float, Field(allow_inf_nan=False), Strict(False)]

DEFAULT_PORTS = {"rspamd": 11333, "clamd": 3310, "spamd": 783, "milter": None}
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}\Z", re.ASCII)
_FIELD = re.compile(r"[!-9;-~]{1,100}\*?\Z", re.ASCII)


class Filter(Section):
    """A filter engine that looks at mail coming in."""

    name: Text = Field(
        description="One word: in findings, the log and metrics, and for `danelaw filter`.", examples=["rspamd"]
    )
    kind: Literal["rspamd", "clamd", "spamd", "milter"] = Field(
        description="The protocol it speaks: `rspamd` over HTTP, `clamd` (ClamAV), `spamd` (SpamAssassin), or `milter` "
        "for any program written for Sendmail's and Postfix's filter interface.",
        examples=["rspamd"],
    )
    address: tuple[Text, ...] = Field(
        min_length=1,
        description="Its servers, in order of preference: `host:port`, `[address]:port` or `unix:/path`. The next one "
        "is asked when one fails; one that failed three times in a row is left alone for 30 seconds.",
        examples=[["127.0.0.1:11333"], ["unix:/run/clamav/clamd.ctl", "192.0.2.8:3310"]],
    )
    clients: Literal["strangers", "trusted", "all"] = Field(
        default="strangers",
        description="Whose mail it sees: that of `strangers`, of clients in `[relay]` networks and users who logged in "
        "(`trusted`; a signing milter), or `all`.",
        examples=["all"],
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30),
        gt=timedelta(),
        le=timedelta(seconds=110),
        description="Time for one message, for all servers together; for a milter also for each command.",
        examples=["10s"],
    )
    largest: Size = Field(
        default=50 << 20, ge=1024, description="Larger messages are not shown to it.", examples=["25M"]
    )
    at_once: Count = Field(
        default=20,
        ge=1,
        le=1000,
        description="Messages it is shown at a time; others wait. A milter hears every session, however many.",
        examples=[8],
    )
    on_found: Literal["note", "tag", "hold", "discard", "defer", "refuse"] | None = Field(
        default=None,
        description="What a find does: a virus, spamd's yes, rspamd's reject, a milter's refusal. `refuse` (554, or "
        "the filter's own reply), `hold`, `tag` (X-Spam and X-Virus fields), `discard` (250 and gone), `defer` (451), "
        "`note` (recorded, and its score counts). Absent: `refuse`, for spamd `tag`.",
        examples=["hold"],
    )
    on_greylist: Literal["note", "defer"] = Field(
        default="note", description="What rspamd's greylist does: `defer` tells the client 451.", examples=["defer"]
    )
    on_failure: Literal["accept", "defer", "refuse"] = Field(
        default="defer",
        description="When no server gives an answer: `accept` the mail unexamined, `defer` it (451: the client tries "
        "again), or `refuse` it (554).",
        examples=["accept"],
    )
    on_too_large: Literal["accept", "hold", "refuse"] = Field(
        default="accept",
        description="A message above `largest`, or above what the engine itself takes: `accept` it unexamined, `hold` "
        "or `refuse` it.",
        examples=["hold"],
    )
    weight: Number = Field(
        default=1.0, ge=0, le=1000, description="Its score counts so many times in the sum.", examples=[0.5]
    )
    edits: Switch = Field(
        default=True, description="Carry out the changes it wants. Without, it only judges.", examples=[False]
    )
    method: Literal["symbols", "check", "headers", "process"] = Field(
        default="symbols",
        description="For spamd: `symbols` for score and rules, `check` for the score alone, `headers` to take over its "
        "X-Spam fields, `process` to take over the message as it rewrites it.",
        examples=["headers"],
    )
    user: Text = Field(default="", description="For spamd: whose preferences count.", examples=["mail"])

    @field_validator("name")
    @classmethod
    def _one_word(cls, value: str) -> str:
        if not _NAME.match(value):
            raise ValueError(f"{value!r} is no name; use lower-case letters, digits, - and _, such as antivirus-1")
        return value

    @model_validator(mode="after")
    def _addresses_can_be_read(self) -> Filter:
        self.servers  # noqa: B018
        return self

    @property
    def servers(self) -> tuple[ServerAddress, ...]:
        """Its servers, with the usual port of the kind where none is given."""
        port = DEFAULT_PORTS[self.kind]
        return tuple(explained(partial(ServerAddress.from_text, text, port)) for text in self.address)

    @property
    def found(self) -> Literal["note", "tag", "hold", "discard", "defer", "refuse"]:
        """`on_found` with the default of the kind."""
        return self.on_found or ("tag" if self.kind == "spamd" else "refuse")


class Filtering(Section):
    """What the scores of all filters together do, and the fields that tell of it."""

    tag: Number | None = Field(
        default=None, description="Weighted sum of scores from which a message is tagged.", examples=[6.0]
    )
    hold: Number | None = Field(default=None, description="Sum from which it is held.", examples=[10.0])
    refuse: Number | None = Field(default=None, description="Sum from which it is refused.", examples=[15.0])
    fields: Switch = Field(
        default=True,
        description="Add X-Spam-Score and X-Spam-Status to every examined message, X-Spam-Flag: YES and X-Virus-Status "
        "when it is tagged.",
        examples=[False],
    )
    remove: tuple[Text, ...] = Field(
        default=("X-Spam-*", "X-Virus-Status"),
        description="Fields of strangers that are removed before filters see a message, since readers would take them "
        "for ours; `*` at the end stands for any ending.",
        examples=[["X-Spam-*", "X-Rspamd-*"]],
    )

    @field_validator("remove")
    @classmethod
    def _field_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if not _FIELD.match(name) or name.startswith("*"):
                raise ValueError(f'{name!r} is no name of a field; write "X-Spam-*"')
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Filtering:
        bounds = [bound for bound in (self.tag, self.hold, self.refuse) if bound is not None]
        if bounds != sorted(bounds):
            raise ValueError("the sums are not in order; tag comes first, then hold, then refuse")
        return self
