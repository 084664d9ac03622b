"""The section about reports that are sent and that come: of DMARC (RFC 9990, RFC 9991) and of TLS (RFC 8460)."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from danelaw.address import Domain, Mailbox
from danelaw.config.section import Section
from danelaw.config.values import Count, DomainPattern, Duration, FilePath, HostName, Size, Switch, Text, explained
from danelaw.dkim import PrivateKey, SigningKey
from danelaw.errors import DanelawError


class Reports(Section):
    """Reports about mail: to the owners of authors' domains, and from others about domains of yours."""

    send: Switch = Field(
        default=False,
        description="Send aggregate reports to the domains that ask for them with `rua=` (RFC 9990). Needs "
        "`[authentication] enabled` and a key.",
        examples=[True],
    )
    organization: Text = Field(
        default="", description="Who reports (`org_name`). Absent: `hostname`.", examples=["Example Ltd"]
    )
    sender: Text | None = Field(
        default=None,
        description="Address in From, in `dkim_domain` or below. Absent: `dmarc-reports@` and `dkim_domain`.",
        examples=["dmarc-reports@example.org"],
    )
    reverse_path: Text | None = Field(
        default=None,
        description="Where bounces of reports go; mail to it is never reported on. Absent: `sender`.",
        examples=["bounces@example.org"],
    )
    contact: Text | None = Field(
        default=None,
        description="Whom to ask about reports (`email`). Absent: `sender`.",
        examples=["postmaster@example.org"],
    )
    dkim_domain: HostName | None = Field(
        default=None,
        description="Domain that signs reports (d=); they must pass DMARC (RFC 9990 §3.5.2).",
        examples=["example.org"],
    )
    dkim_selector: Text | None = Field(
        default=None, description="Selector of the key.", examples=["2026a"], pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
    )
    dkim_key: FilePath | None = Field(
        default=None,
        description="File of the private key, PEM; `danelaw dkim key` makes one.",
        examples=["/etc/danelaw/dkim.key"],
    )
    interval: Duration = Field(
        default=timedelta(days=1),
        description="The period of one report, from 00:00 UTC; a whole part of a day, at least 1h.",
        examples=["12h"],
    )
    never: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Domains that get no reports of any kind; `.example.org` means every name below.",
        examples=[["example.net"]],
    )
    max_size: Size = Field(
        default=8 << 20,
        ge=64 << 10,
        description="Largest XML or JSON of a report before compression; what is seldomest is left out beyond, and "
        "`error` in the XML says so; details of TLS reports are joined. A size that owners write behind an address "
        "has no effect (RFC 9989 §4.8).",
        examples=["4M"],
    )
    max_records: Count = Field(
        default=200_000,
        ge=1_000,
        le=10_000_000,
        description="Records that are kept at most, of mail not reported yet and of received reports each; a tenth of "
        "them for one domain. Mail beyond is not counted, and `danelaw_dmarc_report_messages` says how much.",
        examples=[50_000],
    )
    max_failures: Count = Field(
        default=10_000,
        ge=10,
        le=1_000_000,
        description="Failure reports of others that are kept at most; the oldest go first.",
        examples=[2_000],
    )
    failure_header: Literal["redacted", "whole"] = Field(
        default="redacted",
        description="What failure reports of others keep of the failed message's header: `redacted` is what says how "
        "it failed, and no local-part anywhere in the report; `whole` is all of it, up to 16 KiB. Nothing of a body "
        "is kept (RFC 9991 §7).",
        examples=["whole"],
    )
    dmarc_address: Text | None = Field(
        default=None,
        description="Mail from outside to this address is read as DMARC reports of both kinds and not delivered. "
        "Name it in `rua=` and `ruf=` of your domains, and its domain in `[[domain]]`.",
        examples=["dmarc@example.org"],
    )
    unreadable: Literal["hold", "discard"] = Field(
        default="hold",
        description="What happens to mail to `dmarc_address` or `feedback` that holds no report that can be read.",
        examples=["discard"],
    )
    feedback: tuple[Text, ...] = Field(
        default=(),
        description="Mail from outside to these addresses, and to what has `+` and more behind their local-parts, is "
        "read as complaints (ARF) and delivery reports, told to the `report` hooks of the policy, and not delivered. "
        "Name one in the feedback loops you subscribe to, one as the return path of bulk mail.",
        examples=[["fbl@example.org", "bounces@example.org"]],
    )
    keep: Duration = Field(
        default=timedelta(days=90), description="How long received and sent reports are remembered.", examples=["365d"]
    )
    failure: Switch = Field(
        default=False,
        description="Send failure reports to the domains that ask for them with `ruf=` (RFC 9991): who sent one "
        "message and how it failed, without its content and with local-parts hidden.",
        examples=[True],
    )
    failure_rate: Count = Field(
        default=10,
        ge=1,
        le=10_000,
        description="Failure reports an hour for one domain; the next one says how many more there were. Each worker "
        "counts by itself.",
        examples=[60],
    )
    failure_rate_total: Count = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Failure reports an hour for all domains together.",
        examples=[1000],
    )

    tls_send: Switch = Field(
        default=False,
        description="Send TLS reports, daily, to the domains that ask for them at `_smtp._tls.` (RFC 8460). Needs a "
        "key, published with `s=email:tlsrpt`.",
        examples=[True],
    )
    tls_sender: Text | None = Field(
        default=None,
        description="Address in From of TLS reports, in `dkim_domain` or below. Absent: `tls-reports@` and "
        "`dkim_domain`.",
        examples=["tls-reports@example.org"],
    )

    @field_validator("sender", "reverse_path", "contact", "dmarc_address", "tls_sender")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not isinstance(explained(lambda: Mailbox.from_text(value)).domain, Domain):
            raise ValueError(f"{value!r} has no domain name behind the @")
        return value

    @field_validator("feedback")
    @classmethod
    def _are_addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for text in value:
            cls._is_address(text)
        return value

    @field_validator("interval")
    @classmethod
    def _divides_a_day(cls, value: timedelta) -> timedelta:
        seconds = int(value.total_seconds())
        if seconds < 3600 or 86_400 % seconds or value.microseconds:
            raise ValueError("the interval must be a whole part of a day, at least 1h; write 1h, 6h, 12h or 24h")
        return value

    @model_validator(mode="after")
    def _are_signed(self) -> Reports:
        missing = [name for name in ("dkim_domain", "dkim_selector", "dkim_key") if getattr(self, name) is None]
        if self.signs and missing:
            raise ValueError(f"reports must be signed; add {' and '.join(missing)}")
        for address in (self.sender, self.tls_sender):
            if address is not None and not self._in_dkim_domain(address):
                raise ValueError(f"{address} is not in {self.dkim_domain}, which signs; reports would not pass DMARC")
        if self.tls_send and self.contact is not None and not self._in_dkim_domain(self.contact):
            raise ValueError(
                f"contact {self.contact} is not in {self.dkim_domain}: TLS reports must be signed by the domain of "
                "their contact (RFC 8460 §3)"
            )
        return self

    def _in_dkim_domain(self, address: str) -> bool:
        domain = str(Mailbox.from_text(address).domain).lower()
        signing = self.dkim_domain
        return signing is None or domain == str(signing) or domain.endswith(f".{signing}")

    @property
    def sends(self) -> bool:
        """Whether any DMARC reports are sent."""
        return self.send or self.failure

    @property
    def signs(self) -> bool:
        """Whether reports of any kind are sent."""
        return self.sends or self.tls_send

    @property
    def tls_sender_address(self) -> str:
        """Address in From of TLS reports, with the default applied."""
        return self.tls_sender or f"tls-reports@{self.dkim_domain}"

    @property
    def sender_address(self) -> str:
        """Address in From, with the default applied."""
        return self.sender or f"dmarc-reports@{self.dkim_domain}"

    @property
    def own_addresses(self) -> frozenset[str]:
        """Lower case: what comes to these is about reports, and not reported on."""
        senders = (
            self.sender_address if self.sends else None,
            self.tls_sender_address if self.tls_send else None,
        )
        found = {self.reverse_path, self.dmarc_address, *senders, *self.feedback}
        return frozenset(address.lower() for address in found if address is not None)


def signing_key(section: Reports) -> SigningKey:
    """The key that signs reports, read from its file. Raises `DanelawError` naming the file."""
    assert section.dkim_domain is not None
    assert section.dkim_key is not None
    try:
        key = PrivateKey.from_pem(section.dkim_key.read_bytes())
    except OSError as error:
        raise DanelawError(
            f"the key {section.dkim_key} cannot be read: {error.strerror}", advice="correct [reports] dkim_key"
        ) from None
    except DanelawError as error:
        raise DanelawError(f"{section.dkim_key}: {error.reason}", advice=error.advice) from None
    return SigningKey(section.dkim_domain, section.dkim_selector or "", key)
