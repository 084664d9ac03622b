"""TLS: client contexts that verify nothing (`judge` does), the upgrade after STARTTLS, the presented chain."""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from typing import Any

from danelaw.errors import DanelawError

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
_SHUTDOWN_SECONDS = 5.0


class HandshakeFailed(DanelawError):
    """TLS could not be established; the reason says what OpenSSL saw."""


@lru_cache(maxsize=8)
def client_context(*, minimum: str = "1.2") -> ssl.SSLContext:
    """A context for connections to other servers, made once per floor: it takes milliseconds.

    It accepts every certificate, since DANE, MTA-STS and the rest are judged from the presented chain afterwards and
    a failed judgement ends the connection before MAIL. No session tickets: a resumed session presents no chain.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = _VERSIONS[minimum]
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION
    if minimum in ("1.0", "1.1"):
        # OpenSSL 3 has no SHA-1 signatures at its usual security level, so old versions need the lowest.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


def presented_chain(tls: Any) -> tuple[bytes, ...]:
    """The certificates the peer presented, DER, leaf first; empty without any.

    `tls` is the transport's "ssl_object". Python 3.13 has a public method; before, the same data is one attribute
    deeper.
    """
    public = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return tuple(public() or ())
    chain = tls._sslobj.get_unverified_chain()
    return tuple(certificate.public_bytes(_DER) for certificate in chain or ())


_DER = 2  # _ssl.ENCODING_DER, which is not exported


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    timeout: float,
) -> asyncio.Transport:
    """Upgrade a connection whose protocol holds no unread octets; gives the protected transport.

    The protocol gets no `connection_made` for it. Raises `HandshakeFailed`; the connection is of no use then.
    """
    loop = asyncio.get_running_loop()
    try:
        protected = await loop.start_tls(
            transport,
            protocol,
            context,
            server_side=server_side,
            server_hostname=server_hostname if not server_side else None,
            ssl_handshake_timeout=timeout,
            ssl_shutdown_timeout=_SHUTDOWN_SECONDS,
        )
    except ssl.SSLError as error:
        raise HandshakeFailed(_words(error)) from None
    except TimeoutError:
        raise HandshakeFailed(f"no TLS handshake within {timeout:g} s") from None
    except (OSError, EOFError) as error:
        raise HandshakeFailed(f"the connection ended during the TLS handshake: {error or 'closed'}") from None
    if protected is None:
        raise HandshakeFailed("the connection ended during the TLS handshake")
    return protected


def _words(error: ssl.SSLError) -> str:
    reason = (error.reason or "").replace("_", " ").lower()
    return reason or str(error)
