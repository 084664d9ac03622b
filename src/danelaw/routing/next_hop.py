"""Where mail for a domain goes next: a domain with an MX look-up, one named host, or an address."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from danelaw.address import Domain, DomainError
from danelaw.errors import DanelawError

SMTP_PORT = 25
_SHAPE = re.compile(r"(?:\[(?P<host>[^\[\]\s]{1,320})\]|(?P<domain>[^\[\]\s:]{1,320}))(?::(?P<port>[0-9]{1,5}))?\Z")


class NextHopError(DanelawError, ValueError):
    """The text is no next hop."""


@dataclass(frozen=True, slots=True)
class NextHop:
    """A next hop in one of three forms.

    `domain` with `mx` true: look up MX. `domain` with `mx` false: that very host, no MX look-up, DANE all the
    same (RFC 7672 §2.2.2). `address` (an IP address as text, `domain` None): neither DANE nor MTA-STS, since
    nothing names the server. `port` is the real TCP port, which is also the port of the TLSA question.
    """

    domain: Domain | None
    address: str | None = None
    mx: bool = True
    port: int = SMTP_PORT

    def __post_init__(self) -> None:
        if (self.domain is None) == (self.address is None):
            raise NextHopError("a next hop is either a domain or an address")
        if not 0 < self.port < 65536:
            raise NextHopError(f"{self.port} is no TCP port")

    @classmethod
    def from_text(cls, text: str) -> NextHop:
        """Read `example.org`, `[relay.example]:2525`, `[192.0.2.1]` or `[IPv6:2001:db8::1]:25`.

        U-labels are taken over as A-labels. Raises `NextHopError` saying what would be right.
        """
        shape = _SHAPE.match(text)
        right = 'write "example.org", "[relay.example]:25" or "[192.0.2.1]:25"'
        if shape is None:
            raise NextHopError(f"{text[:80]!r} is not a next hop", advice=right)
        port = int(shape["port"]) if shape["port"] else SMTP_PORT
        if not 0 < port < 65536:
            raise NextHopError(f"{text[:80]!r} has no valid port", advice=right)
        name = shape["host"] or shape["domain"]
        address = _address(name)
        if address is not None:
            if not shape["host"]:
                raise NextHopError(f"{text[:80]!r} is an address without brackets", advice=f'write "[{address}]"')
            return cls(None, address, mx=False, port=port)
        try:
            return cls(Domain.from_text(name), mx=not shape["host"], port=port)
        except DomainError as error:
            raise NextHopError(error.reason, advice=right) from None

    @classmethod
    def of_domain(cls, domain: Domain, port: int = SMTP_PORT) -> NextHop:
        """The usual next hop of a recipient domain: its MX."""
        return cls(domain, port=port)

    @property
    def policy_domain(self) -> Domain | None:
        """The name whose MTA-STS policy counts, exactly as it is (RFC 8461 §3.4); None for an address."""
        return self.domain

    def to_text(self) -> str:
        """The form `from_text` reads; the port only when it is not 25."""
        if self.domain is not None:
            name = self.domain.ascii if self.mx else f"[{self.domain.ascii}]"
        else:
            name = f"[IPv6:{self.address}]" if ":" in str(self.address) else f"[{self.address}]"
        return name if self.port == SMTP_PORT else f"{name}:{self.port}"

    def __str__(self) -> str:
        return self.to_text()


def _address(name: str) -> str | None:
    """An IP address in its shortest form, or None. A scope (`%eth0`) is no address of a next hop."""
    literal = name[5:] if name[:5].lower() == "ipv6:" else name
    try:
        return str(ipaddress.ip_address(literal)) if "%" not in literal else None
    except ValueError:
        return None
