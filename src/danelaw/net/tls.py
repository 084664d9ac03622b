"""TLS on connections: contexts, STARTTLS, and the chain a server presented.

Client contexts verify nothing. Whether the chain is good is decided after the handshake, before MAIL, by
`danelaw.tlspolicy.judge`, since DANE, MTA-STS and configured CAs each need another answer.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, cast

from danelaw.errors import DanelawError

_VERSIONS = {
    "1.0": ssl.TLSVersion.TLSv1,
    "1.1": ssl.TLSVersion.TLSv1_1,
    "1.2": ssl.TLSVersion.TLSv1_2,
    "1.3": ssl.TLSVersion.TLSv1_3,
}
# Below 1.2 OpenSSL 3 wants security level 0, since old versions sign with SHA-1 (SSL_CTX_set_security_level(3)).
_CIPHERS = "HIGH:!aNULL:!eNULL:!PSK:!SRP:!MD5:!RC4:!3DES"
_OLD_CIPHERS = "HIGH:MEDIUM:!aNULL:!eNULL:!PSK:!SRP:!MD5:!RC4:@SECLEVEL=0"
# A private CA or a DANE-EE key may be RSA-1024 or signed with SHA-1; rejecting it here would hide the reason.
_CLIENT_LEVEL = ":@SECLEVEL=0"

SHUTDOWN_TIMEOUT = 5.0
"""Seconds a peer has to answer close_notify."""


class HandshakeFailed(DanelawError):
    """The TLS handshake failed; `reason` says how in words."""


def client_context(*, minimum: str = "1.2", shown: tuple[str, str] | None = None) -> ssl.SSLContext:
    """A context for connections to other servers; make it once and keep it (it costs milliseconds).

    `minimum` is "1.0", "1.1", "1.2" or "1.3" (RFC 8996 forbids those below 1.2; a floor makes an old host get clear
    text in opportunistic delivery, so it is a choice). Resumption is off: a resumed session presents no certificate.
    `shown` are the PEM files of certificate and key for servers that ask for one. Raises `ValueError` for another
    version, `OSError` or `ssl.SSLError` for files as the ssl module does.
    """
    if minimum not in _VERSIONS:
        raise ValueError(f"{minimum!r} is no TLS version; one of {', '.join(_VERSIONS)} expected")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    old = minimum in ("1.0", "1.1")
    context.set_ciphers(_OLD_CIPHERS if old else _CIPHERS + _CLIENT_LEVEL)
    _set_minimum(context, _VERSIONS[minimum])
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    if shown is not None:
        context.load_cert_chain(*shown, password=_no_password)
    return context


def server_context(chain: str, key: str, *, minimum: str = "1.2") -> ssl.SSLContext:
    """A context for listeners from PEM files: certificate with its intermediates, and private key.

    Raises `OSError` or `ssl.SSLError` as the ssl module does; `danelaw.net.certificates` puts them in words.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers(_CIPHERS)
    _set_minimum(context, _VERSIONS[minimum])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(chain, key, password=_no_password)
    return context


def _no_password() -> str:
    """Without this OpenSSL would ask at the terminal for the password of an encrypted key."""
    return ""


def _set_minimum(context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # choosing an old version is the operator's decision
        context.minimum_version = version


def presented_chain(ssl_object: Any) -> tuple[bytes, ...]:
    """The certificates the peer presented, DER, leaf first, as sent; empty when it sent none.

    Takes what `transport.get_extra_info("ssl_object")` gives. The chain the ssl module calls verified would be
    made up under `CERT_NONE`. Python 3.13 has this as a public method; before, it is found one level down.
    """
    public = getattr(ssl_object, "get_unverified_chain", None)
    if public is not None:
        return tuple(public())
    chain = ssl_object._sslobj.get_unverified_chain()
    # _ssl.ENCODING_DER is 2; the constant itself is private too.
    return tuple(certificate.public_bytes(2) for certificate in chain or ())


async def start_tls(
    transport: asyncio.Transport,
    protocol: asyncio.Protocol,
    context: ssl.SSLContext,
    *,
    server_side: bool = False,
    server_hostname: str | None = None,
    timeout: float = 60.0,
    first: bytes = b"",
) -> asyncio.Transport:
    """Do the handshake on a connection in use (RFC 3207) within `timeout` seconds, and return the new transport.

    Call it without an await after the last plain byte was written or read: from the first line on nothing plain
    reaches `protocol` any more, since reading is stopped before the loop can run, and octets that still
    arrive are handed to TLS, which refuses them. What the protocol has buffered already it must check itself: RFC 3207
    §4.2 is broken by any octet between the reply to STARTTLS and the handshake. `first` are octets of the handshake
    itself that were read already, behind a PROXY header. Raises `HandshakeFailed`; the connection is closed then.
    """
    if transport.is_closing():
        raise HandshakeFailed("the connection was closed before the TLS handshake")
    transport.pause_reading()
    loop = asyncio.get_running_loop()
    if first:
        # Comes before the callbacks that begin the handshake, and after the transport got its TLS protocol.
        loop.call_soon(_feed, transport, first)
    try:
        secured = await loop.start_tls(
            transport,
            protocol,
            context,
            server_side=server_side,
            server_hostname=None if server_side else server_hostname,
            ssl_handshake_timeout=timeout,
            ssl_shutdown_timeout=SHUTDOWN_TIMEOUT,
        )
    except (OSError, ssl.CertificateError) as error:
        transport.abort()
        raise HandshakeFailed(handshake_words(error, timeout)) from None
    except BaseException:
        transport.abort()
        raise
    # uvloop reports a connection that was lost in the handshake as success, with a transport that is closed.
    if secured is None or secured.is_closing():
        transport.abort()
        raise HandshakeFailed("the connection was closed during the TLS handshake")
    return secured


def _feed(transport: asyncio.Transport, octets: bytes) -> None:
    """Hand octets to the TLS protocol of a transport as if they had just arrived."""
    protocol = cast("asyncio.BufferedProtocol", transport.get_protocol())
    while octets:
        buffer = memoryview(protocol.get_buffer(len(octets)))[: len(octets)]
        buffer[:] = octets[: len(buffer)]
        protocol.buffer_updated(len(buffer))
        octets = octets[len(buffer) :]


_WORDS = {
    "WRONG_VERSION_NUMBER": "what came is not TLS",
    "UNSUPPORTED_PROTOCOL": "the server has only TLS versions that are too old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "no TLS version in common",
    "NO_SHARED_CIPHER": "no cipher in common",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "the other side refused the TLS handshake (no cipher or version in common)",
    "UNEXPECTED_EOF_WHILE_READING": "the connection was closed during the TLS handshake",
    "UNRECOGNIZED_NAME": "the server does not know the name we asked for (SNI)",
    "TLSV1_UNRECOGNIZED_NAME": "the server does not know the name we asked for (SNI)",
    "DH_KEY_TOO_SMALL": "the server's Diffie-Hellman key is too small",
}


def handshake_words(error: BaseException, timeout: float) -> str:
    """A handshake's failure for people."""
    if isinstance(error, ssl.SSLError):
        known = _WORDS.get(str(error.reason))
        return known or f"TLS error: {str(error.reason or error).replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError) or ("handshake" in str(error) and "taking longer" in str(error)):
        return f"the TLS handshake did not end within {timeout:g} s"
    if isinstance(error, ConnectionError):
        return "the connection was closed during the TLS handshake"
    return f"TLS handshake failed: {error}"
