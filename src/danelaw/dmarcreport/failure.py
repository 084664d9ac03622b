"""Failure reports: one message that failed, told to the owner of its author's domain (RFC 9991, RFC 6591).

Nothing of the body goes into one, and of the header only fields that say how it failed, local-parts hidden.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.authentication import Action, Decision, Verdicts
from danelaw.dkim import DKIMResult, DKIMVerdict
from danelaw.dmarc import PSD, DMARCResult
from danelaw.dnsdata import Answer
from danelaw.message import (
    Field,
    Header,
    format_date,
    hide_localparts,
    hide_localparts_in,
    keep_fields,
    text_entity,
    text_field,
    truncate,
)
from danelaw.spf import SPFResult

MOST_HEADER = 16_384
"""Octets of the header that are sent back."""
_SHOWN = frozenset({b"from", b"sender", b"date", b"message-id", b"mime-version", b"list-id", b"dkim-signature",
                    b"content-type", b"content-transfer-encoding"})  # fmt: skip
_PEOPLE = frozenset({b"from", b"sender"})
# Copies of header fields, subject and all, may stand in a signature (RFC 6376 §3.5, `z=`).
_COPIED = re.compile(rb";[ \t\r\n]*z[ \t\r\n]*=[^;]*")
_DOMAIN = re.compile(rb"@([A-Za-z0-9._-]{1,255})")
_UNFOLDABLE = re.compile(r"[^\x21-\x7e ]")
_LINK = re.compile(rb"(?i)http(s?)://")
_SENTENCE = "This is an authentication failure report (RFC 9991) about a message received from {ip} on {date}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One thing to report; `kind` is the word of Auth-Failure: dmarc, signature, bodyhash or spf."""

    kind: str
    verdict: DKIMVerdict | None = None


def failures(verdicts: Verdicts) -> tuple[Failure, ...]:
    """What the options of fo= ask for about this message (RFC 9989 §4.7); nothing for PSDs (RFC 9991 §2), nothing where
    DNS left open what the message is.
    """
    dmarc, record = verdicts.dmarc, verdicts.dmarc.record
    if record is None or not record.ruf or record.psd is PSD.YES:
        return ()
    if dmarc.result not in (DMARCResult.FAIL, DMARCResult.PASS):
        return ()
    options, found = record.failure_options, list[Failure]()
    passed = {one.method for one in dmarc.aligned}
    broken = [one for one in verdicts.signatures if one.result is DKIMResult.FAIL and one.domain and one.selector]
    if ("1" in options and passed != {"dkim", "spf"}) or ("0" in options and not passed):
        found.append(Failure(kind="dmarc"))
    if "d" in options and broken:
        body = "body" in broken[0].reason
        found.append(Failure(kind="bodyhash" if body else "signature", verdict=broken[0]))
    if "s" in options and verdicts.spf.result in (SPFResult.FAIL, SPFResult.SOFTFAIL):
        found.append(Failure(kind="spf"))
    return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureMail:
    """How to send one: `reporter` is our own name, `sender` the address in From, `to` who get it."""

    reporter: str
    sender: str
    to: tuple[str, ...]
    user_agent: str

    def build(
        self,
        failure: Failure,
        verdicts: Verdicts,
        decision: Decision,
        header: bytes,
        *,
        arrived: float,
        incidents: int = 1,
        date: float,
        message_id: str,
        boundary: str,
    ) -> bytes:
        """The whole message, not signed yet. `header` is the failed message's; `incidents` counts those like it that
        this report stands for. Times in POSIX seconds.
        """
        mark = f"--{boundary}".encode("ascii")
        ip = verdicts.transaction.ip
        lines = (
            f"From: <{self.sender}>\r\n".encode(),
            "To: {}\r\n".format(",\r\n\t".join(f"<{one}>" for one in self.to)).encode(),
            text_field("Subject", f"DMARC failure report for {verdicts.dmarc.domain}"),
            f"Date: {format_date(date)}\r\nMessage-ID: {message_id}\r\n".encode("ascii"),
            b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
            b"Content-Type: multipart/report; report-type=feedback-report;\r\n",
            f'\tboundary="{boundary}"\r\n'.encode("ascii"),
        )
        fields = "".join(self._fields(failure, verdicts, decision, arrived, incidents)).encode("ascii")
        parts = (
            text_entity(_SENTENCE.format(ip=ip, date=format_date(arrived)) + "\n"),
            b"Content-Type: message/feedback-report\r\n\r\n" + fields,
            b"Content-Type: text/rfc822-headers\r\n\r\n" + redacted(header),
        )
        body = b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts)
        return b"".join(lines) + b"\r\n" + body + mark + b"--\r\n"

    def _fields(
        self, failure: Failure, verdicts: Verdicts, decision: Decision, arrived: float, incidents: int
    ) -> Iterator[str]:
        dmarc, said = verdicts.dmarc, verdicts.transaction
        yield _field("Feedback-Type", "auth-failure")
        yield _field("User-Agent", self.user_agent)
        yield _field("Version", "1")
        yield _field("Auth-Failure", failure.kind)
        yield _field(
            "Authentication-Results",
            f"{self.reporter}; dmarc={dmarc.result.value} header.from={dmarc.domain};"
            f" spf={verdicts.spf.result.value} smtp.mailfrom={verdicts.spf.domain or 'none'}",
        )
        passed = {one.method for one in dmarc.aligned}
        failed = [method for method in ("dkim", "spf") if method not in passed]
        yield _field("Identity-Alignment", ", ".join(failed) or "none")
        yield from _dkim_fields(failure, verdicts)
        yield from _spf_fields(failure, verdicts, failed)
        yield _field("Original-Mail-From", hide_localparts(f"<{said.mail_from}>").replace("…", "***"))
        yield _field("Arrival-Date", format_date(arrived))
        yield _field("Source-IP", str(said.ip))
        yield _field("Reported-Domain", dmarc.domain)
        yield _field("Delivery-Result", _DELIVERY[decision.action])
        if incidents > 1:
            yield _field("Incidents", str(incidents))


_DELIVERY = {Action.ACCEPT: "delivered", Action.QUARANTINE: "policy", Action.DEFER: "other", Action.REFUSE: "reject"}


def _dkim_fields(failure: Failure, verdicts: Verdicts) -> Iterator[str]:
    """Needed for failures of a signature of an aligned domain (RFC 9991 §4)."""
    verdict = failure.verdict
    if verdict is None and failure.kind == "dmarc":
        own = {one.domain for one in verdicts.dmarc.identifiers if one.method == "dkim"} & {
            verdicts.dmarc.domain, verdicts.dmarc.organizational_domain
        }  # fmt: skip
        verdict = next((one for one in verdicts.signatures if not one.authenticates and one.domain in own), None)
    if verdict is None:
        return
    identity = verdict.signature.identity if verdict.signature is not None else None
    yield _field("DKIM-Domain", verdict.domain)
    yield _field("DKIM-Identity", "@" + (identity or verdict.domain).rpartition("@")[2])
    yield _field("DKIM-Selector", verdict.selector)


def _spf_fields(failure: Failure, verdicts: Verdicts, failed: list[str]) -> Iterator[str]:
    """The record that was gone by, for failures of SPF (RFC 6591)."""
    spf = verdicts.spf
    if failure.kind != "spf" and "spf" not in failed:
        return
    answer = next((one for one in spf.answers if _spf_text(one)), None)
    if answer is not None:
        text = _spf_text(answer).replace("\\", "\\\\").replace('"', '\\"')
        yield _field("SPF-DNS", f'txt : {spf.domain} : "{text}"')


def _spf_text(answer: Answer) -> str:
    for rdata in answer.records:
        text = b"".join(getattr(rdata, "strings", ())).decode("latin-1")
        if text.lower().startswith("v=spf1"):
            return text[:450]
    return ""


def _field(name: str, value: str) -> str:
    """One field on one line; whatever strangers put into it stays there."""
    return f"{name}: {_UNFOLDABLE.sub('?', value)[:900]}\r\n"


def redacted(header: bytes) -> bytes:
    """Fields that say how a message failed; local-parts and names hidden, links defused (RFC 9991 §7.3, RFC 6590)."""
    kept = keep_fields(Header.from_bytes(truncate(Header.from_bytes(header + b"\r\n"), MOST_HEADER) + b"\r\n"), _SHOWN)
    octets = b"".join(
        _nameless(field) if field.key in _PEOPLE else hide_localparts_in(_without_copies(field))
        for field in Header.from_bytes(kept)
    )
    octets = _LINK.sub(rb"hxxp\1://", octets)
    return bytes(octet if octet in (9, 10, 13) or 32 <= octet < 127 else 63 for octet in octets)


def _without_copies(field: Field) -> bytes:
    if field.key != b"dkim-signature":
        return field.raw
    return _COPIED.sub(b"", field.raw).rstrip(b"\r\n") + b"\r\n"


def _nameless(field: Field) -> bytes:
    """A field of addresses, of which only the domains are left."""
    domains = [b"<***@%b>" % domain for domain in _DOMAIN.findall(field.raw)[:20]]
    return b"%b: %b\r\n" % (field.name, b",\r\n ".join(domains) or b"***")
