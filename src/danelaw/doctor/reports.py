"""Examination of the key that signs reports: would a receiver accept what it signs?"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from dns.rdtypes.ANY.TXT import TXT

from danelaw.config.reporting import signing_key
from danelaw.dkim import DKIMKeyRecord, sign, verify
from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.doctor.finding import Finding, Severity
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.dkim import SigningKey
    from danelaw.resolver import Resolver


async def report_key(config: Config, resolver: Resolver) -> list[Finding]:
    """A signature is made with the key of `[reports]` and verified as any receiver would (RFC 9990 §3.5.2)."""
    section = config.reports
    if not section.signs:
        return []
    try:
        key = signing_key(section)
    except DanelawError as error:
        return [Finding("report-key", Severity.ERROR, error.reason, error.advice or "correct [reports] dkim_key")]
    sender = section.sender_address if section.sends else section.tls_sender_address
    fields = [(b"From", f"From: <{sender}>\r\n".encode())]
    now = time.time()
    (raw,) = sign(fields, b"", [key], now=now)
    outcome = await resolver.run(verify([(b"DKIM-Signature", raw), *fields], b"", now=now))
    verdict = outcome.verdicts[0]
    name = f"{key.selector}._domainkey.{key.domain}"
    if verdict.authenticates:
        found = [Finding("report-key", Severity.OK, f"the key of reports is published at {name}")]
        return found + (await _service(key, name, resolver) if section.tls_send else [])
    reason = "; ".join((verdict.reason, *verdict.doubts))
    what = f"reports would not pass DMARC themselves: {reason}"
    return [
        Finding("report-key", Severity.ERROR, what, f"publish: {_record(key, section.tls_send).to_zone(name + '.')}")
    ]


def _record(key: SigningKey, tls: bool) -> DKIMKeyRecord:
    """The record to publish; a key of TLS reports says so in s= (RFC 8460 §3), and is for mail all the same."""
    record = key.key.record()
    return replace(record, services=("email", "tlsrpt")) if tls else record


async def _service(key: SigningKey, name: str, resolver: Resolver) -> list[Finding]:
    """Receivers may ignore TLS reports signed by a key whose record does not name their service (RFC 8460 §3)."""
    answer = await resolver.run(_asked(name))
    texts = [b"".join(one.strings).decode("latin-1") for one in answer.records if isinstance(one, TXT)]
    for text in texts:
        with contextlib.suppress(DanelawError):
            if "tlsrpt" in DKIMKeyRecord.from_text(text).services:
                return [Finding("tls-report-key", Severity.OK, f"{name} names TLS reports (s=tlsrpt)")]
    what = f"receivers may ignore TLS reports: {name} has no s= with tlsrpt (RFC 8460 §3)"
    return [Finding("tls-report-key", Severity.WARNING, what, f"publish: {_record(key, True).to_zone(name + '.')}")]


def _asked(name: str) -> Lookup[Answer]:
    (answer,) = yield (Question.from_text(name, "TXT"),)
    return answer
