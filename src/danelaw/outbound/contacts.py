"""Whom to write to about a domain: the person its zone names (SOA), and where it wants TLS reports (RFC 8460 §3)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain, Mailbox, MailboxError
from danelaw.dnsdata import Answer, Lookup, Question

MOST_REPORT_ADDRESSES = 4
_MOST_TEXT = 2_000
_MAX_DEPTH = 8
_FORM = re.compile(r"v=TLSRPTv1[ \t]*;(.*)\Z", re.DOTALL)
_RUA = re.compile(r"[ \t]*rua[ \t]*=(.*)\Z", re.DOTALL)
_MAILTO = re.compile(r"mailto:([^?!;,\s]{3,320})(?:[?!].*)?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Contacts:
    """Addresses of a domain. `zone_contact` is the RNAME of the zone's SOA (RFC 1035 §3.3.13), empty when none could
    be read; `reports` are the mailboxes of its TLS reports. `postmaster` exists by RFC 5321 §4.5.1.
    """

    postmaster: str
    zone_contact: str = ""
    reports: tuple[str, ...] = ()

    @property
    def of_people(self) -> tuple[str, ...]:
        """Where somebody reads: the postmaster, and whoever runs the zone."""
        return tuple(dict.fromkeys(one for one in (self.postmaster, self.zone_contact) if one))


def lookup_contacts(domain: Domain) -> Lookup[Contacts]:
    """Ask for SOA of the domain and the names above it, and for `_smtp._tls`. Failures are absences here."""
    name = domain.to_dns()
    zones = _ancestors(name)
    report: tuple[Question, ...] = ()
    with contextlib.suppress(dns.name.NameTooLong):
        report = (Question(dns.name.from_text("_smtp._tls", None).concatenate(name), dns.rdatatype.TXT),)
    answers = yield (*(Question(zone, dns.rdatatype.SOA) for zone in zones), *report)
    return Contacts(f"postmaster@{domain.ascii}", _rname(answers[: len(zones)]), _reports(answers[len(zones) :]))


def _ancestors(name: dns.name.Name) -> list[dns.name.Name]:
    found: list[dns.name.Name] = []
    while len(name) > 2 and len(found) < _MAX_DEPTH:
        found.append(name)
        name = name.parent()
    return found


def _rname(answers: Sequence[Answer]) -> str:
    """The mailbox of the closest SOA: the first label is the local part (RFC 1035 §8)."""
    for answer in answers:
        for rdata in answer.records:
            if isinstance(rdata, SOA) and len(rdata.rname) > 2:
                local = rdata.rname.labels[0].decode("latin-1")
                return _mailbox(f"{local}@{rdata.rname.parent().to_text(omit_final_dot=True)}")
    return ""


def _reports(answers: Sequence[Answer]) -> tuple[str, ...]:
    texts = [b"".join(rdata.strings) for answer in answers for rdata in answer.records if isinstance(rdata, TXT)]
    return report_mailboxes(texts)


def report_mailboxes(texts: Iterable[bytes]) -> tuple[str, ...]:
    """The `mailto:` addresses of a TLSRPT record; none where there is no record or more than one (RFC 8460 §3)."""
    records = [found[1] for text in texts if (found := _FORM.match(text[:_MOST_TEXT].decode("latin-1")))]
    if len(records) != 1:
        return ()
    values = (found[1] for field in records[0].split(";") if (found := _RUA.match(field)))
    uris = [uri.strip() for value in values for uri in value.split(",")]
    boxes = (_mailbox(found[1]) for uri in uris if (found := _MAILTO.match(uri)))
    return tuple(dict.fromkeys(box for box in boxes if box))[:MOST_REPORT_ADDRESSES]


def _mailbox(text: str) -> str:
    """An address that can stand in a field, else nothing."""
    try:
        mailbox = Mailbox.from_text(text)
    except MailboxError:
        return ""
    shown = mailbox.to_text()
    return shown if shown.isascii() else ""
