"""What a server offers in EHLO, and so which parameters it takes (RFC 5321 §4.1.1.1)."""

from __future__ import annotations

from functools import lru_cache

from danelaw.smtp.reply import Reply
from danelaw.smtp.settings import ServerSettings

NOTHING: frozenset[str] = frozenset()
"""The parameters a HELO session may use."""


def auth(settings: ServerSettings, *, tls: bool) -> bool:
    """Whether AUTH is offered: inside TLS, unless passwords may travel in the clear here (RFC 4954 §4)."""
    return bool(settings.auth) and (tls or settings.auth_in_clear)


@lru_cache(maxsize=64)
def keywords(settings: ServerSettings, *, tls: bool) -> tuple[str, ...]:
    """The EHLO lines after the first. STARTTLS only outside TLS, REQUIRETLS only inside (RFC 3207, RFC 8689)."""
    limits = settings.limits
    offers = {
        "PIPELINING": True,
        f"SIZE {limits.message_size}": True,
        "8BITMIME": True,
        "SMTPUTF8": settings.smtputf8,
        "ENHANCEDSTATUSCODES": True,
        "CHUNKING": settings.chunking,
        "DSN": settings.dsn,
        "STARTTLS": settings.starttls and not tls,
        "REQUIRETLS": settings.requiretls and tls,
        f"AUTH {' '.join(settings.auth)}": auth(settings, tls=tls),
        f"LIMITS RCPTMAX={limits.recipients} MAILMAX={limits.messages}": True,
        "HELP": True,
    }
    return tuple(keyword for keyword, offered in offers.items() if offered)


@lru_cache(maxsize=64)
def parameters(settings: ServerSettings, *, tls: bool) -> frozenset[str]:
    """The parameter keywords of MAIL and RCPT that an EHLO session may use."""
    found = {"SIZE", "BODY"}
    if settings.smtputf8:
        found.add("SMTPUTF8")
    if settings.dsn:
        found |= {"RET", "ENVID", "NOTIFY", "ORCPT"}
    if settings.requiretls and tls:
        found.add("REQUIRETLS")
    if auth(settings, tls=tls):
        found.add("AUTH")
    return frozenset(found)


@lru_cache(maxsize=64)
def ehlo_wire(settings: ServerSettings, *, tls: bool) -> bytes:
    """The whole reply to EHLO."""
    lines = [settings.hostname.to_text(), *keywords(settings, tls=tls)]
    return b"".join(
        f"250{'-' if index < len(lines) - 1 else ' '}{line}\r\n".encode() for index, line in enumerate(lines)
    )


@lru_cache(maxsize=64)
def greeting_wire(settings: ServerSettings) -> bytes:
    """The usual greeting."""
    return Reply(220, None, f"{settings.hostname.to_text()} ESMTP {settings.software}").to_wire()
