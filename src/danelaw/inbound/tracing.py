"""What all Received fields of one client have in common."""

from __future__ import annotations

from functools import lru_cache

from danelaw.message import Received, with_protocol


@lru_cache(maxsize=2048)  # clients come again, and most send many messages
def trace_of(
    helo: str,
    client_address: str,
    client_name: str | None,
    by: str,
    extended: bool,
    tls: tuple[str, str] | None,
    smtputf8: bool,
    user: bool,
) -> Received:
    """The Received field of a client, but for what differs from message to message (RFC 5321 §4.4)."""
    version, cipher = tls or (None, None)
    return Received(
        helo=helo,
        client_address=client_address,
        client_name=client_name,
        by=by,
        protocol=with_protocol(extended=extended, tls=tls is not None, authenticated=user, smtputf8=smtputf8),
        cipher=cipher,
        tls_version=version,
    )
