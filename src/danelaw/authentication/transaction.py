"""What the SMTP client said, as far as authentication needs it."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address


@dataclass(frozen=True, slots=True)
class Transaction:
    """`ip` of the client, `helo` as said, `mail_from` the reverse-path without angle brackets ("" for the null one)."""

    ip: IPv4Address | IPv6Address
    helo: str
    mail_from: str
