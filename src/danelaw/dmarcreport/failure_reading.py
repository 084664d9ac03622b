"""Failure reports of others taken apart: a mail with fields about one failed message, and its header (RFC 9991 §4).

The form is that of abuse reports (RFC 5965 §2): words for people, a part `message/feedback-report`, and the message or
its header. Nothing of the message's body is looked at.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from danelaw.address import Domain, DomainError
from danelaw.dmarcreport.errors import ReportError
from danelaw.dmarcreport.failure import MOST_HEADER, redacted
from danelaw.message import Header, HeaderTooLarge, MessageLimit, Part, hide_localparts, truncate

MOST_FIELDS_OCTETS = 64 << 10
"""Octets of the fields of a report that are looked at; more is no report."""
MOST_FIELDS = 200
LONGEST_VALUE = 1000
"""Characters of one value that are kept."""
_MOST_PARTS = 50
_MOST_REPEATED = 20
_MOST_INCIDENTS = 10**9
_READ = 64 << 10
KINDS = ("adsp", "bodyhash", "dmarc", "revoked", "signature", "spf")
"""What may have failed (RFC 6591 §3.1, RFC 9991 §4)."""
DELIVERIES = ("delivered", "spam", "policy", "reject", "other")
"""What became of the message (RFC 6591 §3.2.2)."""
_METHODS = ("dkim", "spf")
_REPORT = "message/feedback-report"
_HEADERS = frozenset({"text/rfc822-headers", "message/rfc822", "message/global", "message/global-headers"})
_DOMAIN = re.compile(r"@([A-Za-z0-9._-]{1,255})")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureReport:
    """One failed message, as somebody tells it. Texts are cut at `LONGEST_VALUE`, unknown words are in `remarks`.

    `reporter` is the domain in From of the mail, `kind` what failed (one of `KINDS`, or ""), `failed` the methods that
    gave no aligned identifier, `delivery` what became of the message (one of `DELIVERIES`, or ""), `source_ip` its
    client (or ""), `incidents` how many messages the report stands for. `header` is of the failed message, at most 16
    KiB.
    """

    reporter: str
    domain: str
    kind: str = ""
    source_ip: str = ""
    failed: tuple[str, ...] = ()
    delivery: str = ""
    incidents: int = 1
    results: str = ""
    arrival_date: str = ""
    mail_from: str | None = None
    recipients: tuple[str, ...] = ()
    dkim_domain: str = ""
    dkim_selector: str = ""
    dkim_identity: str = ""
    spf_dns: tuple[str, ...] = ()
    user_agent: str = ""
    header: bytes = b""
    remarks: tuple[str, ...] = ()

    def without_persons(self) -> FailureReport:
        """The same with local-parts hidden, and of the header only what says how the message failed (RFC 6590)."""
        return replace(
            self,
            results=hide_localparts(self.results),
            mail_from=None if self.mail_from is None else hide_localparts(self.mail_from),
            recipients=tuple(hide_localparts(one) for one in self.recipients),
            dkim_identity=hide_localparts(self.dkim_identity),
            spf_dns=tuple(hide_localparts(one) for one in self.spf_dns),
            header=redacted(self.header),
        )


def read_failure_mail(message: bytes) -> FailureReport | None:
    """The failure report that a mail is, None where it is none. Raises `ReportError` for one that cannot be used."""
    whole = Part.from_octets(message)
    fields: Part | None = None
    header: Part | None = None
    for part in _parts(whole):
        if fields is None and part.content_type.value == _REPORT:
            fields = part
        elif header is None and part.content_type.value in _HEADERS:
            header = part
    if fields is None:
        return None
    try:
        told = Header.from_bytes(
            fields.content(max_octets=MOST_FIELDS_OCTETS).strip() + b"\r\n", max_fields=MOST_FIELDS
        )
    except (MessageLimit, HeaderTooLarge) as error:
        raise ReportError(error.reason) from None
    author = whole.header.first("From")
    return _Reading(told).report(
        _domain_in(author.decoded) if author is not None else "", b"" if header is None else _header_of(header)
    )


def _parts(whole: Part) -> Iterator[Part]:
    """The parts in their order, without looking into messages within it."""
    pending, given = [whole], 0
    while pending and given < _MOST_PARTS:
        part = pending.pop()
        given += 1
        yield part
        if part.is_multipart:
            pending.extend(reversed(part.parts))


def _header_of(part: Part) -> bytes:
    """Whole fields of the failed message's header, from the top."""
    octets = b""
    for piece in part.decoded():
        octets += piece
        if len(octets) >= _READ:
            break
    try:
        header = Header.from_bytes(octets[:_READ], max_octets=_READ)
    except HeaderTooLarge:
        return b""
    return truncate(header, MOST_HEADER)


def _domain_in(text: str) -> str:
    found = _DOMAIN.search(text)
    return _domain(found[1]) if found else ""


def _domain(text: str) -> str:
    try:
        return Domain.from_text(text.strip()).ascii
    except DomainError:
        return ""


class _Reading:
    """The fields of one report, and what is odd about them."""

    def __init__(self, fields: Header) -> None:
        self._fields = fields
        self._remarks: list[str] = []

    def report(self, reporter: str, header: bytes) -> FailureReport:
        kind = self._text("Feedback-Type").lower()
        if kind != "auth-failure":
            raise ReportError(f"it is a feedback report of type {kind[:40]!r}, not about authentication")
        mail_from = self._fields.first("Original-Mail-From")
        return FailureReport(
            reporter=reporter,
            domain=self._reported(header),
            kind=self._word("Auth-Failure", KINDS),
            source_ip=self._checked("Source-IP", _address, "no address"),
            failed=self._methods(),
            delivery=self._word("Delivery-Result", DELIVERIES),
            incidents=self._incidents(),
            results=self._text("Authentication-Results"),
            arrival_date=self._text("Arrival-Date") or self._text("Received-Date"),
            mail_from=None if mail_from is None else _printed(mail_from.decoded).strip("<> "),
            recipients=tuple(one.strip("<> ") for one in self._texts("Original-Rcpt-To")),
            dkim_domain=self._text("DKIM-Domain"),
            dkim_selector=self._text("DKIM-Selector"),
            dkim_identity=self._text("DKIM-Identity"),
            spf_dns=self._texts("SPF-DNS"),
            user_agent=self._text("User-Agent"),
            header=header,
            remarks=tuple(self._remarks),
        )

    def _texts(self, name: str) -> tuple[str, ...]:
        return tuple(_printed(field.decoded) for field in self._fields.all(name)[:_MOST_REPEATED])

    def _text(self, name: str) -> str:
        field = self._fields.first(name)
        return "" if field is None else _printed(field.decoded)

    def _checked(self, name: str, check: Callable[[str], str], words: str) -> str:
        text = self._text(name)
        found = check(text) if text else ""
        if not found:
            self._remarks.append(f"{name} is {words if text else 'missing'}")
        return found

    def _word(self, name: str, known: tuple[str, ...]) -> str:
        text = self._text(name).lower()
        if text in known:
            return text
        if text:
            self._remarks.append(f"{name} is {text[:40]!r}")
        return ""

    def _methods(self) -> tuple[str, ...]:
        words = [word.strip() for word in self._text("Identity-Alignment").lower().split(",")]
        odd = [word for word in words if word and word not in (*_METHODS, "none")]
        if odd:
            self._remarks.append(f"Identity-Alignment names {odd[0][:40]!r}")
        return tuple(method for method in _METHODS if method in words)

    def _incidents(self) -> int:
        text = self._text("Incidents")
        if not text:
            return 1
        if text.isascii() and text.isdecimal() and len(text) <= 10 and 1 <= int(text) <= _MOST_INCIDENTS:
            return int(text)
        self._remarks.append(f"Incidents is {text[:40]!r}")
        return 1

    def _reported(self, header: bytes) -> str:
        """Whose mail it is about; of a report that does not say it, whoever stands in From."""
        domain = self._checked("Reported-Domain", _domain, "no domain name")
        if domain:
            return domain
        author = Header.from_bytes(header + b"\r\n").all("From")
        domain = _domain_in(author[0].decoded) if len(author) == 1 else ""
        if not domain:
            raise ReportError("it does not say which domain it is about")
        return domain


def _printed(text: str) -> str:
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text[:LONGEST_VALUE]).strip()


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text.strip("[] ").removeprefix("IPv6:")))
    except ValueError:
        return ""
