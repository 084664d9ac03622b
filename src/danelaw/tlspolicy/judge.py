"""Did this handshake meet the requirement? The only place in danelaw that grants a `Clearance`."""

from __future__ import annotations

from danelaw import pkix
from danelaw.errors import DanelawError
from danelaw.smtp.clearance import Clearance, grant
from danelaw.tlspolicy.checks import CheckResult, run_check, without_tls
from danelaw.tlspolicy.handshake import Handshake, StartTLSOutcome
from danelaw.tlspolicy.judgement import Failure, Judgement
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.requirement import DANECheck, RefusalKind, Requirement, RequireTLSCheck, STSCheck, TLSUse
from danelaw.tlspolicy.tlsrpt import TLSRPTResult

# RFC 8996: sessions older than TLS 1.2 prove nothing, even with the right certificate.
# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_START_TLS_OUTCOME_ESTABLISHED = StartTLSOutcome.ESTABLISHED
_START_TLS_OUTCOME_FAILED = StartTLSOutcome.FAILED
_START_TLS_OUTCOME_NOT_TRIED = StartTLSOutcome.NOT_TRIED
_TLS_USE_MANDATORY = TLSUse.MANDATORY
_TLS_USE_NEVER = TLSUse.NEVER
_TOO_OLD = frozenset({"SSLv2", "SSLv3", "TLSv1", "TLSv1.0", "TLSv1.1"})


class WrongHandshake(DanelawError):
    """The handshake belongs to another host than the requirement: a mistake in the caller."""


def judge(requirement: Requirement, handshake: Handshake, roots: pkix.Roots | None, now: float) -> Judgement:
    """Judge one connection; `now` in POSIX seconds, `roots` the public CAs (None trusts none).

    Judge a reused connection anew for every message. Raises `WrongHandshake` when the two do not belong together.
    """
    if handshake.host != requirement.host:
        raise WrongHandshake(f"a handshake with {handshake.host} cannot meet the requirement for {requirement.host}")
    if requirement.refusal is not None:
        return refused(requirement, handshake.address)
    if handshake.starttls is not _START_TLS_OUTCOME_ESTABLISHED:
        return _without_tls(requirement, handshake, now)
    return _with_tls(requirement, handshake, roots, now)


def refused(requirement: Requirement, address: str = "") -> Judgement:
    """The judgement on a host nobody connects to. Raises `ValueError` when the requirement has no refusal."""
    refusal = requirement.refusal
    if refusal is None:
        raise ValueError(f"{requirement.host} is not refused")
    reports = list(requirement.reports)
    for check in requirement.checks:
        if isinstance(check, STSCheck) and not check.listed:
            reports.append(TLSRPTResult("sts", check.domain, "validation-failure", refusal.reason, check.policy))
    failure = Failure.LOOKUP if refusal.kind is RefusalKind.LOOKUP else Failure.NOT_VERIFIED
    return Judgement(
        requirement.host, address, None, Protection.NOTHING_SENT, refusal.reason, tlsrpt=tuple(reports), failure=failure
    )


def _without_tls(requirement: Requirement, handshake: Handshake, now: float) -> Judgement:
    """No TLS session: clear text where that is allowed, else nothing."""
    outcome = handshake.starttls
    words = f"{outcome.value}: {handshake.detail}" if handshake.detail else outcome.value
    if requirement.tls is _TLS_USE_NEVER:
        return _cleared(requirement, handshake, Protection.CLEAR, f"{requirement.reason}, by your override", (), now)
    result_type = "validation-failure" if outcome is _START_TLS_OUTCOME_FAILED else "starttls-not-supported"
    results = [without_tls(check, words, result_type) for check in (*requirement.checks, *requirement.observe)]
    if requirement.tls is _TLS_USE_MANDATORY:
        reason = f"{words}, but TLS is demanded by {requirement.demanded_by}"
        return _failed(requirement, handshake, Failure.NO_TLS, reason, results, now)
    if outcome is _START_TLS_OUTCOME_FAILED:
        return _failed(requirement, handshake, Failure.TRY_CLEAR, words, results, now)
    return _cleared(requirement, handshake, Protection.CLEAR, f"{words}, and nobody demands TLS", results, now)


def _with_tls(requirement: Requirement, handshake: Handshake, roots: pkix.Roots | None, now: float) -> Judgement:
    """A TLS session: run the checks, then those that only observe."""
    if requirement.checks and handshake.version in _TOO_OLD:
        reason = f"{handshake.version} is too old to prove anything (RFC 8996)"
        everything = (*requirement.checks, *requirement.observe)
        results = [without_tls(check, reason, "validation-failure") for check in everything]
        return _failed(requirement, handshake, Failure.NOT_VERIFIED, reason, results, now)
    demanded = [run_check(check, handshake, roots, now) for check in requirement.checks]
    observed = [run_check(check, handshake, roots, now) for check in requirement.observe]
    results = demanded + observed
    broken = next((result for result in demanded if not result.ok), None)
    if broken is not None:
        kind = Failure.NO_REQUIRETLS if isinstance(broken.check, RequireTLSCheck) else Failure.NOT_VERIFIED
        return _failed(requirement, handshake, kind, broken.reason, results, now)
    protection = requirement.earns if requirement.tls is not _TLS_USE_NEVER else Protection.ENCRYPTED
    if requirement.at_best is not None and all(result.ok for result in observed):
        protection = requirement.at_best
        demanded = observed
    without = bool(requirement.checks) and _without_extension(requirement, handshake)
    told = (result for result in demanded if without or not isinstance(result.check, RequireTLSCheck))
    reason = "; ".join(result.reason for result in told) or _unchecked(requirement, observed)
    return _cleared(requirement, handshake, protection, reason, results, now, without_extension=without)


def _without_extension(requirement: Requirement, handshake: Handshake) -> bool:
    """REQUIRETLS mail goes on to a server that lacks the extension: the operator's deviation from RFC 8689 §4.2.1."""
    return not handshake.requiretls_offered and requirement.requiretls


def _unchecked(requirement: Requirement, observed: list[CheckResult]) -> str:
    """Why a session that proves nothing is good enough."""
    broken = next((result for result in observed if not result.ok), None)
    why = requirement.reason or "TLS, nothing checked"
    return f"{broken.reason}; {why}" if broken is not None else why


def _cleared(
    requirement: Requirement,
    handshake: Handshake,
    protection: Protection,
    reason: str,
    results: list[CheckResult] | tuple[()],
    now: float,
    *,
    without_extension: bool = False,
) -> Judgement:
    tls = handshake.starttls is _START_TLS_OUTCOME_ESTABLISHED
    clearance = grant(
        handshake.connection_id,
        grounds=f"{protection.value}: {reason}",
        tls=tls,
        requiretls=tls and requirement.requiretls and not without_extension,
        without_extension=without_extension,
    )
    return _judgement(requirement, handshake, clearance, protection, reason, results, None, now)


def _failed(
    requirement: Requirement,
    handshake: Handshake,
    failure: Failure,
    reason: str,
    results: list[CheckResult],
    now: float,
) -> Judgement:
    return _judgement(requirement, handshake, None, Protection.NOTHING_SENT, reason, results, failure, now)


def _judgement(
    requirement: Requirement,
    handshake: Handshake,
    clearance: Clearance | None,
    protection: Protection,
    reason: str,
    results: list[CheckResult] | tuple[()],
    failure: Failure | None,
    now: float,
) -> Judgement:
    by_dane = next((result for result in results if isinstance(result.check, DANECheck)), None)
    return Judgement(
        host=requirement.host,
        address=handshake.address,
        clearance=clearance,
        protection=protection,
        reason=reason,
        records=by_dane.records if by_dane is not None else (),
        tlsrpt=_reports(requirement, handshake, results),
        observed=tuple(_words(result) for result in results if result.check in requirement.observe),
        failure=failure,
        found=next((result.found for result in results if not result.ok and result.found), "") if failure else "",
        at=now,
    )


def _reports(
    requirement: Requirement, handshake: Handshake, results: list[CheckResult] | tuple[()]
) -> tuple[TLSRPTResult, ...]:
    """One result per policy that exists; `no-policy-found` where none does (RFC 8460 §4.2).

    A session in which we did not try TLS says nothing about it: what was tried on the connection before is counted.
    """
    outcome = handshake.starttls
    if outcome is _START_TLS_OUTCOME_NOT_TRIED:
        return ()
    found = (*requirement.reports, *(result.tlsrpt for result in results if result.tlsrpt is not None))
    if found or requirement.domain is None:
        return found
    if outcome is _START_TLS_OUTCOME_ESTABLISHED:
        return (TLSRPTResult("no-policy-found", requirement.domain),)
    failure = "validation-failure" if outcome is _START_TLS_OUTCOME_FAILED else "starttls-not-supported"
    return (TLSRPTResult("no-policy-found", requirement.domain, failure, handshake.detail or outcome.value),)


def _words(result: CheckResult) -> str:
    """A finding that stopped nothing, such as `MTA-STS testing: would fail: …`."""
    name = (
        "MTA-STS" if isinstance(result.check, STSCheck) else "DANE" if isinstance(result.check, DANECheck) else "check"
    )
    return f"{name}: {'holds' if result.ok else 'would fail'}: {result.reason}"
