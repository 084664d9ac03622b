"""Sections about strangers at the front door: DNS lists, names of clients, greylisting, tarpit."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from danelaw.config.section import Section
from danelaw.config.values import Count, Duration, HostName, IPNetwork, Switch, Text, explained
from danelaw.dnslist import ReturnCodes

Deed = Literal["nothing", "tag", "refuse", "defer"]
"""What follows from a fact: it is not even mentioned, kept with the message, or the recipient is refused (5xx, 4xx)."""


class DNSListEntry(Section):
    """A list in DNS that clients or domains are looked up in (RFC 5782)."""

    zone: HostName = Field(
        description="The list's zone. Keys in it are shown to nobody: set `name`.", examples=["dnsbl.example.net"]
    )
    name: Text | None = Field(
        default=None,
        min_length=1,
        max_length=80,
        description="What replies, findings and logs call it. Absent: the zone.",
        examples=["Example list"],
    )
    of: Literal["client", "client-name", "helo", "sender"] = Field(
        default="client",
        description="What is looked up: the client's `client` address, its confirmed name (`client-name`, RFC 5782 "
        "§3), its `helo` name, or the domain of the reverse-path (`sender`).",
        examples=["sender"],
    )
    codes: tuple[Text, ...] = Field(
        default=(),
        description='Answers that count: `"127.0.0.2"`, `"127.0.0.4-7"` (last octet), `"127.0.0.0&6"` (any of these '
        "bits). Empty: all of 127.0.0.0/8 but 127.0.0.1 and 127.255.255.0/24, by which lists say that they do not "
        "answer you.",
        examples=[["127.0.0.2", "127.0.0.4-7"]],
    )
    use: Literal["refuse", "score", "allow"] = Field(
        default="score",
        description="`refuse` recipients (but never postmaster), only count the `score`, or `allow`: other lists, "
        "greylisting and the tarpit do not apply to who is in it.",
        examples=["refuse"],
    )
    score: float = Field(
        default=1.0, ge=-100.0, le=100.0, description="What being listed adds to the score.", examples=[2.5]
    )
    on_failure: Literal["ignore", "defer"] = Field(
        default="ignore",
        description="When the list cannot be asked or does not answer you: go on without it, or tell clients to come "
        "again. A failure is never a listing.",
        examples=["defer"],
    )

    @field_validator("codes")
    @classmethod
    def _readable(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        explained(lambda: ReturnCodes.from_text(value))
        return value

    @property
    def shown(self) -> str:
        """What people see."""
        return self.name or self.zone.ascii


class DNSLists(Section):
    """What holds for all `[[dns_list]]`."""

    refuse_score: float | None = Field(
        default=None,
        gt=0.0,
        description="Refuse recipients once the scores of the lists that have the client add up to this. Absent: the "
        "score is only noted.",
        examples=[3.0],
    )
    exempt: tuple[IPNetwork, ...] = Field(
        default=(), description="Clients that are not looked up.", examples=[["192.0.2.0/24"]]
    )
    timeout: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(milliseconds=50),
        le=timedelta(seconds=60),
        description="Longest wait for all lists together; what has not answered then counts as failed.",
        examples=["2s"],
    )
    remember: Duration = Field(
        default=timedelta(minutes=5),
        le=timedelta(days=1),
        description="How long a client's result is kept at most; never longer than the records live.",
        examples=["15m"],
    )


def _deed(default: Deed, description: str, example: Deed) -> Deed:
    found: Deed = Field(default=default, description=description, examples=[example])
    return found


class ClientNames(Section):
    """What follows from the names of clients: reverse DNS and HELO. Each is `nothing`, `tag` (kept with the message),
    `refuse` or `defer` (recipients, but never postmaster). Failures of DNS are only ever noted.
    """

    enabled: Switch = Field(default=False, description="Look at the names of clients.", examples=[True])
    no_name: Deed = _deed("tag", "The client's address has no name (no PTR record).", "refuse")
    unconfirmed: Deed = _deed("tag", "It has a name that does not lead back to it (RFC 8601 §2.7.3 `fail`).", "refuse")
    generic: Deed = _deed(
        "tag", "Its only names look machine-made: the address in them, or words as `dynamic`.", "defer"
    )
    helo_syntax: Deed = _deed("tag", "HELO is neither a fully-qualified name nor an address literal.", "refuse")
    helo_own_name: Deed = _deed("tag", "HELO is our hostname or one of our `[[domain]]`.", "refuse")
    helo_other_literal: Deed = _deed("tag", "HELO is a literal of another address than the client's.", "refuse")
    helo_unresolvable: Deed = _deed("tag", "HELO is a name without an address.", "defer")
    helo_mismatch: Literal["nothing", "tag"] = Field(
        default="tag",
        description="HELO is a name with other addresses. RFC 5321 §4.1.4 forbids refusing mail for this.",
        examples=["nothing"],
    )
    timeout: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(milliseconds=50),
        le=timedelta(seconds=60),
        description="Longest wait for DNS; after that nothing is known.",
        examples=["2s"],
    )


Exemption = Literal["spf-pass", "allow-listed", "null-sender", "confirmed-name", "known"]


class Greylisting(Section):
    """Strangers are told to come again (RFC 6647): a mail server does, much of what sends spam does not."""

    enabled: Switch = Field(default=False, description="Greylist.", examples=[True])
    delay: Duration = Field(
        default=timedelta(minutes=1),
        ge=timedelta(seconds=1),
        le=timedelta(hours=24),
        description="A second try earlier than this is deferred as well (RFC 6647 §5: 1 minute to 24 hours).",
        examples=["5m"],
    )
    retry_window: Duration = Field(
        default=timedelta(days=2),
        ge=timedelta(minutes=5),
        description="A second try later than this counts as a first one.",
        examples=["1d"],
    )
    lifetime: Duration = Field(
        default=timedelta(days=36),
        ge=timedelta(hours=1),
        description="What has passed is let through for so long after its last use (RFC 6647 §5: at least a week).",
        examples=["60d"],
    )
    auto_allow: Count = Field(
        default=5,
        ge=0,
        description="Once so many different triplets of a client network have passed, all of it passes; 0 for never.",
        examples=[10],
    )
    ipv4_prefix: Count = Field(
        default=24, ge=8, le=32, description="IPv4 clients are told apart by so many bits.", examples=[32]
    )
    ipv6_prefix: Count = Field(
        default=64, ge=32, le=128, description="IPv6 clients are told apart by so many bits.", examples=[56]
    )
    exempt: tuple[Exemption, ...] = Field(
        default=("spf-pass", "allow-listed", "null-sender"),
        description="Who is not greylisted: `spf-pass` (RFC 7208), `allow-listed` by a `[[dns_list]]`, `null-sender` "
        "(bounces and call-aheads), `confirmed-name` (not machine-made), `known` (a sender that wrote to this "
        "recipient before; needs `[correspondents]`).",
        examples=[["allow-listed", "null-sender", "known"]],
    )
    exempt_clients: tuple[IPNetwork, ...] = Field(
        default=(), description="Clients that are not greylisted.", examples=[["192.0.2.0/24"]]
    )
    entries: Count = Field(
        default=500_000,
        ge=1000,
        description="Most triplets kept; the oldest that have not passed go first.",
        examples=[200_000],
    )

    @model_validator(mode="after")
    def _window_after_delay(self) -> Greylisting:
        if self.retry_window <= self.delay:
            raise ValueError("retry_window is not longer than delay, so nothing could ever pass; raise retry_window")
        return self


class Tarpit(Section):
    """Slowness towards strangers. The waits cost no process and no thread; their number is bounded."""

    greeting_delay: Duration = Field(
        default=timedelta(0),
        le=timedelta(seconds=100),
        description='Wait before the greeting (RFC 5321 §4.5.3.2.1 lets clients wait 5 minutes); "0s" for none. A '
        "client that speaks before it is greeted is an early talker.",
        examples=["3s"],
    )
    early_talker: Literal["tag", "refuse"] = Field(
        default="refuse",
        description="An early talker breaks RFC 5321 §4.3.1: `refuse` with 554 in place of the greeting, or note it.",
        examples=["tag"],
    )
    refusal_delay: Duration = Field(
        default=timedelta(0),
        le=timedelta(seconds=100),
        description='Wait before a command is refused by what is asked about strangers, relaying rules included; "0s" '
        "for none.",
        examples=["10s"],
    )
    connections: Count = Field(
        default=100, ge=1, description="Connections kept waiting at once; others are served at once.", examples=[500]
    )


class ProtectedPerson(Section):
    """Somebody others pose as."""

    name: Text = Field(
        min_length=3, max_length=200, description="The name, as display names have it.", examples=["Erika Muster"]
    )
    addresses: tuple[Text, ...] = Field(
        default=(),
        description='Where this person writes from: addresses, or `"@example.org"` for all of a domain.',
        examples=[["@example.org", "erika@private.example"]],
    )


class LookAlikes(Section):
    """Facts about senders that could be taken for somebody else. Nothing is refused for them."""

    enabled: Switch = Field(
        default=False,
        description="Compare authors with our `hostname`, our `[[domain]]` and the names here.",
        examples=[True],
    )
    domains: tuple[HostName, ...] = Field(
        default=(),
        description="Further domains that others pose as: partners, banks.",
        examples=[["bank.example"]],
    )
    person: tuple[ProtectedPerson, ...] = Field(
        default=(),
        description="Protected persons.",
        examples=[[{"name": "Erika Muster", "addresses": ["@example.org"]}]],
    )
    field: Text | None = Field(
        default=None,
        pattern="^[A-Za-z][A-Za-z0-9-]{0,59}$",
        description="Header field added to a message with such facts, for filters behind us. Absent: none.",
        examples=["Danelaw-Caution"],
    )


class Correspondents(Section):
    """Who has written to whom, hashed: the first message of a stranger is worth a second look."""

    enabled: Switch = Field(default=False, description="Remember, and say so with each message.", examples=[True])
    remember: Duration = Field(
        default=timedelta(days=365),
        ge=timedelta(days=1),
        description="Who has not written for so long is a stranger again.",
        examples=["180d"],
    )
    entries: Count = Field(
        default=1_000_000, ge=1000, description="Most pairs kept, about 60 octets each.", examples=[200_000]
    )
