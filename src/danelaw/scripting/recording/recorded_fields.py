"""What the header of a recorded message says about how it came: by whom, for whom, when, and what was thought of it.

Everything here may be missing, or forged: it is for judging old mail once more, and decides nothing about mail that
passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NamedTuple

from danelaw.authres import AuthenticationResults, FieldTooLarge
from danelaw.authres.claims import claimed
from danelaw.errors import DanelawError
from danelaw.message import Field, Header, author_addresses, mailboxes
from danelaw.policy import Address, Finding, Origin, Signature

MOST_RECIPIENTS = 1000
LONGEST = 4096
"""Octets of a Received field that are looked at."""
_FROM = re.compile(r"from\s+(\S{1,255})", re.IGNORECASE)
_IP = re.compile(r"\[(?:IPv6:)?([0-9A-Fa-f.:]{2,45})\]", re.IGNORECASE)
_HELO = re.compile(r"\(HELO \"?([^\s\")]{1,255})", re.IGNORECASE)
_WITH = re.compile(r"\swith\s+((?:UTF8)?E?SMTPS?A?|LMTPS?A?)\b(?:\s+\((TLSv1\.[0-3])\))?", re.IGNORECASE)
_CIPHER = re.compile(r"\stls\s+(TLS_[A-Z0-9_]{1,60})")
_SENDERS = ("X-Envelope-From", "Return-Path")
_RECIPIENTS = ("X-Envelope-To", "X-Original-To", "Delivered-To")


class Arrived(NamedTuple):
    """What a Received field says: the client's name in HELO and address, the protection, and POSIX seconds, None for
    what it does not say.
    """

    helo: str = ""
    address: str = ""
    extended: bool = True
    tls: tuple[str, str] | None = None
    at: float | None = None


def received(field: Field | None) -> Arrived:
    """Read a Received field (RFC 5321 §4.4), as much as can be; never raises."""
    if field is None:
        return Arrived()
    text = field.value[:LONGEST].decode("utf-8", "replace")
    clauses, _, date = text.rpartition(";")
    name, within, seen = _FROM.match(clauses), _WITH.search(clauses), _HELO.search(clauses)
    helo = seen.group(1) if seen is not None else name.group(1) if name is not None else ""
    word = within.group(1).upper() if within is not None else ""
    tls = None
    if "S" in word.removeprefix("UTF8").replace("SMTP", ""):
        cipher = _CIPHER.search(clauses)
        version = within.group(2) if within is not None and within.group(2) else "TLS"
        tls = (version, cipher.group(1) if cipher is not None else "")
    return Arrived(helo, _address(clauses), "E" in word or not word, tls, _moment(date))


def _address(clauses: str) -> str:
    for found in _IP.finditer(clauses.partition(" by ")[0]):
        try:
            return str(ip_address(found.group(1)))
        except ValueError:
            continue
    return ""


def _moment(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date.strip()).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def sender(header: Header) -> Address | None:
    """The envelope sender: of X-Envelope-From, else Return-Path; None where neither stands there."""
    for name in _SENDERS:
        field = header.first(name)
        if field is not None:
            found = _addresses((field,))
            return found[0] if found else Address("")
    return None


def recipients(header: Header) -> tuple[tuple[Address, ...], bool]:
    """Envelope recipients: of X-Envelope-To, X-Original-To or Delivered-To, else of To and Cc; and whether they are of
    the envelope.
    """
    for name in _RECIPIENTS:
        found = _addresses(header.all(name))
        if found:
            return found, True
    return _addresses((*header.all("To"), *header.all("Cc"))), False


def _addresses(fields: Iterable[Field]) -> tuple[Address, ...]:
    found: dict[Address, None] = {}
    for field in fields:
        try:
            boxes = mailboxes(field.body[: LONGEST * 16]).mailboxes
        except DanelawError:
            continue
        found.update(dict.fromkeys(Address(box.address) for box in boxes))
    return tuple(found)[:MOST_RECIPIENTS]


def origin_in(header: Header, authserv_ids: Iterable[str]) -> Origin | None:
    """What our own Authentication-Results field says, the topmost one that carries an id of ours; None without."""
    fields = claimed(header, authserv_ids)
    if not fields:
        return None
    try:
        found = AuthenticationResults.from_bytes(fields[0].body)
    except FieldTooLarge:
        return None

    def named(method: str, ptype: str, name: str) -> str:
        held = (one for result in found.of(method) for one in result.properties)
        return next((one.value for one in held if (one.ptype, one.name) == (ptype, name)), "")

    def result(method: str) -> str:
        return next((one.result for one in found.of(method)), "none")

    spf = [one for one in found.of("spf") if any(held.name == "mailfrom" for held in one.properties)]
    helo = [one for one in found.of("spf") if any(held.name == "helo" for held in one.properties)]
    signatures = tuple(
        Signature(
            one.result,
            next((held.value for held in one.properties if held.name == "d"), ""),
            next((held.value for held in one.properties if held.name == "s"), ""),
            one.reason,
        )
        for one in found.of("dkim")
        if one.result != "none"
    )
    return Origin(
        spf[0].result if spf else "none",
        named("spf", "smtp", "mailfrom").rpartition("@")[2],
        helo[0].result if helo else "none",
        signatures,
        result("dmarc"),
        named("dmarc", "header", "from"),
        named("dmarc", "policy", "dmarc"),
        result("arc"),
        author(header),
    )


def origin_of(findings: Iterable[Finding], header: Header) -> Origin | None:
    """What the step `origin` found, from the findings that are kept with a message; None where it was not asked."""
    results = {"SPF": "none", "ARC": "none", "DMARC": "none"}
    domains, signatures, asked = {"SPF": "", "DMARC": ""}, [], False
    for one in findings:
        method, _, rest = one.reason.partition(" of ")
        subject, _, reason = rest.partition(": ")
        if one.step != "origin":
            continue
        if one.reason.startswith("ARC: "):
            results["ARC"] = one.result
        elif method in domains:
            asked, results[method], domains[method] = True, one.result, subject.rpartition("@")[2]
        elif method == "DKIM":
            signatures.append(Signature(one.result, "" if subject == "a broken field" else subject, "", reason))
    if not asked:
        return None
    domain = "" if domains["DMARC"] == "no author" else domains["DMARC"]
    return Origin(
        results["SPF"], domains["SPF"], "none", tuple(signatures), results["DMARC"], domain, "", results["ARC"],
        author(header),
    )  # fmt: skip


def author(header: Header) -> Address:
    """The author as DMARC reads the From field; empty where it cannot be read in one way only."""
    found = author_addresses((one.name, one.raw) for one in header.all("From"))
    return Address("" if found.ambiguous or not found.mailboxes else found.mailboxes[0].address)
