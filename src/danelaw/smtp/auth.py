"""AUTH: its lines, and when it may and must be said (RFC 4954)."""

from __future__ import annotations

import binascii

from danelaw.smtp import offer, replies
from danelaw.smtp.errors import CommandError
from danelaw.smtp.events import AuthRequested
from danelaw.smtp.settings import ServerSettings


def request(
    argument: bytes, settings: ServerSettings, *, extended: bool, tls: bool, authenticated: bool
) -> AuthRequested:
    """Read the argument of AUTH; `=` alone is an empty response (RFC 4954 §4). Raises `CommandError`."""
    if not settings.auth:
        raise CommandError(replies.UNKNOWN_COMMAND)
    if not extended:
        raise CommandError(replies.HELLO_FIRST)
    if not offer.auth(settings, tls=tls):
        raise CommandError(replies.AUTH_NEEDS_TLS)
    if authenticated:
        raise CommandError(replies.AUTH_DONE)
    word, _, initial = argument.partition(b" ")
    mechanism = word.decode("ascii", "replace").upper()
    initial = initial.strip(b" ")
    if not mechanism:
        raise CommandError(replies.AUTH_SYNTAX)
    if mechanism not in settings.auth:
        raise CommandError(replies.AUTH_MECHANISM)
    if not initial:
        return AuthRequested(mechanism, None)
    return AuthRequested(mechanism, b"" if initial == b"=" else response(initial))


def response(line: bytes) -> bytes:
    """Read a line of an exchange. Raises `CommandError` for `*` and what is no base64 (RFC 4648 §4)."""
    if line == b"*":
        raise CommandError(replies.AUTH_CANCELLED)
    try:
        return binascii.a2b_base64(line, strict_mode=True) if line else b""
    except binascii.Error:
        raise CommandError(replies.AUTH_BASE64) from None


def check_leave(settings: ServerSettings, *, tls: bool, authenticated: bool) -> None:
    """Whether mail may be spoken of yet. Raises `CommandError` with 530 (RFC 3207 §4, RFC 4954 §6)."""
    if settings.tls_required and not tls:
        raise CommandError(replies.TLS_FIRST)
    if settings.auth_required and not authenticated:
        raise CommandError(replies.AUTH_FIRST)


def presentable(line: bytes) -> bytes:
    """What may be shown of a command: not what stands behind AUTH."""
    return line[:4] if line[:4].upper() == b"AUTH" else line
