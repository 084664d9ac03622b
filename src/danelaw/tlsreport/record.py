"""The TXT record that asks for TLS reports, and asking for it (RFC 8460 §3)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain, Mailbox, MailboxError
from danelaw.dnsdata import Lookup, Question
from danelaw.errors import DanelawError
from danelaw.tlsreport.errors import ReportError

MAX_RECORD_SIZE = 4096
"""Octets of one TXT record; a real one has about fifty."""
MOST_DESTINATIONS = 5
"""Destinations of one domain that are sent reports; more would make us a tool for floods (RFC 8460 §7)."""
MOST_URI = 1024
"""Octets of one URI."""

# field-delim, tlsrpt-version and tlsrpt-extension of RFC 8460 §3, anchored where they are used.
_DELIMITER = re.compile(r"[ \t]*;[ \t]*")
_COMMA = re.compile(r"[ \t]*,[ \t]*")
_VERSION = re.compile(r"v=TLSRPTv1[ \t]*;")
_EXTENSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}=[\x21-\x3a\x3c\x3e-\x7e]+", re.ASCII)
# What RFC 3986 lets stand in a URI, without what has to be encoded here: comma, exclamation mark, semicolon.
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@$&'()*+=%]*", re.ASCII)
_LOWEST_OTHER_PORT = 1024


@dataclass(frozen=True, slots=True)
class Destination:
    """Where reports go: `uri` as it stands in the record; `mailbox` for `mailto:`, "" for `https:`, where `host` and
    `port` say whom to connect to.
    """

    uri: str
    mailbox: str = ""
    host: str = ""
    port: int = 443

    @classmethod
    def from_uri(cls, uri: str) -> Destination:
        """Read one URI of `rua=`. Raises `ReportError`."""
        return _destination(uri)


@dataclass(frozen=True, slots=True)
class RefusedDestination:
    """A URI of `rua=` that gets nothing, and why in words."""

    uri: str
    reason: str


@dataclass(frozen=True, slots=True)
class TLSRPTRecord:
    """A record: `destinations` are sent reports, `refused` are not."""

    destinations: tuple[Destination, ...]
    refused: tuple[RefusedDestination, ...] = ()

    @classmethod
    def from_text(cls, text: str) -> TLSRPTRecord:
        """Parse the text of one TXT record, its strings joined. Raises `ReportError` with what is wrong.

        Fields nobody knows are passed over; of several `rua` fields all count.
        """
        if len(text) > MAX_RECORD_SIZE:
            raise ReportError(f"the record is longer than {MAX_RECORD_SIZE} octets")
        version, *fields = _DELIMITER.split(text)
        if version != "v=TLSRPTv1":
            raise ReportError(f"the record begins with {version[:20]!r}, not v=TLSRPTv1")
        if fields and fields[-1] == "":
            fields.pop()  # the delimiter may stand at the end
        uris: list[str] = []
        for field in fields:
            if field.startswith("rua="):
                uris += _COMMA.split(field[4:])
            elif not _EXTENSION.fullmatch(field):
                raise ReportError(f"{field[:40]!r} is no name=value field")
        if not uris:
            raise ReportError("the record has no rua")
        return _record(dict.fromkeys(uris))


def _record(uris: dict[str, None]) -> TLSRPTRecord:
    found: list[Destination] = []
    refused: list[RefusedDestination] = []
    for uri in uris:
        try:
            destination = _destination(uri)
        except DanelawError as error:
            refused.append(RefusedDestination(uri[:MOST_URI], error.reason))
            continue
        if len(found) == MOST_DESTINATIONS:
            refused.append(RefusedDestination(uri, f"reports are sent to {MOST_DESTINATIONS} destinations at most"))
        else:
            found.append(destination)
    return TLSRPTRecord(tuple(found), tuple(refused))


def _destination(uri: str) -> Destination:
    if len(uri) > MOST_URI:
        raise ReportError(f"the URI has more than {MOST_URI} octets")
    if not _URI.fullmatch(uri):
        raise ReportError("it is no URI, or has a comma, exclamation mark or semicolon that is not encoded")
    scheme, _, rest = uri.partition(":")
    if scheme.lower() == "mailto":
        return Destination(uri, mailbox=_mailbox(rest))
    if scheme.lower() == "https":
        return Destination(uri, "", *_host(uri))
    raise ReportError("only mailto and https are supported")


def _mailbox(text: str) -> str:
    """The one address of a `mailto` URI (RFC 6068 §2); its header fields are ours to write, and left out."""
    address = unquote(text.partition("?")[0], errors="strict") if _decodes(text) else ""
    try:
        mailbox = Mailbox.from_text(address)
    except MailboxError:
        raise ReportError("it names no mail address") from None
    if not isinstance(mailbox.domain, Domain):
        raise ReportError("the address has no domain name behind the @")
    return mailbox.to_text()


def _decodes(text: str) -> bool:
    try:
        decoded = unquote(text.partition("?")[0], errors="strict")
    except UnicodeDecodeError:
        return False
    return decoded.isprintable()


def _host(uri: str) -> tuple[str, int]:
    """Host and port; numbers for hosts and names within us are nobody's reporting endpoint."""
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ReportError("host or port cannot be read") from None
    if parts.username is not None or parts.password is not None:
        raise ReportError("a URI with a user name is not followed")
    if port is not None and port != 443 and port < _LOWEST_OTHER_PORT:
        raise ReportError(f"port {port} is no port for HTTPS")
    try:
        domain = Domain.from_text(host)
    except DanelawError:
        raise ReportError("it names no host") from None
    if domain.ascii.rpartition(".")[2].isdecimal() or "." not in domain.ascii:
        raise ReportError("its host is no domain name")
    return domain.ascii, port or 443


def select(texts: Sequence[str]) -> TLSRPTRecord | None:
    """The one record among the TXT records of a name, None when there is none or more than one (RFC 8460 §3).

    Raises `ReportError` for a record with a mistake in it.
    """
    candidates = [text for text in texts if _VERSION.match(text)]
    return TLSRPTRecord.from_text(candidates[0]) if len(candidates) == 1 else None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who wants reports about a domain: `record`, None when nobody does; `reason` in words why. `undecided`: DNS does
    not say it now; `faulty`: somebody does, and his records do not say whom to send them to.
    """

    record: TLSRPTRecord | None
    reason: str = ""
    undecided: bool = False
    faulty: bool = False


def lookup_record(policy_domain: Domain) -> Lookup[Wanted]:
    """Ask for the TXT record at `_smtp._tls.` of a policy domain. A failure is never taken for absence."""
    try:
        name = dns.name.from_text("_smtp._tls", None).concatenate(policy_domain.to_dns())
    except dns.name.NameTooLong:
        return Wanted(None, f"_smtp._tls.{policy_domain} is too long for a name")
    (answer,) = yield (Question(name, dns.rdatatype.TXT),)
    where = str(name).rstrip(".")
    if answer.failed:
        why = answer.reason or (dns.rcode.to_text(answer.rcode) if answer.rcode else answer.status.value)
        return Wanted(None, f"{where} cannot be looked up: {why}", undecided=True)
    texts = [b"".join(rdata.strings).decode("latin-1") for rdata in answer.records if isinstance(rdata, TXT)]
    return wanted_by(texts, where)


def wanted_by(texts: Sequence[str], where: str) -> Wanted:
    """What the TXT records at a name say; `where` is the name in words."""
    try:
        record = select(texts)
    except ReportError as error:
        return Wanted(None, f"the record at {where} is not valid: {error.reason}", faulty=True)
    if record is None:
        number = sum(1 for text in texts if _VERSION.match(text))
        found = f"{number} TLSRPT records" if number else "no TLSRPT record"
        return Wanted(None, f"{found} at {where}", faulty=number > 1)
    return Wanted(record, faulty=not record.destinations)
