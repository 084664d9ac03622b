"""The section about trust groups: who belongs, what is demanded in both directions, what follows from a breach."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from danelaw.address import Domain, Mailbox
from danelaw.config.section import Section
from danelaw.config.values import DomainPattern, Duration, FilePath, HostName, Instant, Switch, Text, explained
from danelaw.tlspolicy import SenderDemand
from danelaw.trustgroup import TES, Breach, DNSList, MembersError, Receive, TrustGroup, members_from_text
from danelaw.trustgroup.memberslist import LARGEST_FILE

_TES = {
    "membership": "tes",
    "send": "dane",
    "receive": {"tls": "1.2", "dkim": "author", "dmarc": "enforced"},
    "submission": True,
    "header": "X-TES-Status",
}


class TrustReceive(Section):
    """What mail whose author is in a member's domain must show. Mail of `[relay] networks` and users is not asked."""

    tls: Literal["1.2", "1.3"] | None = Field(
        default=None, description="Lowest TLS version it must come by. Absent: any, or none.", examples=["1.2"]
    )
    dkim: Literal["off", "aligned", "author"] = Field(
        default="off",
        description="A valid DKIM signature: of exactly the author's domain (`author`), or of one that DMARC aligns "
        "with it (`aligned`).",
        examples=["author"],
    )
    dmarc: Literal["off", "enforced", "pass"] = Field(
        default="off",
        description="`enforced`: no DMARC failure, whatever policy the domain publishes. `pass`: it publishes a "
        "record, and the message passes.",
        examples=["enforced"],
    )
    signed_keys: Switch = Field(
        default=False, description="The DKIM key must come from signed DNS. Needs `dkim`.", examples=[True]
    )

    @model_validator(mode="after")
    def _keys_of_signatures(self) -> TrustReceive:
        if self.signed_keys and self.dkim == "off":
            raise ValueError('signed_keys means nothing without signatures; add dkim = "author"')
        return self


class TrustBreach(Section):
    """What follows when a member does not keep what was agreed."""

    send: Literal["wait", "return"] = Field(
        default="wait",
        description="Mail to a member none of whose servers meets `send`: it waits, and is returned when its lifetime "
        "ends; or it is returned at once. DNS and network failures always wait.",
        examples=["return"],
    )
    receive: Literal["refuse", "defer", "hold", "tag"] = Field(
        default="refuse",
        description="Mail that does not show what `receive` demands: `refuse` (550), `defer` (451), `hold` it for an "
        "operator, or only `tag` it in `header`.",
        examples=["hold"],
    )


class TrustGroupTable(Section):
    """Domains that agreed how mail between them travels; more in docs/trust-groups.md."""

    name: Text = Field(
        pattern="^[a-z0-9][a-z0-9._-]{0,39}$",
        description="What commands, logs and notices call it: small letters, digits, dots, hyphens.",
        examples=["hospitals"],
    )
    profile: Literal["tes"] | None = Field(
        default=None,
        description='Defaults for the other keys. `tes`: Trusted Email Services, draft 0.4 (`membership = "tes"`, '
        '`send = "dane"`, TLS 1.2, DKIM by the author, DMARC enforced, `header = "X-TES-Status"`, `submission`).',
        examples=["tes"],
    )
    members: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Members; `.example.org` means every name below example.org. Mail to them is known by its next-hop "
        "domain, mail from them by the domain of its author.",
        examples=[["hospital.example", ".clinic.example"]],
    )
    members_file: FilePath | None = Field(
        default=None,
        description="File with more of them, one a line, `#` before comments. Read at start and at each reload.",
        examples=["/etc/danelaw/hospitals.members"],
    )
    membership: Literal["none", "tes", "dns"] = Field(
        default="none",
        description="Whether DNS says who belongs besides: `tes` by `tes-master.<domain>` and its master, `dns` by a "
        "TXT record at `<domain>.<master>`. Only DNSSEC-signed answers make a member; where DNS fails, mail waits.",
        examples=["tes"],
    )
    master: HostName | None = Field(
        default=None, description="For `dns`: below which name members are listed.", examples=["members.example.org"]
    )
    root: HostName | None = Field(
        default=None,
        description="For `tes`: the name that lists masters. Absent: trusted-email-services.com.",
        examples=["tes.example.org"],
    )
    exempt: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Members of whom nothing is demanded for now, in neither direction. An `[[override]]` cannot do "
        "that: it never weakens a group's demand.",
        examples=[["broken.example"]],
    )
    send: Literal["none", "encrypted", "verified", "dane"] = Field(
        default="none",
        description="What servers of members must prove: nothing, TLS, TLS with a verified server, or DANE with a "
        "signed MX. It adds to what is published, and host-only DANE never satisfies `verified` or `dane`.",
        examples=["dane"],
    )
    receive: TrustReceive = Field(default=TrustReceive(), description="What mail from members must show.")
    on_breach: TrustBreach = Field(default=TrustBreach(), description="What follows when that is not met.")
    submission: Switch = Field(
        default=False,
        description="Mail of users (`[submission]`) by an author in a member's domain is accepted only inside TLS 1.2 "
        "or later and with a DKIM signature of that domain, or gets one by `[[dkim_key]]`.",
        examples=[True],
    )
    header: Text = Field(
        default="",
        pattern="^(X-[A-Za-z0-9-]{1,70})?$",
        description="Field that says what a message from outside is: `member`, `non-member`, or `breach` where it is "
        "only tagged or held (`non-member` with `tes`). Fields of that name that come with a message are removed. "
        "Empty: none.",
        examples=["X-Hospital-Status"],
    )
    verify_every: Duration = Field(
        default=timedelta(hours=6),
        ge=timedelta(minutes=1),
        description="How often each member's servers are looked at without sending mail (`danelaw trust show`).",
        examples=["1d"],
    )
    alert: Text | None = Field(
        default=None,
        description="Address that is told by mail when a member breaks its promise, keeps it again, or leaves; once "
        "for each change. Log and metrics tell in any case.",
        examples=["postmaster@example.org"],
    )
    owner: Text = Field(default="", description="Who looks after it.", examples=["mail team"])
    comment: Text = Field(default="", description="Why, for whoever reads it later.", examples=["Contract 2026/17"])
    until: Instant | None = Field(
        default=None,
        description="When the agreement ends: a date, the end of that day in UTC, or a date-time. Then nothing is "
        "demanded any more.",
        examples=["2027-12-31"],
    )

    @model_validator(mode="before")
    @classmethod
    def _by_profile(cls, value: Any) -> Any:
        if not isinstance(value, dict) or value.get("profile") != "tes":
            return value
        filled = _TES | value
        given = value.get("receive")
        if isinstance(given, dict):
            filled["receive"] = dict(_TES["receive"]) | given  # type: ignore[call-overload]
        return filled

    @field_validator("alert")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not isinstance(explained(lambda: Mailbox.from_text(value)).domain, Domain):
            raise ValueError(f"{value!r} has no domain name behind the @; write an address")
        return value

    @model_validator(mode="after")
    def _somebody_belongs(self) -> TrustGroupTable:
        if not (self.members or self.members_file or self.membership != "none"):
            raise ValueError("nobody belongs to this group; add members, members_file or membership")
        if (self.membership == "dns") != (self.master is not None):
            raise ValueError('membership = "dns" and master belong together; write both')
        if self.root is not None and self.membership != "tes":
            raise ValueError('root means nothing without membership = "tes"; take it away')
        return self

    @model_validator(mode="after")
    def _demands_something(self) -> TrustGroupTable:
        receiving = self.receive.tls is not None or self.receive.dkim != "off" or self.receive.dmarc != "off"
        if self.send == "none" and not (receiving or self.header or self.submission):
            raise ValueError("the group demands nothing; add send, receive or header")
        if self.on_breach.receive == "tag" and receiving and not self.header:
            raise ValueError('on_breach.receive = "tag" has no field to write; add header = "X-…"')
        return self

    @property
    def examines(self) -> bool:
        """Whether mail that comes in must be looked at for its sake."""
        receive = self.receive
        return receive.tls is not None or receive.dkim != "off" or receive.dmarc != "off" or bool(self.header)


def trust_groups(tables: Iterable[TrustGroupTable]) -> tuple[TrustGroup, ...]:
    """The groups of the configuration, with their files read. Raises `DanelawError` for a file that cannot be used."""
    return tuple(_group(table) for table in tables)


def _group(table: TrustGroupTable) -> TrustGroup:
    scheme: TES | DNSList | None = None
    if table.membership == "tes":
        scheme = TES() if table.root is None else TES(table.root)
    elif table.membership == "dns":
        assert table.master is not None
        scheme = DNSList(table.master)
    receive = table.receive
    return TrustGroup(
        name=table.name,
        members=frozenset(table.members) | _members(table.members_file),
        scheme=scheme,
        exempt=frozenset(table.exempt),
        send=SenderDemand.NONE if table.send == "none" else SenderDemand.from_word(table.send),
        returns=table.on_breach.send == "return",
        receive=Receive(tls=receive.tls, dkim=receive.dkim, dmarc=receive.dmarc, signed_keys=receive.signed_keys),
        on_breach=Breach(table.on_breach.receive),
        submission=table.submission,
        header=table.header,
        says_breach=table.profile != "tes",
        verify_every=table.verify_every.total_seconds(),
        alert=table.alert or "",
        owner=table.owner,
        comment=table.comment,
        expires=None if table.until is None else table.until.timestamp(),
    )


def _members(file: Path | None) -> frozenset[str]:
    if file is None:
        return frozenset()
    try:
        if file.stat().st_size > LARGEST_FILE:
            raise MembersError(f"{file} is larger than {LARGEST_FILE >> 20} MiB", advice="use membership in DNS")
        text = file.read_text("utf-8")
    except OSError as error:
        raise MembersError(
            f"{file} cannot be read: {error.strerror}", advice="correct members_file in [[trust_group]]"
        ) from None
    except UnicodeDecodeError:
        raise MembersError(f"{file} is not text in UTF-8", advice="write one domain a line") from None
    return members_from_text(text, str(file))
