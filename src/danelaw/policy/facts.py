"""What hooks are told: plain values that compare with texts and go into JSON."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from danelaw.address import Mailbox

if TYPE_CHECKING:
    from danelaw.authentication import Verdicts


class Address(str):
    """A mailbox as text, without brackets; empty (and false) for the null reverse-path (RFC 5321 §4.5.5).

    It compares with texts as written; `domain` is in lower case and an A-label, so that it compares with
    `"example.org"`.
    """

    __slots__ = ()

    @classmethod
    def of(cls, mailbox: Mailbox | None) -> Address:
        """The address of a mailbox, None for the null reverse-path."""
        return cls("" if mailbox is None else mailbox.to_text())

    @property
    def localpart(self) -> str:
        """What stands before the last @."""
        return self.rpartition("@")[0]

    @property
    def domain(self) -> str:
        """What stands behind it, in lower case; empty for the null reverse-path."""
        domain = self.rpartition("@")[2].lower()
        return domain if domain.isascii() else str(Mailbox.from_text(self).domain)

    def within(self, domain: str) -> bool:
        """Whether its domain is this one (`example.org`), or below it (`.example.org`)."""
        return self.domain.endswith(domain) if domain.startswith(".") else self.domain == domain


@dataclass(frozen=True, slots=True)
class TLS:
    """A protected connection: version (`TLSv1.3`) and cipher."""

    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class Client:
    """Who speaks to us."""

    address: str
    """Its IP address as text."""
    port: int
    """Its port."""
    helo: str = ""
    """The name it gave in EHLO or HELO, empty before."""
    extended: bool = False
    """Whether that was EHLO."""
    tls: TLS | None = None
    """What protects the connection, None for nothing."""
    trusted: bool = False
    """Whether it may relay: by its network, or as a user."""
    listener: str = ""
    """What it connected to, `192.0.2.1:25`."""
    user: str = ""
    """Who it has authenticated as, empty for nobody."""
    name: str = ""
    """Its name in DNS that leads back to it, where a step before has looked."""

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The address as a value."""
        return ip_address(self.address.partition("%")[0])

    def within(self, *networks: str) -> bool:
        """Whether its address lies in one of these networks (`192.0.2.0/24`, `2001:db8::/32`)."""
        own = self.ip
        return any(own in ip_network(network) for network in networks)


@dataclass(frozen=True, slots=True)
class Finding:
    """What a step before found."""

    step: str
    """Whose finding it is: `rspamd`, `clamav`, `policy`."""
    result: str
    """The result in one word."""
    reason: str = ""
    """The evidence in words."""


@dataclass(frozen=True, slots=True)
class Signature:
    """One DKIM signature (RFC 6376)."""

    result: str
    """As in Authentication-Results (RFC 8601 §2.7.1)."""
    domain: str
    """Who signs (`d=`)."""
    selector: str
    """With which key (`s=`)."""
    reason: str = ""
    """Why it is so, in words."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a message comes from, in the words of Authentication-Results (RFC 8601)."""

    spf: str
    """SPF of MAIL FROM: `pass`, `fail`, `softfail`, `neutral`, `none`, `temperror`, `permerror`."""
    spf_domain: str
    """The domain it was asked for."""
    helo: str
    """SPF of the HELO name."""
    dkim: tuple[Signature, ...]
    """Every signature, topmost first."""
    dmarc: str
    """DMARC: `pass`, `fail`, `none`, `temperror`, `permerror`."""
    dmarc_domain: str
    """The domain whose policy it is."""
    dmarc_policy: str
    """What the author's domain asks for: `none`, `quarantine`, `reject`, empty for nothing."""
    arc: str
    """Whether the chain of ARC seals holds: `pass`, `fail`, `none`."""
    author: Address
    """The address in From, empty where it has none, or several."""

    @classmethod
    def of(cls, verdicts: Verdicts) -> Origin:
        """The short form of all verdicts."""
        spf, dmarc, authors = verdicts.spf, verdicts.dmarc, verdicts.authors.mailboxes
        signatures = tuple(
            Signature(one.result.value, one.domain or "", one.selector or "", one.reason) for one in verdicts.signatures
        )
        policy = "" if dmarc.policy is None else dmarc.policy.value
        author = authors[0].address if authors else ""
        return cls(
            spf.result.value, spf.domain or "", verdicts.helo.result.value, signatures, dmarc.result.value,
            dmarc.domain or "", policy, verdicts.arc.status.value, Address(author),
        )  # fmt: skip

    @property
    def is_proven(self) -> bool:
        """DMARC passes: the author's domain is who it says."""
        return self.dmarc == "pass"
