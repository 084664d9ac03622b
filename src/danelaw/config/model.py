"""The whole configuration: one frozen value, made of the sections."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from danelaw.address import SocketAddress
from danelaw.config.authenticating import Authentication
from danelaw.config.carrying import Carrier
from danelaw.config.filtering import Filter, Filtering
from danelaw.config.front import (
    ClientNames,
    Correspondents,
    DNSListEntry,
    DNSLists,
    Greylisting,
    LookAlikes,
    Tarpit,
)
from danelaw.config.holding import Quarantine
from danelaw.config.limiting import Bounces, Limit, Replying, SiteRoll
from danelaw.config.operating import HTTP, Control, Doctor, History, Lab, Log, Server, Spool
from danelaw.config.receiving import Certificate, Limits, Listen, RecipientDomain, Relay, Tenant
from danelaw.config.recipients import LDAP, SRS, Aliases, CallAhead
from danelaw.config.reporting import Reports
from danelaw.config.ruling import RuleTable
from danelaw.config.scripting import Policy
from danelaw.config.section import Section
from danelaw.config.sending import MTASTS, TLS, ClientCertificate, Delivery, Override, Queue, Resolver, Route
from danelaw.config.signing import DKIMKey
from danelaw.config.submitting import Submission
from danelaw.config.trusting import TrustGroupTable
from danelaw.config.values import HostName
from danelaw.routing import carrier_of


class Config(Section):
    """Everything a gateway is told. `source` is the file it came from, None for text and defaults."""

    _source: Path | None = PrivateAttr(default=None)

    hostname: HostName = Field(
        description="This gateway's own name: in the greeting, EHLO, Received fields and notices. Its address records "
        "and reverse DNS should agree with it.",
        examples=["mail.example.org"],
    )
    listen: tuple[Listen, ...] = Field(
        default=(Listen(address=SocketAddress("0.0.0.0", 25)), Listen(address=SocketAddress("::", 25))),
        min_length=1,
        description="Sockets that accept mail. Absent: port 25 of all addresses.",
        examples=[[{"address": "0.0.0.0:25"}]],
    )
    certificate: tuple[Certificate, ...] = Field(
        default=(), description="Certificates for the listeners.", examples=[[{"chain": "mx.pem", "key": "mx.key"}]]
    )
    bare_newline: Literal["refuse", "clean"] = Field(
        default="refuse",
        description="A CR or LF alone in message data (RFC 5321 §2.3.8): `refuse` with 554 5.6.0, or `clean` (LF "
        "becomes CRLF, CR a space) and record it. Only CRLF.CRLF ever ends a message.",
        examples=["clean"],
    )
    authentication: Authentication = Field(default=Authentication(), description="Who really sent a message.")
    relay: Relay = Field(default=Relay(), description="Who may relay.")
    submission: Submission = Field(default=Submission(), description="Users who log in and hand in mail.")
    dkim_key: tuple[DKIMKey, ...] = Field(
        default=(),
        description="Keys that sign mail of users and of `[relay] networks`, by its author's domain. Several for one "
        "domain make several signatures.",
        examples=[[{"domain": "example.org", "selector": "2026a", "key": "/etc/danelaw/dkim.key"}]],
    )
    tenant: tuple[Tenant, ...] = Field(
        default=(),
        description="Whose mail it is: tenants have equal shares of the deliveries, and `[[limit]]` and filters can "
        "name them. The first that fits; mail that fits none is one more share.",
        examples=[[{"name": "newsletter", "networks": ["10.0.7.0/24"]}]],
    )
    domain: tuple[RecipientDomain, ...] = Field(
        default=(), description="Recipient domains accepted from anybody.", examples=[[{"name": "example.org"}]]
    )
    aliases: Aliases = Field(default=Aliases(), description="Aliases, and how map files are read.")
    call_ahead: CallAhead = Field(default=CallAhead(), description="Asking next hops about recipients.")
    ldap: LDAP = Field(default=LDAP(), description="Asking a directory about recipients.")
    srs: SRS = Field(default=SRS(), description="Rewriting of senders in forwarded mail.")
    filter: tuple[Filter, ...] = Field(
        default=(),
        description="Filter engines that are asked about mail coming in, all at once; milters one after the other in "
        "this order, since they change messages.",
        examples=[[{"name": "rspamd", "kind": "rspamd", "address": ["127.0.0.1:11333"]}]],
    )
    policy: Policy = Field(default=Policy(), description="Your own Python at every step of a mail's life.")
    rule: tuple[RuleTable, ...] = Field(
        default=(),
        description="Rules without code: conditions on a message, and what follows. They are asked before scripts.",
        examples=[[{"name": "no-images", "when": {"attachment": ["*.iso"]}, "action": "hold"}]],
    )
    filtering: Filtering = Field(default=Filtering(), description="What all filters together do.")
    route: tuple[Route, ...] = Field(
        default=(),
        description="Fixed ways to destinations; the most specific `domain` wins.",
        examples=[[{"domain": "partner.example", "next_hop": "[relay.partner.example]"}]],
    )
    override: tuple[Override, ...] = Field(
        default=(),
        description="Your own word on the protection of a destination; the most specific `destination` wins.",
        examples=[[{"destination": "partner.example", "tls": "verify"}]],
    )
    trust_group: tuple[TrustGroupTable, ...] = Field(
        default=(),
        description="Domains that agreed how mail between them travels; what is demanded comes on top of all else.",
        examples=[[{"name": "hospitals", "members": ["hospital.example"], "send": "dane"}]],
    )
    dns_list: tuple[DNSListEntry, ...] = Field(
        default=(),
        description="Lists in DNS that strangers are looked up in (RFC 5782). Clients in `[relay] networks` are not.",
        examples=[[{"zone": "dnsbl.example.net", "use": "refuse"}]],
    )
    dns_lists: DNSLists = Field(default=DNSLists(), description="What holds for all `[[dns_list]]`.")
    client_names: ClientNames = Field(
        default=ClientNames(), description="Reverse DNS and HELO of strangers: what follows from each fact."
    )
    greylisting: Greylisting = Field(default=Greylisting(), description="Greylisting of strangers (RFC 6647).")
    look_alikes: LookAlikes = Field(default=LookAlikes(), description="Senders that look like somebody else.")
    correspondents: Correspondents = Field(default=Correspondents(), description="First-time senders.")
    tarpit: Tarpit = Field(default=Tarpit(), description="Slowness towards strangers.")
    client_certificate: tuple[ClientCertificate, ...] = Field(
        default=(),
        description="Certificates shown to other servers: only in deliveries for which a policy step names one, since "
        "a certificate tells who we are.",
        examples=[[{"name": "partner", "chain": "partner.pem", "key": "partner.key"}]],
    )
    carrier: tuple[Carrier, ...] = Field(
        default=(),
        description="Folders, programs and services that mail is handed to in place of another server.",
        examples=[[{"name": "mailboxes", "maildir": "/var/mail/{domain}/{local}"}]],
    )
    delivery: Delivery = Field(default=Delivery(), description="How mail is sent on.")
    limit: tuple[Limit, ...] = Field(
        default=(),
        description="Limits on outbound mail. Everything one matches is counted together, or apart by `per`; all that "
        "match must be kept, and a message waits until they can be.",
        examples=[[{"name": "careful", "site": ["google"], "rate": "100/min"}]],
    )
    sites: SiteRoll = Field(default=SiteRoll(), description="MX sites: the large providers by name.")
    bounces: Bounces = Field(default=Bounces(), description="What the replies of other servers mean.")
    responses: Replying = Field(default=Replying(), description="What is done by itself about such replies.")
    queue: Queue = Field(default=Queue(), description="Retries and notices.")
    quarantine: Quarantine = Field(default=Quarantine(), description="Held mail.")
    reports: Reports = Field(default=Reports(), description="Reports about mail: of DMARC, and of TLS.")
    tls: TLS = Field(default=TLS(), description="TLS towards other servers.")
    mta_sts: MTASTS = Field(default=MTASTS(), description="MTA-STS.")
    resolver: Resolver = Field(default=Resolver(), description="DNS.")
    limits: Limits = Field(default=Limits(), description="What one client may cost.")
    server: Server = Field(default=Server(), description="Processes.")
    spool: Spool = Field(default=Spool(), description="Storage of mail.")
    history: History = Field(default=History(), description="Memory of finished mail.")
    log: Log = Field(default=Log(), description="Events.")
    http: HTTP = Field(default=HTTP(), description="Metrics and health.")
    control: Control = Field(default=Control(), description="Commands to the running gateway.")
    doctor: Doctor = Field(default=Doctor(), description="Self-examination.")
    lab: Lab = Field(default=Lab(), description="Laboratories only.")

    @property
    def source(self) -> Path | None:
        """The file this configuration was loaded from."""
        return self._source

    @property
    def control_socket(self) -> Path:
        """Path of the control socket, with the default applied."""
        return self.control.socket or self.spool.directory / "control.sock"

    @property
    def bounce_from(self) -> str:
        """Address in the From field of delivery notices, with the default applied."""
        return self.queue.bounce_from or f"MAILER-DAEMON@{self.hostname}"

    @model_validator(mode="after")
    def _implicit_tls_has_certificate(self) -> Config:
        for listen in self.listen:
            if listen.tls == "implicit" and not self.certificate:
                raise ValueError(
                    f"listener {listen.address} starts TLS but there is no certificate; add [[certificate]]"
                )
            if listen.auth != "off" and not (self.certificate or listen.auth_without_tls):
                raise ValueError(f"users log in at {listen.address} inside TLS only; add [[certificate]]")
        return self

    @model_validator(mode="after")
    def _directory_is_named(self) -> Config:
        asking = next((item.name for item in self.domain if item.verify == "ldap"), None)
        if asking is not None and (self.ldap.url is None or not self.ldap.base):
            raise ValueError(f'[[domain]] "{asking}" asks a directory; set url and base in [ldap]')
        return self

    @model_validator(mode="after")
    def _rewritten_addresses_come_here(self) -> Config:
        name = self.srs.domain
        if name is not None:
            suffixes = {name.ascii, *("." + name.ascii.split(".", n)[-1] for n in range(1, name.ascii.count(".") + 1))}
            if not any(item.name in suffixes for item in self.domain):
                raise ValueError(f'[srs] domain {name} is none of ours; add [[domain]] name = "{name}"')
        return self

    @model_validator(mode="after")
    def _correspondents_are_remembered(self) -> Config:
        if self.greylisting.enabled and "known" in self.greylisting.exempt and not self.correspondents.enabled:
            raise ValueError('[greylisting] exempts "known" senders; set enabled = true in [correspondents]')
        return self

    @model_validator(mode="after")
    def _reports_have_results(self) -> Config:
        if self.reports.sends and not self.authentication.enabled:
            raise ValueError("[reports] tell what authentication found; set enabled = true in [authentication]")
        return self

    @model_validator(mode="after")
    def _trust_has_results(self) -> Config:
        examining = next((item.name for item in self.trust_group if item.examines), None)
        if examining is not None and not self.authentication.enabled:
            raise ValueError(
                f'[[trust_group]] "{examining}" judges mail by what authentication finds; set enabled = true in '
                "[authentication]"
            )
        return self

    @model_validator(mode="after")
    def _carriers_are_known(self) -> Config:
        known = {item.name for item in self.carrier}
        hops = [(f'[[domain]] "{item.name}"', item.next_hop) for item in self.domain]
        hops += [(f'[[route]] "{item.domain}"', item.next_hop) for item in self.route]
        hops += [(f'[[rule]] "{item.name}"', item.next_hop) for item in self.rule]
        for place, hop in (*hops, ("[delivery]", self.delivery.next_hop)):
            name = None if hop is None else carrier_of(hop)
            if name is not None and name not in known:
                raise ValueError(f'{place} has next_hop = "{hop}"; add [[carrier]] name = "{name}"')
        asking = next((item for item in self.domain if item.verify == "call-ahead"), None)
        if asking is not None and asking.next_hop is not None and carrier_of(asking.next_hop) is not None:
            raise ValueError(f'[[domain]] "{asking.name}" asks its next hop, and a carrier cannot be asked')
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> Config:
        for key, values in (
            ("[[listen]] address", [str(item.address) for item in self.listen]),
            ("[[rule]] name", [item.name for item in self.rule]),
            ("[[filter]] name", [item.name for item in self.filter]),
            ("[[domain]] name", [item.name for item in self.domain]),
            ("[[route]] domain", [item.domain for item in self.route]),
            ("[[client_certificate]] name", [item.name for item in self.client_certificate]),
            ("[[carrier]] name", [item.name for item in self.carrier]),
            ("[[limit]] name", [item.name for item in self.limit]),
            ("[[tenant]] name", [item.name for item in self.tenant]),
            ("[[dns_list]] name", [item.shown for item in self.dns_list]),
            ("[[override]] destination", [item.destination for item in self.override]),
            ("[[trust_group]] name", [item.name for item in self.trust_group]),
            ("[[trust_group]] header", [item.header.lower() for item in self.trust_group if item.header]),
        ):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f'{key} "{twice[0]}" appears twice; keep one of them')
        return self
