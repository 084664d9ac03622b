"""How `danelaw dkim verify` shows its verdicts."""

from __future__ import annotations

from typing import Any

from danelaw.arc import ARCOutcome, ChainStatus
from danelaw.cli.network import UNPROVED
from danelaw.cli.output import Output, Symbol
from danelaw.dkim import DKIMOutcome, DKIMResult, DKIMVerdict

_SYMBOLS = {DKIMResult.PASS: Symbol.VERIFIED, DKIMResult.NONE: Symbol.CLEAR, DKIMResult.NEUTRAL: Symbol.CLEAR}
_CHAIN = {ChainStatus.PASS: Symbol.VERIFIED, ChainStatus.FAIL: Symbol.STOPPED, ChainStatus.NONE: Symbol.CLEAR}


def show(out: Output, outcome: DKIMOutcome, chain: ARCOutcome, unproved: bool = False) -> None:
    """Print the answer, one row per signature, and the ARC chain where there is one."""
    out.headline(_symbol(outcome), _headline(outcome))
    if unproved:
        out.paragraph(UNPROVED)
    if outcome.verdicts:
        out.line()
        rows = [(_row_symbol(verdict), _row(verdict)) for verdict in outcome.verdicts]
        out.table(rows, heads=("RESULT", "DOMAIN", "SELECTOR", "KEY", "DNS", "WHY"))
    if chain.status is not ChainStatus.NONE:
        out.line()
        out.table([(_CHAIN[chain.status], (f"ARC {chain.status.value}", chain.reason))])
    out.line()
    out.next(_next(outcome))


def as_object(outcome: DKIMOutcome, chain: ARCOutcome) -> dict[str, Any]:
    """The JSON form."""
    return {
        "result": outcome.result.value,
        "authenticated": list(dict.fromkeys(verdict.domain for verdict in outcome.authenticated)),
        "signatures": [verdict.as_object() for verdict in outcome.verdicts],
        "arc": {
            "status": chain.status.value,
            "reason": chain.reason,
            "sealers": list(chain.sealers),
            "oldest_pass": chain.oldest_pass,
        },
    }


def _row(verdict: DKIMVerdict) -> tuple[str, ...]:
    algorithm = verdict.signature.algorithm.partition("-")[0] if verdict.signature is not None else ""
    key = f"{algorithm} {verdict.key_bits}" if algorithm == "rsa" and verdict.key_bits else algorithm
    dnssec = verdict.dnssec.value if verdict.dnssec is not None else ""
    return (verdict.result.value, verdict.domain, verdict.selector, key, dnssec, verdict.reason)


def _row_symbol(verdict: DKIMVerdict) -> Symbol:
    if verdict.result is DKIMResult.PASS and not verdict.authenticates:
        return Symbol.CLEAR
    return _SYMBOLS.get(verdict.result, Symbol.STOPPED)


def _symbol(outcome: DKIMOutcome) -> Symbol:
    if outcome.result is DKIMResult.PASS and not outcome.authenticated:
        return Symbol.CLEAR
    return _SYMBOLS.get(outcome.result, Symbol.STOPPED)


def _headline(outcome: DKIMOutcome) -> str:
    if not outcome.verdicts:
        return "none: the message has no DKIM signature."
    domains = ", ".join(dict.fromkeys(verdict.domain for verdict in outcome.authenticated))
    if domains:
        return f"pass: the message is as {domains} signed it."
    first = next(verdict for verdict in outcome.verdicts if verdict.result is outcome.result)
    return f"{outcome.result.value}: {first.reason}."


def _next(outcome: DKIMOutcome) -> str:
    asked = next((verdict for verdict in outcome.verdicts if verdict.selector), None)
    if asked is None:
        return "danelaw dkim sign --help"
    return f"danelaw dns {asked.selector}._domainkey.{asked.domain} TXT"
