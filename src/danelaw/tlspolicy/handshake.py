"""What happened on one connection before MAIL: the facts `judge` decides on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.address import Domain


class StartTLSOutcome(Enum):
    """How far TLS came. The value is the reason in words."""

    ESTABLISHED = "TLS established"
    NOT_OFFERED = "server offers no STARTTLS"
    HELO_ONLY = "server refuses EHLO, so there is no STARTTLS"
    REFUSED = "server refuses STARTTLS"
    FAILED = "TLS handshake failed"
    NOT_TRIED = "STARTTLS not tried"


@dataclass(frozen=True, slots=True)
class Handshake:
    """One connection to `address`:`port` of `host`, up to the second EHLO.

    `chain` holds the presented certificates in DER, leaf first. `sni` is the name sent. `requiretls_offered`
    is read from the EHLO *after* STARTTLS. `connection_id` binds the clearance to this connection. `detail` adds
    the server's words or the TLS error. `local` is our address, `helo` the name the server greets with, "" when it
    says none.
    """

    host: Domain
    address: str
    port: int
    connection_id: int
    starttls: StartTLSOutcome
    version: str | None = None
    cipher: str | None = None
    chain: tuple[bytes, ...] = ()
    sni: Domain | None = None
    requiretls_offered: bool = False
    detail: str = ""
    local: str = ""
    helo: str = ""
