"""The syntax of command lines (RFC 5321 §4.1.1), as functions from octets to values.

Every function takes the line without CRLF and raises `CommandError`, whose `reply` is the answer. Accepted beyond
the RFC's ABNF: trailing white space (§4.1.1 itself asks for that), several spaces between parameters, a host name in
EHLO that is no domain, and, by setting, a space after the colon of `MAIL FROM:` and `RCPT TO:`.
"""

from __future__ import annotations

import re

from danelaw.address import (
    AddressLiteral,
    AddressLiteralError,
    Domain,
    DomainError,
    ForwardPath,
    PathError,
    ReversePath,
)
from danelaw.smtp import parameters, replies
from danelaw.smtp.envelope import Recipient
from danelaw.smtp.errors import CommandError
from danelaw.smtp.events import MailFrom
from danelaw.smtp.parameters import NO_MAIL_PARAMETERS, NO_RCPT_PARAMETERS

# A path ends at the first ">" outside quotes. The first branch is the common case in one scan.
_PATH = r'(<[^"<>\s]*>|<(?:[^"<>\s]|"(?:[^"\\]|\\.)*")*>)(?: +(.*))?\Z'
_MAIL = re.compile(r"MAIL FROM:( *)" + _PATH, re.IGNORECASE | re.ASCII)
_RCPT = re.compile(r"RCPT TO:( *)" + _PATH, re.IGNORECASE | re.ASCII)
_BDAT = re.compile(rb"([0-9]{1,20})(?: +(LAST))?\Z", re.IGNORECASE)
_CONTROL = re.compile("[\x00-\x1f\x7f]")
_HELLO_CHARACTERS = 255


def text_of(line: bytes) -> str:
    """Decode a command line as UTF-8 without control characters."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        raise CommandError(replies.NOT_UTF8) from None
    if not text.isprintable() and _CONTROL.search(text):
        raise CommandError(replies.CONTROL_CHARACTER)
    return text


def hello(argument: bytes) -> tuple[str, Domain | AddressLiteral | None]:
    """Read the argument of EHLO or HELO: what was written, and the host it names if it names one.

    A name that is no domain is not refused: RFC 5321 §4.1.4 wants the mail of badly configured clients accepted.
    """
    name = text_of(argument).strip()
    if not name or " " in name or len(name) > _HELLO_CHARACTERS:
        raise CommandError(replies.HELLO_SYNTAX)
    if not name.isascii():
        raise CommandError(replies.NON_ASCII)
    try:
        return name, AddressLiteral.from_text(name) if name.startswith("[") else Domain.from_text(name)
    except (AddressLiteralError, DomainError):
        return name, None


def mail(line: bytes, offered: frozenset[str], *, space_after_colon: bool) -> MailFrom:
    """Read a whole MAIL line. `offered` are the parameter keywords valid in this session."""
    text = text_of(line)
    match = _MAIL.match(text)
    if match is None or (match[1] and not space_after_colon):
        raise CommandError(replies.MAIL_SYNTAX)
    found = parameters.mail_parameters(match[3], offered) if match[3] else NO_MAIL_PARAMETERS
    path = match[2]
    if not found.smtputf8 and not path.isascii():
        raise CommandError(replies.SENDER_NEEDS_SMTPUTF8)
    try:
        reverse_path = ReversePath.from_text(path)
    except PathError:
        raise CommandError(replies.SENDER_SYNTAX) from None
    return MailFrom(
        reverse_path, found.size, found.body, found.smtputf8, found.ret, found.envid, found.requiretls, found.auth
    )


def rcpt(
    line: bytes,
    offered: frozenset[str],
    *,
    space_after_colon: bool,
    smtputf8: bool,
    postmaster_at: Domain | AddressLiteral,
) -> Recipient:
    """Read a whole RCPT line. `smtputf8` tells whether MAIL carried it."""
    text = text_of(line)
    match = _RCPT.match(text)
    if match is None or (match[1] and not space_after_colon):
        raise CommandError(replies.RCPT_SYNTAX)
    if not smtputf8 and not text.isascii():
        raise CommandError(replies.RECIPIENT_NEEDS_SMTPUTF8)
    try:
        forward_path = ForwardPath.from_text(match[2], postmaster_at=postmaster_at)
    except PathError:
        raise CommandError(replies.RECIPIENT_SYNTAX) from None
    found = parameters.rcpt_parameters(match[3], offered) if match[3] else NO_RCPT_PARAMETERS
    return Recipient(forward_path, found.notify, found.orcpt)


def bdat(argument: bytes) -> tuple[int, bool] | None:
    """Read the argument of BDAT: octets of the chunk, and whether it is the last. None when it cannot be read."""
    match = _BDAT.match(argument)
    return None if match is None else (int(match[1]), match[2] is not None)
