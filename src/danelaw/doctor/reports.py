"""Examination of the keys that sign mail and reports: would a receiver accept what they sign?"""

from __future__ import annotations

import contextlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from dns.rdtypes.ANY.TXT import TXT

from danelaw.config.reporting import signing_key
from danelaw.config.signing import signing_keys
from danelaw.dkim import DKIMKeyRecord, sign, verify
from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.doctor.finding import Finding, Severity
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.dkim import DKIMVerdict, SigningKey
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
    verdict = await _tried(key, sender, resolver)
    if verdict.authenticates:
        found = [Finding("report-key", Severity.OK, f"the key of reports is published at {_name(key)}")]
        return found + (await _service(key, resolver) if section.tls_send else [])
    what = f"reports would not pass DMARC themselves: {_why(verdict)}"
    return [_unpublished("report-key", what, key, tls=section.tls_send)]


async def _service(key: SigningKey, resolver: Resolver) -> list[Finding]:
    """Receivers may ignore TLS reports signed by a key whose record does not name their service (RFC 8460 §3)."""
    name = _name(key)
    answer = await resolver.run(_asked(name))
    texts = [b"".join(one.strings).decode("latin-1") for one in answer.records if isinstance(one, TXT)]
    for text in texts:
        with contextlib.suppress(DanelawError):
            if "tlsrpt" in DKIMKeyRecord.from_text(text).services:
                return [Finding("tls-report-key", Severity.OK, f"{name} names TLS reports (s=tlsrpt)")]
    what = f"receivers may ignore TLS reports: {name} has no s= with tlsrpt (RFC 8460 §3)"
    return [Finding("tls-report-key", Severity.WARNING, what, _to_publish(key, tls=True))]


def _asked(name: str) -> Lookup[Answer]:
    (answer,) = yield (Question.from_text(name, "TXT"),)
    return answer


async def dkim_keys(config: Config, resolver: Resolver) -> list[Finding]:
    """The same with each key of `[[dkim_key]]`."""
    try:
        keys = signing_keys(config.dkim_key)
    except DanelawError as error:
        return [Finding("dkim-key", Severity.ERROR, error.reason, error.advice or "correct [[dkim_key]]")]
    found = []
    for key in keys:
        verdict = await _tried(key, f"postmaster@{key.domain}", resolver)
        if verdict.authenticates:
            words = f"the key that signs mail of {key.domain} is published at {_name(key)}"
            found.append(Finding("dkim-key", Severity.OK, words))
        else:
            what = f"signatures on mail of {key.domain} do not hold anywhere: {_why(verdict)}"
            found.append(_unpublished("dkim-key", what, key))
    return found


async def _tried(key: SigningKey, author: str, resolver: Resolver) -> DKIMVerdict:
    """What a receiver makes of a signature by this key."""
    fields = [(b"From", f"From: <{author}>\r\n".encode())]
    now = time.time()
    (raw,) = sign(fields, b"", [key], now=now)
    outcome = await resolver.run(verify([(b"DKIM-Signature", raw), *fields], b"", now=now))
    return outcome.verdicts[0]


def _name(key: SigningKey) -> str:
    return f"{key.selector}._domainkey.{key.domain}"


def _why(verdict: DKIMVerdict) -> str:
    return "; ".join((verdict.reason, *verdict.doubts))


def _unpublished(check: str, what: str, key: SigningKey, *, tls: bool = False) -> Finding:
    return Finding(check, Severity.ERROR, what, _to_publish(key, tls=tls))


def _to_publish(key: SigningKey, *, tls: bool) -> str:
    """What to do; a key of TLS reports says so in s= (RFC 8460 §3), and is for mail all the same."""
    record = key.key.record()
    if tls:
        record = replace(record, services=("email", "tlsrpt"))
    return f"publish: {record.to_zone(_name(key) + '.')}"
