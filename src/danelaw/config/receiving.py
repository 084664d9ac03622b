"""Sections about mail that comes in: listeners, certificates, who may relay, our own domains, limits."""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Literal

from pydantic import Field, model_validator

from danelaw.config.ceilings import Ceilings, ClientCeilings, TrustedCeilings
from danelaw.config.section import Section
from danelaw.config.values import (
    Count,
    DomainPattern,
    Duration,
    FilePath,
    IPNetwork,
    ListenAddress,
    NextHopText,
    Size,
    Switch,
    Text,
)


class Listen(Section):
    """A socket that accepts mail."""

    address: ListenAddress = Field(description="IP address and port to listen on.", examples=["0.0.0.0:25"])
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description="`starttls` offers STARTTLS (RFC 3207) once a certificate is configured, `implicit` starts TLS at "
        "once (RFC 8314 §3), `none` never uses TLS.",
        examples=["implicit"],
    )
    proxy: tuple[IPNetwork, ...] = Field(
        default=(),
        description="Networks of load balancers that must start each connection with a PROXY protocol version 2 "
        "header; connections from elsewhere are then refused. Empty: no PROXY header is read.",
        examples=[["10.0.0.10/32"]],
    )
    auth: Literal["off", "optional", "required"] = Field(
        default="off",
        description="Whether users log in here (AUTH, RFC 4954; `[submission]`): `off`, `optional`, or `required` "
        "before any mail, as on ports 587 and 465.",
        examples=["required"],
    )
    auth_without_tls: Switch = Field(
        default=False,
        description="Offer AUTH outside TLS too. Only for loopback addresses: passwords travel in clear text.",
        examples=[True],
    )

    requiretls: Switch = Field(
        default=True,
        description="Offer REQUIRETLS inside TLS (RFC 8689). Without it senders who demand it get their mail back at "
        "once: switch it off where all mail goes on to servers that lack it.",
        examples=[False],
    )

    @model_validator(mode="after")
    def _passwords_are_protected(self) -> Listen:
        loopback = ipaddress.ip_address(self.address.host).is_loopback
        if self.auth_without_tls and not loopback:
            raise ValueError(f"listener {self.address} would show passwords to the network; drop auth_without_tls")
        if self.auth != "off" and self.tls == "none" and not self.auth_without_tls:
            raise ValueError(
                f'listener {self.address} has auth but no TLS; set tls = "starttls" or "implicit" (on a loopback '
                "address auth_without_tls = true will do)"
            )
        return self


class Certificate(Section):
    """A certificate the listeners present. The first one serves clients whose server name matches none."""

    chain: FilePath = Field(
        description="PEM file: the server's certificate, then its intermediates. Re-read when it changes.",
        examples=["/etc/letsencrypt/live/mx.example.org/fullchain.pem"],
    )
    key: FilePath = Field(
        description="PEM file with the private key.", examples=["/etc/letsencrypt/live/mx.example.org/privkey.pem"]
    )
    names: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Server names (SNI, RFC 6066 §3) for which it is presented. Empty: the names in the certificate.",
        examples=[["mx.example.org"]],
    )


class Relay(Section):
    """Who may send mail through this gateway to anywhere."""

    networks: tuple[IPNetwork, ...] = Field(
        default=(),
        description="Clients in these networks may relay to any destination, as users who log in may (`[submission]`). "
        "Everybody else reaches only the recipient domains in `[[domain]]`.",
        examples=[["10.0.0.0/8", "127.0.0.0/8", "::1/128"]],
    )


class Tenant(Section):
    """Somebody whose mail is counted by itself."""

    name: Text = Field(
        pattern="^[a-z0-9][a-z0-9._-]{0,39}$",
        description="What `tenant` in `[[limit]]` and filters calls it: small letters, digits, dots, hyphens.",
        examples=["newsletter"],
    )
    networks: tuple[IPNetwork, ...] = Field(
        default=(), description="Clients whose mail it is. Absent: any.", examples=[["10.0.7.0/24"]]
    )
    users: tuple[Text, ...] = Field(
        default=(),
        description="Users who logged in (`[submission]`) whose mail it is, from any network. `@example.org` stands "
        "for all names that end so. Absent: any.",
        examples=[["@news.example.org", "newsletter"]],
    )
    senders: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Domains of envelope senders whose mail it is, from `networks` or else from clients that may "
        "relay. Absent: any sender.",
        examples=[["news.example.org"]],
    )

    @model_validator(mode="after")
    def _says_whose(self) -> Tenant:
        if not (self.networks or self.senders or self.users):
            raise ValueError("everybody would be this tenant; add networks, users or senders")
        return self


class RecipientDomain(Section):
    """A domain whose mail is accepted from anybody."""

    name: DomainPattern = Field(
        description="The domain after the @; `.example.org` means every name below example.org.",
        examples=["example.org"],
    )
    next_hop: NextHopText | None = Field(
        default=None,
        description="Where its mail goes: `[address]:port`, `[host]:port` or a domain whose MX is looked up. "
        "Absent: a `[[route]]`, else the domain's own MX.",
        examples=["[10.0.0.5]:25"],
    )
    recipients: FilePath | None = Field(
        default=None,
        description="Map file of the domain's mailboxes and aliases; a local-part may stand alone in it. Who is not in "
        "it is refused with 550 5.1.1, unless `verify` is asked.",
        examples=["/etc/danelaw/example.org.recipients"],
    )
    verify: Literal["none", "call-ahead", "ldap"] = Field(
        default="none",
        description="Who is asked about recipients that no map file has: nobody, the domain's next hop "
        "(`[call_ahead]`), or a directory (`[ldap]`).",
        examples=["call-ahead"],
    )


class Limits(Section):
    """What one client may cost. RFC 5321 §4.5.3 sets the floors."""

    message_size: Size = Field(
        default=50 << 20, ge=65536, description="Largest message (SIZE, RFC 1870).", examples=["25M"]
    )
    recipients: Count = Field(
        default=1000,
        ge=100,
        le=100_000,
        description="Recipients per message (RFC 5321 §4.5.3.1.8: at least 100).",
        examples=[200],
    )
    command_line: Size = Field(
        default=512,
        ge=512,
        le=65536,
        description="Longest command line in octets with its CRLF, before what extensions add (RFC 5321 §4.5.3.1.4).",
        examples=[4096],
    )
    text_line: Size = Field(
        default=4096,
        ge=1000,
        description="Longest line of message data in octets with its CRLF (RFC 5321 §4.5.3.1.6 asks for 1000, which "
        "real mail exceeds).",
        examples=["1000"],
    )
    commands: Count = Field(
        default=10_000, ge=50, description="Commands per connection before it is closed with 421.", examples=[1000]
    )
    errors: Count = Field(
        default=20,
        ge=1,
        description="Refused or unknown commands per connection before it is closed with 421.",
        examples=[10],
    )
    messages: Count = Field(
        default=1000, ge=1, description="Messages per connection, told to clients by LIMITS (RFC 9422).", examples=[100]
    )
    command_timeout: Duration = Field(
        default=timedelta(minutes=5),
        ge=timedelta(seconds=1),
        description="Longest silence while a command is awaited (RFC 5321 §4.5.3.2.7: 5 minutes).",
        examples=["1m"],
    )
    data_timeout: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=1),
        description="Longest silence within message data.",
        examples=["3m"],
    )
    session_time: Duration = Field(
        default=timedelta(hours=1),
        ge=timedelta(seconds=10),
        description="Longest life of a connection; the transaction then running may finish.",
        examples=["30m"],
    )
    handshake_timeout: Duration = Field(
        default=timedelta(seconds=30), ge=timedelta(seconds=1), description="Longest TLS handshake.", examples=["10s"]
    )
    connections: Count = Field(default=2000, ge=1, description="Open client connections in total.", examples=[500])
    connections_per_client: Count = Field(
        default=50, ge=1, description="Open connections per client address (IPv6: per /64).", examples=[10]
    )
    examinations: Count = Field(
        default=500,
        ge=1,
        description="Messages that steps (authentication, filters, scripts) look at at once; further transactions are "
        "told 451 at MAIL.",
        examples=[50],
    )
    hops: Count = Field(
        default=100,
        ge=10,
        le=1000,
        description="Received fields after which a message is refused as looping (RFC 5321 §6.3).",
        examples=[50],
    )

    handshakes: Count = Field(
        default=100,
        ge=1,
        description="TLS handshakes with clients at once in one process; others wait for up to `handshake_timeout`.",
        examples=[20],
    )
    minimum_rate: Size = Field(
        default=100,
        description="Octets per second a client must send on average while it sends message data; a command line must "
        "end within `minimum_rate_window`. Slower clients get 421. 0: any.",
        examples=["1K"],
    )
    minimum_rate_window: Duration = Field(
        default=timedelta(minutes=1),
        ge=timedelta(seconds=1),
        description="The time over which that is measured.",
        examples=["30s"],
    )
    minimum_rate_grace: Duration = Field(
        default=timedelta(seconds=30),
        description="How long after the beginning of a message or command line it is not measured.",
        examples=["10s"],
    )
    refuse_for: Duration = Field(
        default=timedelta(minutes=10),
        ge=timedelta(seconds=1),
        description="How long a client with too many errors (`error_rate`) is refused.",
        examples=["1h"],
    )
    exempt: tuple[IPNetwork, ...] = Field(
        default=(),
        description="Clients in these networks are under no ceiling but `connections`, and may be slow.",
        examples=[["192.0.2.0/24"]],
    )
    client: ClientCeilings = Field(
        default=ClientCeilings(),
        description="Ceilings for each client by itself (an address, or the /64 of an IPv6 address) that is not in "
        "`[relay]` networks. With several workers they hold for all of them together.",
    )
    trusted: TrustedCeilings = Field(
        default=TrustedCeilings(),
        description="The same for each client in `[relay]` networks, and for those that have logged in.",
    )
    total: Ceilings = Field(default=Ceilings(), description="Ceilings for all clients together.")

    @model_validator(mode="after")
    def _session_outlives_command(self) -> Limits:
        if self.session_time < self.command_timeout:
            raise ValueError("session_time is shorter than command_timeout; raise session_time")
        return self
