"""Trace fields: Received and Return-Path (RFC 5321 §4.4, RFC 6531 §3.7.3, RFC 8314 §4.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

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
    """What a Received field says.

    `helo` as the client gave it, `client_address` an IP address, `client_name` its verified reverse name;
    `by` our host name; `protocol` from `with_protocol`; `ident` our queue id; `recipient` only for a message with
    one recipient (a list would betray the others); `cipher` by OpenSSL's or the registered name, `group` the
    key exchange group, `tls_version` such as "TLSv1.3"; `when` POSIX seconds.
    """

    helo: str
    client_address: str
    by: str
    protocol: str
    ident: str
    when: float
    client_name: str | None = None
    recipient: str | None = None
    cipher: str | None = None
    group: str | None = None
    tls_version: str | None = None
    offset_minutes: int = 0

    def to_bytes(self) -> bytes:
        """The field with its name, folded, CRLF at its end.

        Raises `FieldError` for a host name, protocol or id that would break the field. What the client chose
        (`helo`, `client_name`, `recipient`) is never trusted: it is left out or quoted when it does not fit.
        """
        if not _ATOM.match(self.ident):
            raise FieldError(f"the id {self.ident!r} cannot stand in a Received field")
        begin, by, tls = _unchanging(
            self.helo,
            self.client_address,
            self.client_name,
            self.by,
            self.protocol,
            self.tls_version,
            self.cipher,
            self.group,
        )
        clauses = [*by, f"id {self.ident}"]
        if self.recipient is not None and not _CONTROLS.search(self.recipient) and len(self.recipient) <= 320:
            clauses.append(f"for <{self.recipient.strip('<>')}>")
        clauses += tls
        clauses[-1] += ";"
        return f"{_fold(begin, clauses)}\r\n\t{format_date(self.when, self.offset_minutes)}\r\n".encode()


@lru_cache(maxsize=2048)
def _unchanging(
    helo: str,
    client_address: str,
    client_name: str | None,
    by: str,
    protocol: str,
    tls_version: str | None,
    cipher: str | None,
    group: str | None,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """The clauses that are the same for all messages of one connection: from, by and with, TLS."""
    if not _DOMAIN.match(by) or not _ATOM.match(protocol):
        raise FieldError(f"{by!r} or {protocol!r} cannot stand in a Received field")
    version = f" ({tls_version})" if tls_version is not None and _GROUP.match(tls_version) else ""
    begin = ("Received:", _from(helo, client_address, client_name))
    return begin, (f"by {by}", f"with {protocol}{version}"), _tls(cipher, group)


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


def _fold(first: tuple[str, ...], clauses: list[str]) -> str:
    lines = [" ".join(first)]
    for clause in clauses:
        if len(lines[-1]) + 1 + len(clause) <= _LINE and len(lines) > 1:
            lines[-1] += " " + clause
        else:
            lines.append("\t" + clause)
    return "\r\n".join(lines)
