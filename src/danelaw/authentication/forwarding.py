"""Whether a forwarder we trust saw the message pass before it changed hands (RFC 8617 §7.2)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from danelaw.arc import ARCOutcome, ChainStatus
from danelaw.authres import AuthenticationResults, FieldTooLarge
from danelaw.dmarc import DMARCEvaluation


@dataclass(frozen=True, slots=True)
class Forwarder:
    """A listed sealer that had the message last. `saw_pass` is the sealer that saw DMARC pass, "" when none says so."""

    domain: str
    saw_pass: str = ""


def forwarder(arc: ARCOutcome, dmarc: DMARCEvaluation, sealers: Collection[str]) -> Forwarder | None:
    """The forwarder when the chain passes and its last sealer is listed, as `is_listed` reads a list.

    Results are believed back to the first sealer that is not listed: whoever came before could have written anything.
    """
    if arc.status is not ChainStatus.PASS or not sealers:
        return None
    last = ""
    for one in reversed(arc.chain.sets):
        domain = one.seal.domain.ascii
        if not is_listed(domain, sealers):
            break
        last = last or domain
        if _saw_pass(one.results.payload, dmarc.domain):
            return Forwarder(last, domain)
    return Forwarder(last) if last else None


def is_listed(domain: str, patterns: Collection[str]) -> bool:
    """Whether a domain is one of the patterns, or lies below one that begins with a dot (`.example.org`)."""
    if domain in patterns:
        return True
    labels = domain.split(".")
    return any("." + ".".join(labels[start:]) in patterns for start in range(1, len(labels)))


def _saw_pass(payload: str, author: str) -> bool:
    try:
        found = AuthenticationResults.from_bytes(payload.encode("utf-8", "replace"))
    except FieldTooLarge:
        return False
    return any(
        result.result == "pass" and (result.value("header", "from") or "").lower().rpartition("@")[2] == author
        for result in found.of("dmarc")
    )
