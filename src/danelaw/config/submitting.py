"""Sections about users who hand in mail: message submission (RFC 6409)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from danelaw.config.ceilings import parse_uses
from danelaw.config.section import Section
from danelaw.config.values import Count, Duration, FilePath, HostName, Switch, Text, explained

Mechanism = Literal["PLAIN", "LOGIN", "SCRAM-SHA-256"]


class Demand(Section):
    """How users and clients in `[relay] networks` may ask for protection of single messages, from any mail client."""

    field: Switch = Field(
        default=True,
        description="Obey the header field `Danelaw-Require: dane` (or `verified`, `encrypted`, `requiretls`, "
        "`requiretls+dane`) and take it out. Anything else in it is refused with 554 5.6.0; with `false` every such "
        "field is. Strangers' fields have no effect and are taken out, whatever this says.",
        examples=[False],
    )
    tag_domain: HostName | None = Field(
        default=None,
        description="A name below your own domain that is used for nothing else: `anna@example.org.dane.` followed by "
        "it asks for DANE for this recipient, and the tag is taken out. Absent: no tags.",
        examples=["tls.shop.example"],
    )


class Submission(Section):
    """Users who log in (RFC 4954) and hand in mail to anywhere, at listeners with `auth`."""

    users: FilePath | None = Field(
        default=None,
        description="File of users and verifiers of their passwords, kept by `danelaw user`. Re-read when it changes. "
        "Absent: policy scripts alone decide who may log in.",
        examples=["/etc/danelaw/users"],
    )
    mechanisms: tuple[Mechanism, ...] = Field(
        default=("PLAIN", "LOGIN"),
        min_length=1,
        description="SASL mechanisms that are offered. SCRAM-SHA-256 works for users whose verifier was made for it: "
        "`danelaw user` makes such ones while it is in this list.",
        examples=[["PLAIN", "LOGIN", "SCRAM-SHA-256"]],
    )
    sender: Literal["any", "own", "own-author"] = Field(
        default="any",
        description="Which senders a user may use: `any`; in the envelope only its `own` addresses in the file of "
        "users (without any there, its name where that is an address); `own-author`: in the From field too. Others are "
        "refused with 550 5.7.1.",
        examples=["own-author"],
    )
    add_fields: Switch = Field(
        default=True,
        description="Add Date and Message-ID to a user's message that lacks them (RFC 6409 §8).",
        examples=[False],
    )
    hide_client: Switch = Field(
        default=False,
        description="Leave a user's address and EHLO name out of Received (RFC 5321 §7.6); log and queue have them.",
        examples=[True],
    )
    messages_per_hour: Count | None = Field(
        default=None,
        ge=1,
        description="Messages of one user in any hour, a quarter of them at once; further ones get 451 4.7.1. "
        "Absent: any number.",
        examples=[200],
    )
    recipients_per_hour: Count | None = Field(
        default=None,
        ge=1,
        description="Recipients of one user in any hour, a quarter of them at once; further ones get 452 4.7.1. "
        "Absent: any number.",
        examples=[1000],
    )
    client_failures: Text = Field(
        default="40/h",
        description="Failed logins from one client network, a quarter of them at once; then nobody logs in from there "
        "for `lock_out`.",
        examples=["20/10min"],
    )
    user_failures: Text = Field(
        default="80/h",
        description="Failed logins of one user, a quarter of them at once; then it logs in for `lock_out` only from "
        "where it did before.",
        examples=["20/h"],
    )
    lock_out: Duration = Field(
        default=timedelta(minutes=15),
        ge=timedelta(seconds=1),
        description="How long nobody is let in after too many failed logins.",
        examples=["1h"],
    )
    failure_delay: Duration = Field(
        default=timedelta(seconds=1),
        le=timedelta(seconds=30),
        description="How long the answer to a failed login waits; twice as long for each further one, up to 16 times.",
        examples=["500ms"],
    )
    checks: Count = Field(
        default=2,
        ge=1,
        le=64,
        description="Passwords checked at once in one process, each in a thread for about 0.2 s with 32 MiB; one more "
        "is for users who log in from where they did before.",
        examples=[4],
    )
    remember: Duration = Field(
        default=timedelta(hours=4),
        le=timedelta(days=1),
        description="How long a password that was right is let in again without that work, known by an HMAC in this "
        "process's memory. A changed or removed user is asked anew at once.",
        examples=["1m"],
    )

    @field_validator("client_failures", "user_failures")
    @classmethod
    def _readable(cls, value: str) -> str:
        explained(lambda: parse_uses(value))
        return value
