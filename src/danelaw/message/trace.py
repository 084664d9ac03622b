"""Trace fields: Received and Return-Path (RFC 5321 §4.4, RFC 6531 §3.7.3, RFC 8314 §4.3)."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.message.ciphers import registered_name
from danelaw.message.date import format_date
from danelaw.message.errors import FieldError
from danelaw.message.header import Header

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DOMAIN = re.compile(r"[^\x00-\x20\x7f-\xa0()<>\[\]:;@\\,\"]{1,255}\Z")
_LITERAL = re.compile(r"\[[0-9A-Za-z:.\-]{1,255}\]\Z", re.ASCII)
_ATOM = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{1,250}\Z", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9_.\-]{1,64}\Z", re.ASCII)
_LINE = 78  # RFC 5322 §2.1.1


def with_protocol(*, extended: bool, tls: bool = False, authenticated: bool = False, smtputf8: bool = False) -> str:
    """The registered `with` type: SMTP, ESMTP, ESMTPS, ESMTPSA, UTF8SMTPS … (RFC 3848 §1, RFC 6531 §4.3).

    TLS, authentication and SMTPUTF8 exist only after EHLO, so they imply it.
    """
    if not (extended or tls or authenticated or smtputf8):
        return "SMTP"
    base = "UTF8SMTP" if smtputf8 else "ESMTP"
    return base + ("S" if tls else "") + ("A" if authenticated else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """What the Received fields of one client's messages have in common; `to_bytes` adds what is each message's own.

    `helo` as the client gave it, `client_address` an IP address, `client_name` its verified reverse name;
    `by` our host name; `protocol` from `with_protocol`; `cipher` by OpenSSL's or the registered name, `group` the key
    exchange group, `tls_version` such as "TLSv1.3". Raises `FieldError` for a `by` or `protocol` that would break the
    field; what the client chose is never trusted: it is left out or quoted when it does not fit.
    """

    helo: str
    client_address: str
    by: str
    protocol: str
    client_name: str | None = None
    cipher: str | None = None
    group: str | None = None
    tls_version: str | None = None
    offset_minutes: int = 0
    _begin: str = dataclasses.field(init=False, repr=False, compare=False)
    _by: str = dataclasses.field(init=False, repr=False, compare=False)
    _tls: tuple[str, ...] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Folded and checked once per client, since a busy one sends many messages.
        if not _DOMAIN.match(self.by) or not _ATOM.match(self.protocol):
            raise FieldError(f"{self.by!r} or {self.protocol!r} cannot stand in a Received field")
        known = self.tls_version is not None and _GROUP.match(self.tls_version)
        version = f" ({self.tls_version})" if known else ""
        begin = f"Received: {_from(self.helo, self.client_address, self.client_name)}"
        object.__setattr__(self, "_begin", begin + "\r\n")
        object.__setattr__(self, "_by", _fold("", (f"by {self.by}", f"with {self.protocol}{version}")))
        object.__setattr__(self, "_tls", _tls(self.cipher, self.group))

    def to_bytes(self, ident: str, when: float, recipient: str | None = None) -> bytes:
        """The field with its name, folded, CRLF at its end.

        `ident` is our queue id, `when` POSIX seconds, `recipient` only for a message with one recipient (a list would
        betray the others). Raises `FieldError` for an id that would break the field.
        """
        if not _ATOM.match(ident):
            raise FieldError(f"the id {ident!r} cannot stand in a Received field")
        clauses = [f"id {ident}"]
        if recipient is not None and len(recipient) <= 320 and not _CONTROLS.search(recipient):
            clauses.append(f"for <{recipient.strip('<>')}>")
        clauses += self._tls
        clauses[-1] += ";"
        folded = _fold(self._by, clauses)
        return f"{self._begin}{folded}\r\n\t{format_date(when, self.offset_minutes)}\r\n".encode()


def _from(helo: str, client_address: str, client_name: str | None) -> str:
    """From-domain with TCP-info: what the client said first, what we saw in parentheses."""
    seen = _literal(client_address)
    if client_name is not None and _DOMAIN.match(client_name):
        seen = f"{client_name} {seen}"
    if _DOMAIN.match(helo) or _LITERAL.match(helo):
        return f"from {helo} ({seen})"
    return f"from {_literal(client_address)} ({seen}) (HELO {_quoted(helo)})"


def _tls(cipher: str | None, group: str | None) -> tuple[str, ...]:
    """RFC 8314 §4.3: `tls` with the registered cipher name, then `group`; nothing when the name is unknown."""
    name = registered_name(cipher) if cipher is not None else None
    if name is None:
        return ()
    known_group = f" group {group}" if group is not None and _GROUP.match(group) else ""
    return (f"tls {name}{known_group}",)


def return_path(path: str) -> bytes:
    """`Return-Path: <path>`, for final delivery only (RFC 5321 §4.4); `path` with or without brackets.

    Raises `FieldError` for control characters.
    """
    if _CONTROLS.search(path):
        raise FieldError(f"{path!r} cannot stand in a Return-Path field")
    return f"Return-Path: <{path.removeprefix('<').removesuffix('>')}>\r\n".encode()


def field(name: str, value: str) -> bytes:
    """Any other field on one line, CRLF at its end, UTF-8 (RFC 6532 §3.2).

    Raises `FieldError` for a name that is no field name, control characters, or more than 998 octets.
    """
    if not re.fullmatch(r"[!-9;-~]+", name):
        raise FieldError(f"{name!r} is not a field name")
    if _CONTROLS.search(value.replace("\t", " ")):
        raise FieldError(f"the value of {name} contains control characters")
    line = f"{name}: {value}".encode()
    if len(line) > 998:
        raise FieldError(f"the value of {name} is longer than a line may be (RFC 5322 §2.1.1)")
    return line + b"\r\n"


def prepend(message: bytes, fields: Iterable[bytes]) -> bytes:
    """The message with whole fields (each ending with CRLF) on top, in the given order; the rest untouched."""
    return b"".join((*fields, message))


def passed_before(header: Header, by: str) -> int:
    """How many Received fields were written by this host: more than a few mean a loop (RFC 5321 §6.3)."""
    pattern = re.compile(rb"(?:^|[\s)])by\s+" + re.escape(by.encode()) + rb"(?=[\s;(]|\Z)", re.IGNORECASE)
    return sum(1 for found in header.all("Received") if pattern.search(found.value))


def _literal(address: str) -> str:
    if not re.fullmatch(r"[0-9A-Fa-f:.]{2,45}", address):
        return "[unknown]"
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _quoted(text: str) -> str:
    """Text from outside as the content of a comment (RFC 5322 §3.2.2)."""
    plain = _CONTROLS.sub("?", text[:100])
    return re.sub(r"([()\\])", r"\\\1", plain)


def _fold(begun: str, clauses: Iterable[str]) -> str:
    """Clauses on lines of at most 78 characters where they fit, each line begun with a tab; `begun` stands before."""
    lines = begun
    room = _LINE - (len(begun) - begun.rfind("\n") - 1) if begun else -1
    for clause in clauses:
        needed = len(clause) + 1
        if needed <= room:
            lines += f" {clause}"
            room -= needed
        else:
            lines += f"\r\n\t{clause}" if lines else f"\t{clause}"
            room = _LINE - needed
    return lines
