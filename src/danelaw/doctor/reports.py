"""Examination of the key that signs reports: would a receiver accept what it signs?"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from danelaw.config.reporting import signing_key
from danelaw.dkim import sign, verify
from danelaw.doctor.finding import Finding, Severity
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.config import Config
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
    fields = [(b"From", f"From: <{section.sender_address}>\r\n".encode())]
    now = time.time()
    (raw,) = sign(fields, b"", [key], now=now)
    outcome = await resolver.run(verify([(b"DKIM-Signature", raw), *fields], b"", now=now))
    verdict = outcome.verdicts[0]
    name = f"{key.selector}._domainkey.{key.domain}"
    if verdict.authenticates:
        return [Finding("report-key", Severity.OK, f"the key of reports is published at {name}")]
    reason = "; ".join((verdict.reason, *verdict.doubts))
    what = f"DMARC reports would not pass DMARC themselves: {reason}"
    return [Finding("report-key", Severity.ERROR, what, f"publish: {key.key.record().to_zone(name + '.')}")]
