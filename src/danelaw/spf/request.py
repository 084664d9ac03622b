"""What is to be checked: a client's address and one of its identities (RFC 7208 §2.3, §2.4, §4.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address

import dns.exception
import dns.name
import dns.rdatatype

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.dnsdata import Question
from danelaw.spf.result import Identity

_MOST_CHARACTERS = 254  # 253 and a final dot


@dataclass(frozen=True, slots=True)
class Request:
    """The arguments of check_host() (RFC 7208 §4.1). `ip` is never an IPv4-mapped IPv6 address (§5); `helo` as said.

    Build it with `mail_from` or `of_helo`.
    """

    ip: IPv4Address | IPv6Address
    identity: Identity
    localpart: str
    domain: str
    helo: str

    @classmethod
    def mail_from(cls, ip: IPv4Address | IPv6Address, sender: str, helo: str) -> Request:
        """The MAIL FROM identity; `sender` is the reverse-path without angle brackets.

        The null reverse-path stands for postmaster at the HELO domain (RFC 7208 §2.4), a missing local-part for
        postmaster (§4.3). The local-part is taken as it stands on the wire, quotes included.
        """
        localpart, _, domain = sender.rpartition("@")
        domain = ascii_domain(domain if sender else helo)
        return cls(_plain(ip), Identity.MAILFROM, localpart or "postmaster", domain, helo)

    @classmethod
    def of_helo(cls, ip: IPv4Address | IPv6Address, helo: str) -> Request:
        """The HELO identity (RFC 7208 §2.3)."""
        return cls(_plain(ip), Identity.HELO, "postmaster", ascii_domain(helo), helo)

    @property
    def sender(self) -> str:
        """The identity with its local-part."""
        return f"{self.localpart}@{self.domain}"


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """RFC 7208 §5: a client on an IPv4-mapped address is an IPv4 client."""
    mapped = ip.ipv4_mapped if isinstance(ip, IPv6Address) else None
    return mapped or ip


def ascii_domain(domain: str) -> str:
    """U-labels as A-labels (RFC 7208 §4.3, RFC 8616 §4); what cannot be converted stays, and is no name later."""
    if domain.isascii():
        return domain
    try:
        return Domain.from_text(domain).ascii
    except DomainError:
        return domain


def absolute_name(text: str) -> dns.name.Name | None:
    """A name to ask DNS about; None for empty or too long labels, and for octets no question of ours should carry.

    There is no escaping in expanded names (RFC 7208 §4.8): a backslash is a character like any other.
    """
    return _absolute_name(text) if len(text) <= _MOST_CHARACTERS else None


@lru_cache(maxsize=4_096)
def _absolute_name(text: str) -> dns.name.Name | None:
    bare = text.removesuffix(".")
    if not bare.isascii() or not bare.isprintable():
        return None
    try:
        labels = [label.encode("ascii") for label in bare.split(".")]
        return dns.name.Name((*labels, b"")) if all(labels) else None
    except dns.exception.DNSException:
        return None


@lru_cache(maxsize=4_096)
def record_question(domain: str) -> Question | None:
    """The question for the record of a domain that check_host() accepts: well-formed, of more than one label (RFC 7208
    §4.3); None for another.
    """
    if domain.startswith("["):
        return None
    name = absolute_name(domain)
    return Question(name, dns.rdatatype.TXT) if name is not None and len(name.labels) > 2 else None
