"""Examination of the keys that sign mail and reports: would a receiver accept what they sign?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from danelaw.config.reporting import signing_key
from danelaw.config.signing import signing_keys
from danelaw.dkim import sign, verify
from danelaw.doctor.finding import Finding, Severity
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.dkim import DKIMVerdict, SigningKey
    from danelaw.resolver import Resolver


async def report_key(config: Config, resolver: Resolver) -> list[Finding]:
    """A signature is made with the key of `[reports]` and verified as any receiver would (RFC 9990 §3.5.2)."""
    section = config.reports
    if not section.sends:
        return []
    try:
        key = signing_key(section)
    except DanelawError as error:
        return [Finding("report-key", Severity.ERROR, error.reason, error.advice or "correct [reports] dkim_key")]
    verdict = await _tried(key, section.sender_address, resolver)
    if verdict.authenticates:
        return [Finding("report-key", Severity.OK, f"the key of reports is published at {_name(key)}")]
    return [_unpublished("report-key", f"DMARC reports would not pass DMARC themselves: {_why(verdict)}", key)]


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


def _unpublished(check: str, what: str, key: SigningKey) -> Finding:
    return Finding(check, Severity.ERROR, what, f"publish: {key.key.record().to_zone(_name(key) + '.')}")
