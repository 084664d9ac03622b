"""What is asked: an address or a domain, within a deadline; read from a query or from JSON (RFC 8259)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from danelaw.address import Domain, DomainError, Mailbox, MailboxError
from danelaw.errors import DanelawError

MOST_BODY = 64 << 10
"""Octets of a bulk request."""
_MOST_DEPTH = 4
_MOST_FIELDS = 8
_PARAMETERS = frozenset({"address", "domain", "deadline"})


class EnquiryError(DanelawError, ValueError):
    """The request asks for nothing that could be answered."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A domain, and the address in it when one was given."""

    domain: Domain
    mailbox: Mailbox | None = None

    @classmethod
    def from_text(cls, text: str) -> Subject:
        """`anna@example.org` or `example.org`. Raises `EnquiryError`; address literals have nothing to be judged."""
        if len(text) > 512:
            raise EnquiryError("this is too long for an address")
        try:
            if "@" not in text:
                return cls(Domain.from_text(text))
            mailbox = Mailbox.from_text(text)
        except (MailboxError, DomainError) as error:
            raise EnquiryError(error.reason) from None
        if not isinstance(mailbox.domain, Domain):
            raise EnquiryError("an address literal has neither DANE nor MTA-STS")
        return cls(mailbox.domain, mailbox)


@dataclass(frozen=True, slots=True)
class Enquiry:
    """Texts to be answered one by one, and the deadline in seconds, None for the usual one. `single` tells whether one
    answer is wanted, and not a list.
    """

    texts: tuple[str, ...]
    deadline: float | None = None
    single: bool = True

    @classmethod
    def from_query(cls, query: str) -> Enquiry:
        """From what follows `?`. A plus sign is itself, as it stands in many addresses. Raises `EnquiryError`."""
        found: dict[str, str] = {}
        pairs = query.split("&") if query else []
        if len(pairs) > _MOST_FIELDS:
            raise EnquiryError("too many parameters")
        for pair in pairs:
            name, _, value = pair.partition("=")
            if name not in _PARAMETERS:
                raise EnquiryError(f"there is no parameter {name[:40]!r}", advice="ask with address= or domain=")
            if name in found:
                raise EnquiryError(f"{name} stands twice")
            try:
                found[name] = unquote(value, errors="strict")
            except UnicodeDecodeError:
                raise EnquiryError(f"{name} is not UTF-8") from None
        if ("address" in found) == ("domain" in found):
            raise EnquiryError("ask for one address or one domain", advice="/v1/safety?address=anna@example.org")
        text = found.get("address", found.get("domain", ""))
        if ("@" in text) != ("address" in found):
            raise EnquiryError("address= takes an address, domain= a domain")
        return cls((text,), _deadline(found.get("deadline")))

    @classmethod
    def from_json(cls, body: bytes, most: int) -> Enquiry:
        """A list of addresses and domains, or `{"subjects": [...], "deadline": "2s"}`. Raises `EnquiryError`."""
        if _depth(body) > _MOST_DEPTH:
            raise EnquiryError("the JSON is nested too deeply")
        try:
            read: Any = json.loads(body)
        except (ValueError, RecursionError):
            raise EnquiryError("this is not JSON") from None
        deadline = None
        if isinstance(read, dict):
            unknown = set(read) - {"subjects", "deadline"}
            if unknown:
                raise EnquiryError(f"there is no member {min(unknown)[:40]!r}")
            given = read.get("deadline")
            if given is not None and not isinstance(given, str):
                raise EnquiryError('deadline is text, such as "2s"')
            deadline, read = _deadline(given), read.get("subjects")
        if not isinstance(read, list) or not all(isinstance(one, str) for one in read):
            raise EnquiryError("a list of addresses and domains is wanted", advice='["anna@example.org"]')
        if not 1 <= len(read) <= most:
            raise EnquiryError(f"between 1 and {most} at once")
        return cls(tuple(read), deadline, single=False)


def _deadline(text: str | None) -> float | None:
    """`2s`, `500ms` or `1.5`, in seconds."""
    if text is None:
        return None
    number, factor = (text[:-2], 0.001) if text.endswith("ms") else (text.removesuffix("s"), 1.0)
    if not number or len(number) > 6 or not number.isascii() or not number.replace(".", "", 1).isdigit():
        raise EnquiryError(f"{text[:20]!r} is no deadline", advice='write "2s" or "500ms"')
    return float(number) * factor


def _depth(body: bytes) -> int:
    """How deeply lists and objects are nested at most; brackets within strings do not count."""
    deepest = depth = 0
    inside = escaped = False
    for octet in body:
        if inside:
            if escaped:
                escaped = False
            elif octet == 0x5C:
                escaped = True
            elif octet == 0x22:
                inside = False
        elif octet == 0x22:
            inside = True
        elif octet in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif octet in b"]}":
            depth -= 1
    return deepest
