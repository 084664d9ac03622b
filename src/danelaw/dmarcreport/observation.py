"""What one message adds to a report, from the verdicts on it and what was done with it (RFC 9990 §3.1.1)."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.authentication import Action, Cause, Decision, Verdicts
from danelaw.dmarc import DMARCEvaluation, DMARCRecord, DMARCResult, Policy
from danelaw.dmarcreport.values import (
    DKIMAuthResult,
    OverrideReason,
    PublishedPolicy,
    ReportRecord,
    SPFAuthResult,
)

MOST_SIGNATURES = 10
"""Signatures of one record: RFC 9990 §3.1.3 allows 100, a spool that strangers fill is better off with fewer."""
_DISPOSITIONS = {Action.QUARANTINE: "quarantine", Action.REFUSE: "reject"}


@dataclass(frozen=True, slots=True)
class Observation:
    """One message: `policy_domain` is where its policy was found, `published` that record as text."""

    policy_domain: str
    published: str
    record: ReportRecord


def observed(verdicts: Verdicts, decision: Decision) -> Observation | None:
    """What is to be counted; None where nobody asks for reports, and for mail that is put off and comes again."""
    dmarc = verdicts.dmarc
    record = dmarc.record
    if record is None or not record.rua or not dmarc.policy_domain or decision.action is Action.DEFER:
        return None
    disposition = _disposition(dmarc, decision)
    row = ReportRecord(
        source_ip=str(verdicts.transaction.ip),
        count=1,
        disposition=disposition,
        dkim=_aligned(dmarc, "dkim"),
        spf=_aligned(dmarc, "spf"),
        header_from=dmarc.domain,
        envelope_from=verdicts.transaction.mail_from.rpartition("@")[2].lower(),
        reasons=_reasons(dmarc, decision, disposition),
        signatures=tuple(_signatures(verdicts)),
        spf_results=(SPFAuthResult(verdicts.spf.domain, verdicts.spf.result.value),),
    )
    return Observation(dmarc.policy_domain, record.to_text(), row)


def published_policy(domain: str, record: DMARCRecord) -> PublishedPolicy:
    """The record as reports tell it; tags that do not stand there have their defaults (RFC 9990 §3.1.1.5)."""
    p = record.policy or Policy.NONE
    sp = record.subdomain_policy or p
    return PublishedPolicy(
        domain=domain,
        p=p.value,
        sp=sp.value,
        np=(record.nonexistent_policy or sp).value,
        adkim=record.dkim_alignment.value,
        aspf=record.spf_alignment.value,
        fo=":".join(record.failure_options),
        testing="y" if record.testing else "n",
        discovery_method="treewalk",
    )


def _disposition(dmarc: DMARCEvaluation, decision: Decision) -> str:
    done = _DISPOSITIONS.get(decision.action)
    if done is not None:
        return done
    enforced = dmarc.policy is not None and dmarc.policy is not Policy.NONE
    return "pass" if dmarc.result is DMARCResult.PASS and enforced else "none"


def _aligned(dmarc: DMARCEvaluation, method: str) -> str:
    return "pass" if any(one.method == method for one in dmarc.aligned) else "fail"


def _reasons(dmarc: DMARCEvaluation, decision: Decision, disposition: str) -> tuple[OverrideReason, ...]:
    """Where alignment fails and the policy was not followed there must be one (RFC 9990 §3.1.1.9)."""
    if decision.override is not None:
        return (OverrideReason(decision.override.value),)
    if dmarc.result is DMARCResult.PASS:
        return ()
    if dmarc.policy is None or disposition == dmarc.policy.value:
        return ()
    if dmarc.result is DMARCResult.TEMPERROR:
        return (OverrideReason("other", "DNS did not answer all that the result needs"),)
    if decision.cause is Cause.DMARC and dmarc.testing:
        return (OverrideReason("policy_test_mode"),)
    return (OverrideReason("local_policy"),)


def _signatures(verdicts: Verdicts) -> list[DKIMAuthResult]:
    """Those that verify first, aligned ones before them (RFC 9990 §3.1.3); a result has to name its selector."""
    author = verdicts.dmarc.domain
    aligned = {(one.domain, one.selector) for one in verdicts.dmarc.aligned if one.method == "dkim"}
    known = [verdict for verdict in verdicts.dkim.verdicts if verdict.domain and verdict.selector]

    def rank(domain: str, selector: str, authenticates: bool) -> int:
        if not authenticates:
            return 3
        return 0 if domain == author else 1 if (domain, selector) in aligned else 2

    known.sort(key=lambda one: rank(one.domain, one.selector, one.authenticates))
    results = [DKIMAuthResult(one.domain, one.selector, one.result.value) for one in known]
    return list(dict.fromkeys(results))[:MOST_SIGNATURES]
