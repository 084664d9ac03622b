"""Sections about mail that goes out: DNS, TLS, policies, overrides, routes, delivery, the queue."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from danelaw.config.section import Section
from danelaw.config.values import (
    Count,
    DomainPattern,
    Duration,
    FilePath,
    HostName,
    Instant,
    NameServer,
    NextHopText,
    Switch,
    Text,
)

OverrideMode = Literal["none", "may", "encrypt", "verify", "dane", "dane-require", "fingerprint"]


class NegativeAnchor(Section):
    """A zone whose broken signatures are tolerated for a while (RFC 7646)."""

    name: HostName = Field(
        description="The zone; it and everything below count as unsigned.", examples=["broken.example"]
    )
    until: Instant = Field(description="When the exception ends. It has to end.", examples=["2026-12-31"])
    because: Text = Field(min_length=1, description="Why, for whoever reads it later.", examples=["TICKET-1234"])


class Resolver(Section):
    """Where DNS questions go and who validates the answers."""

    servers: tuple[NameServer, ...] = Field(
        default=(),
        description="Recursive resolvers, in order of preference. Empty: those of /etc/resolv.conf.",
        examples=[["127.0.0.1:53", "[::1]:53"]],
    )
    mode: Literal["validate", "trust-ad"] = Field(
        default="validate",
        description="`validate` checks DNSSEC signatures in this process (RFC 4035 §5); `trust-ad` believes the AD "
        "bit, allowed only when every server is on loopback.",
        examples=["trust-ad"],
    )
    anchor_file: FilePath | None = Field(
        default=None,
        description="DS or DNSKEY records in zone-file form to trust instead of the root keys shipped with danelaw.",
        examples=["/etc/danelaw/root.key"],
    )
    negative: tuple[NegativeAnchor, ...] = Field(
        default=(),
        description="Negative trust anchors: signed zones treated as unsigned for a while.",
        examples=[[{"name": "broken.example", "until": "2026-12-31", "because": "TICKET-1234"}]],
    )
    timeout: Duration = Field(
        default=timedelta(milliseconds=1200),
        ge=timedelta(milliseconds=50),
        le=timedelta(seconds=30),
        description="Silence of one server after which the next is asked beside it.",
        examples=["3s"],
    )
    deadline: Duration = Field(
        default=timedelta(seconds=15),
        ge=timedelta(milliseconds=100),
        le=timedelta(minutes=2),
        description="Longest time for one answer with everything its proof needs.",
        examples=["30s"],
    )
    cache_entries: Count = Field(default=20_000, ge=100, description="Answers kept in memory.", examples=[200_000])
    max_ttl: Duration = Field(
        default=timedelta(days=1),
        ge=timedelta(seconds=1),
        description="Longest time an answer is kept.",
        examples=["6h"],
    )
    max_negative_ttl: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=1),
        description="Longest time a proof of absence is kept (RFC 2308 §5).",
        examples=["15m"],
    )

    @model_validator(mode="after")
    def _trust_needs_loopback(self) -> Resolver:
        if self.mode == "trust-ad":
            if not self.servers:
                raise ValueError('trust-ad needs servers; add servers = ["127.0.0.1:53"]')
            for server in self.servers:
                if not ipaddress.ip_address(server.host).is_loopback:
                    raise ValueError(
                        f"trust-ad would believe {server}, which is not on loopback, so anybody on the way could "
                        'forge the AD bit; use mode = "validate" or a resolver on this machine'
                    )
        if self.deadline < self.timeout:
            raise ValueError("deadline is shorter than timeout; raise deadline")
        return self


class TLS(Section):
    """TLS towards other servers and for clients."""

    roots_file: FilePath | None = Field(
        default=None,
        description="PEM bundle of public CAs for MTA-STS, `verify` and policy fetches. Absent: the system's.",
        examples=["/etc/ssl/certs/ca-certificates.crt"],
    )
    minimum_version: Literal["1.0", "1.1", "1.2", "1.3"] = Field(
        default="1.2",
        description="Lowest TLS version where nobody demands verification. Below 1.2 (RFC 8996 forbids it) an old host "
        "is reached encrypted instead of in clear text. Verified connections always use 1.2 or later.",
        examples=["1.0"],
    )


class MTASTS(Section):
    """MTA-STS, RFC 8461."""

    enabled: Switch = Field(default=True, description="Discover, cache and obey MTA-STS policies.", examples=[False])
    fetch_timeout: Duration = Field(
        default=timedelta(seconds=60),
        ge=timedelta(milliseconds=100),
        le=timedelta(minutes=2),
        description="Longest time for fetching a policy (RFC 8461 §3.3 suggests a minute). Mail to a domain met "
        "for the first time waits for it.",
        examples=["20s"],
    )
    on_txt_error: Literal["deliver", "wait"] = Field(
        default="deliver",
        description="When the _mta-sts TXT look-up fails and no policy is cached: `deliver` opportunistically and "
        "record it, or `wait` until the look-up works.",
        examples=["wait"],
    )


class Override(Section):
    """Your own word on the protection of one destination; it wins over what the destination publishes."""

    destination: DomainPattern = Field(
        description="The next-hop domain or host; `.example.org` means every name below example.org.",
        examples=["partner.example"],
    )
    tls: OverrideMode = Field(
        description="`none` never TLS · `may` opportunistic, published policies ignored · `encrypt` TLS, unverified · "
        "`verify` certificate from a public CA · `dane` DANE when published, else TLS as offered · `dane-require` DANE "
        "or wait · `fingerprint` one of the keys in `fingerprints`.",
        examples=["verify"],
    )
    fingerprints: tuple[Text, ...] = Field(
        default=(),
        description="For `fingerprint`: SHA-256 of the server's public key (SPKI) in hexadecimal, as `danelaw tlsa` "
        "prints it; several for a change of keys.",
        examples=[["7be1407c3b1f0f9c2a4c0d6f88a103c27be1407c3b1f0f9c2a4c0d6f88a19909"]],
    )
    requiretls: Literal["extension", "verified-tls"] = Field(
        default="extension",
        description="What mail under REQUIRETLS needs there: `extension`, that the server offers REQUIRETLS (RFC 8689 "
        "§4.2.1), or `verified-tls`, which does without. The second deviates from the RFC: only for servers you "
        "control and from which mail goes no further. With `verify`, `dane`, `dane-require` and `fingerprint`.",
        examples=["verified-tls"],
    )
    until: Instant | None = Field(
        default=None,
        description="When it ends: a date, the end of that day in UTC, or a date-time.",
        examples=["2026-12-31"],
    )
    because: Text = Field(default="", description="Why, for whoever reads it later.", examples=["TICKET-1234"])

    @field_validator("fingerprints")
    @classmethod
    def _sha256(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        compact = tuple(value.replace(":", "").lower() for value in values)
        for value in compact:
            if len(value) != 64 or set(value) - set("0123456789abcdef"):
                raise ValueError(f"{value[:20]!r} is not a SHA-256 fingerprint; write 64 hexadecimal digits")
        return compact

    @model_validator(mode="after")
    def _fingerprints_fit(self) -> Override:
        if self.tls == "fingerprint" and not self.fingerprints:
            raise ValueError('tls = "fingerprint" has no fingerprints; add fingerprints = ["…"]')
        if self.requiretls == "verified-tls" and self.tls in ("none", "may", "encrypt"):
            raise ValueError(
                f'tls = "{self.tls}" verifies nothing, so requiretls = "verified-tls" has nothing to rest on; use '
                "verify, dane, dane-require or fingerprint"
            )
        if self.fingerprints and self.tls != "fingerprint":
            raise ValueError(f'fingerprints mean nothing with tls = "{self.tls}"; use tls = "fingerprint"')
        return self


class Route(Section):
    """A fixed way to a destination instead of its MX records."""

    domain: DomainPattern = Field(
        description="Recipient domain; `.example.org` means every name below example.org.", examples=["partner.example"]
    )
    next_hop: NextHopText = Field(
        description="`[host]:port` or `[address]:port` without MX look-up, or a domain whose MX is looked up.",
        examples=["[relay.partner.example]:25"],
    )


class ClientCertificate(Section):
    """A certificate this gateway shows to servers that ask for one, where a policy step says so."""

    name: Text = Field(
        pattern="^[a-z0-9][a-z0-9._-]{0,39}$",
        description="What policy calls it: small letters, digits, dots, hyphens.",
        examples=["partner"],
    )
    chain: FilePath = Field(
        description="PEM file: the certificate, then its intermediates. Re-read when it changes.",
        examples=["/etc/danelaw/partner.pem"],
    )
    key: FilePath = Field(description="PEM file with the private key.", examples=["/etc/danelaw/partner.key"])


class LocalAddress(Section):
    """One of this machine's addresses to send from."""

    address: Text = Field(description="IPv4 or IPv6 address of this machine.", examples=["192.0.2.26"])
    helo: HostName | None = Field(
        default=None,
        description="Name said in EHLO from it, which its reverse DNS should have. Absent: `helo`.",
        examples=["out2.example.org"],
    )

    @field_validator("address")
    @classmethod
    def _own(cls, value: str) -> str:
        try:
            return str(ipaddress.ip_address(value))
        except ValueError:
            raise ValueError(f"{value!r} is no address; write one of this machine's own") from None


class Delivery(Section):
    """How mail is sent on."""

    next_hop: NextHopText | None = Field(
        default=None,
        description="Smarthost: the next hop of every domain without a route of its own. Absent: the domain's MX.",
        examples=["[relay.example.net]:25"],
    )
    helo: HostName | None = Field(
        default=None, description="Name said in EHLO. Absent: `hostname`.", examples=["out.example.org"]
    )
    connections: Count = Field(default=200, ge=1, description="Outbound connections in total.", examples=[50])
    connections_per_destination: Count = Field(
        default=20, ge=1, description="Outbound connections per destination.", examples=[5]
    )
    messages_per_connection: Count = Field(
        default=100, ge=1, description="Messages sent over one connection before a new one is opened.", examples=[20]
    )
    idle: Duration = Field(
        default=timedelta(seconds=5),
        description="How long an unused connection is kept for the next message.",
        examples=["0s"],
    )
    families: tuple[Literal["ipv6", "ipv4"], ...] = Field(
        default=("ipv6", "ipv4"),
        min_length=1,
        description="Address families to use, preferred first.",
        examples=[["ipv4"]],
    )
    source_ipv4: Text | None = Field(
        default=None, description="Our IPv4 address to send from.", examples=["192.0.2.25"]
    )
    source_ipv6: Text | None = Field(
        default=None, description="Our IPv6 address to send from.", examples=["2001:db8::25"]
    )
    addresses: tuple[LocalAddress, ...] = Field(
        default=(),
        description="Our addresses to send from, in order of preference, after `source_ipv4` and `source_ipv6`. The "
        "first of a family is used; the others are for responses to replies (`other-address`).",
        examples=[[{"address": "192.0.2.25"}, {"address": "192.0.2.26", "helo": "out2.example.org"}]],
    )
    connect_timeout: Duration = Field(
        default=timedelta(seconds=30), ge=timedelta(milliseconds=100), description="TCP connection.", examples=["10s"]
    )
    handshake_timeout: Duration = Field(
        default=timedelta(seconds=30), ge=timedelta(milliseconds=100), description="TLS handshake.", examples=["10s"]
    )
    greeting_timeout: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(milliseconds=100),
        description="The 220 greeting (RFC 5321 §4.5.3.2.1).",
        examples=["1m"],
    )
    command_timeout: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(milliseconds=100),
        description="A reply to EHLO, MAIL, RCPT (RFC 5321 §4.5.3.2.2).",
        examples=["1m"],
    )
    data_timeout: Duration = Field(
        default=timedelta(minutes=3),
        ge=timedelta(milliseconds=100),
        description="Progress of message data (RFC 5321 §4.5.3.2.5).",
        examples=["1m"],
    )
    accept_timeout: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(milliseconds=100),
        description="The reply to the end of data (RFC 5321 §4.5.3.2.6).",
        examples=["5m"],
    )

    @field_validator("source_ipv4", "source_ipv6")
    @classmethod
    def _address(cls, value: str | None, info: object) -> str | None:
        if value is None:
            return None
        name = getattr(info, "field_name", "source_ipv4")
        version = 4 if name == "source_ipv4" else 6
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            address = None
        if address is None or address.version != version:
            raise ValueError(f"{value!r} is not an IPv{version} address; write one of this machine's own")
        return str(address)

    @property
    def local_addresses(self) -> tuple[LocalAddress, ...]:
        """All addresses to send from that are set, in order of preference, each with its `helo` or that of all."""
        sources = [LocalAddress(address=one) for one in (self.source_ipv4, self.source_ipv6) if one]
        return tuple(one.model_copy(update={"helo": one.helo or self.helo}) for one in (*sources, *self.addresses))

    @model_validator(mode="after")
    def _addresses_once(self) -> Delivery:
        own = [one.address for one in self.local_addresses]
        twice = sorted({one for one in own if own.count(one) > 1})
        if twice:
            raise ValueError(f"the address {twice[0]} is listed twice; keep one of them")
        return self

    @field_validator("families")
    @classmethod
    def _each_once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) != len(value):
            raise ValueError('a family is listed twice; write ["ipv6", "ipv4"]')
        return value


class Queue(Section):
    """When a waiting message is tried again, and when its sender hears of it."""

    lifetime: Duration = Field(
        default=timedelta(days=5),
        ge=timedelta(seconds=1),
        description="How long a message is tried before it is returned (RFC 5321 §4.5.4.1: 4–5 days).",
        examples=["3d"],
    )
    warn_after: Duration = Field(
        default=timedelta(hours=4),
        description='When the sender first hears of a delay; "0s" for never.',
        examples=["12h"],
    )
    retry_first: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(milliseconds=10),
        description="Pause after the first failed try.",
        examples=["2m"],
    )
    retry_longest: Duration = Field(
        default=timedelta(hours=2),
        ge=timedelta(milliseconds=10),
        description="Longest pause between tries.",
        examples=["1h"],
    )
    retry_factor: float = Field(
        default=2.0,
        ge=1.0,
        le=10.0,
        description="How many times longer each pause is than the one before.",
        examples=[1.5],
    )
    bounce_from: Text | None = Field(
        default=None,
        description="Address in the From field of delivery notices. Absent: MAILER-DAEMON at `hostname`. Their "
        "envelope sender is always empty (RFC 3464 §2).",
        examples=["postmaster@example.org"],
    )

    @model_validator(mode="after")
    def _longest_is_longest(self) -> Queue:
        if self.retry_longest < self.retry_first:
            raise ValueError("retry_longest is shorter than retry_first; raise retry_longest")
        return self
