"""What happened on one connection before MAIL, as octets to be kept: the facts `judge` decided on.

It holds no time and no count, so all messages that travel to a host in the same way share one.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.errors import DanelawError
from danelaw.receipt.form import FormError, canonical, read_object
from danelaw.routing import literal_host
from danelaw.tlspolicy import Handshake, StartTLSOutcome

FORM = "danelaw/session/1"
MOST_OCTETS = 1 << 16


@dataclass(frozen=True, slots=True)
class Session:
    """A session as it was read. `handshake` has no chain: its digests are in `chain`, leaf first.

    `anchors` are digests of those public CAs, of all that were trusted, that could have a part in the chain; None where
    no CA was trusted or nothing had to be verified by one.
    """

    handshake: Handshake
    chain: tuple[bytes, ...]
    anchors: tuple[bytes, ...] | None


def session_octets(handshake: Handshake, anchors: tuple[bytes, ...] | None) -> bytes:
    """Write a session; `anchors` are certificates in DER."""
    return canonical(
        {
            "form": FORM,
            "host": handshake.host.ascii,
            "address": handshake.address,
            "port": handshake.port,
            "starttls": handshake.starttls.name,
            "version": handshake.version,
            "cipher": handshake.cipher,
            "chain": [hashlib.sha256(der).hexdigest() for der in handshake.chain],
            "sni": None if handshake.sni is None else handshake.sni.ascii,
            "requiretls": handshake.requiretls_offered,
            "detail": handshake.detail,
            "anchors": None if anchors is None else [hashlib.sha256(der).hexdigest() for der in anchors],
        }
    )


def read_session(octets: bytes) -> Session:
    """Read a session. Raises `FormError`."""
    fields = read_object(octets, MOST_OCTETS, FORM)
    try:
        sni = fields.text_or_none("sni")
        handshake = Handshake(
            host=host_of(fields.text("host")),
            address=fields.text("address"),
            port=fields.integer("port"),
            connection_id=0,
            starttls=StartTLSOutcome[fields.text("starttls")],
            version=fields.text_or_none("version"),
            cipher=fields.text_or_none("cipher"),
            sni=None if sni is None else Domain.from_text(sni),
            requiretls_offered=fields.truth("requiretls"),
            detail=fields.text("detail"),
        )
        anchors = None if fields.is_none("anchors") else tuple(fields.digests("anchors"))
        return Session(handshake, tuple(fields.digests("chain")), anchors)
    except DanelawError as error:
        raise FormError(f"the record of a session cannot be read: {error.reason}") from None
    except (ValueError, LookupError, TypeError) as error:
        raise FormError(f"the record of a session cannot be read: {error}") from None


def host_of(name: str) -> Domain:
    """A host's name, or an address in brackets. Raises `DomainError`."""
    return literal_host(name[1:-1]).name if name[:1] == "[" and name[-1:] == "]" else Domain.from_text(name)
