"""Which policy applies now, and is it time to fetch? (RFC 8461 §3.3, §5.1, §10.2)

The rule behind every line: an attacker who can suppress DNS or HTTPS answers must not be able to make a remembered
policy go away before its `max_age`. Only a valid policy that was fetched replaces another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.mtasts.cache import CachedPolicy, FetchFailure
from danelaw.mtasts.discovery import Announcement, STSDiscovery
from danelaw.mtasts.policy import PolicyError, STSPolicy

REFRESH_AFTER = 86_400.0
"""Seconds after which an unchanged policy is fetched again (RFC 8461 §3.3: once per day)."""
RETRY_AFTER = 300.0
"""Seconds between attempts after a failed fetch of the same id (RFC 8461 §3.3: five minutes or longer)."""


class STSAction(Enum):
    """What to do. `FETCH` waits for the policy; `REFRESH` fetches while the remembered one is applied."""

    USE_CACHED = "use the remembered policy"
    REFRESH = "use the remembered policy, fetch in the background"
    FETCH = "fetch the policy"
    NONE = "no policy applies"


@dataclass(frozen=True, slots=True)
class STSDecision:
    """`policy` is what applies when nothing (more) is fetched: always the remembered, unexpired one, or None.

    `note` says in words why. `id` is what to fetch for (`FETCH`, `REFRESH`). `error` is a result type for TLS reports.
    `wait` asks to defer the mail.
    """

    action: STSAction
    policy: CachedPolicy | None
    note: str
    id: str = ""
    error: str | None = None
    wait: bool = False


def decide(
    discovery: STSDiscovery,
    cached: CachedPolicy | None,
    now: float,
    *,
    failure: FetchFailure | None = None,
    defer_when_unknown: bool = False,
) -> STSDecision:
    """Decide from the TXT look-up, what is remembered, and the last failed fetch; `now` in POSIX seconds.

    With `defer_when_unknown` mail waits when the TXT look-up fails and nothing is remembered; RFC 8461 has no such
    state, so by default it is delivered opportunistically with a note.
    """
    valid = cached if cached is not None and cached.applies(now) else None
    if discovery.announcement is Announcement.FOUND:
        assert discovery.record is not None
        return _announced(discovery.record.id, valid, now, failure)
    if valid is not None:
        return STSDecision(STSAction.USE_CACHED, valid, f"{_REMEMBERED[discovery.announcement]}: {discovery.reason}")
    if discovery.announcement is Announcement.FAILED:
        note = f"whether there is an MTA-STS policy is unknown: {discovery.reason}"
        return STSDecision(STSAction.NONE, None, note, wait=defer_when_unknown)
    return STSDecision(STSAction.NONE, None, f"no MTA-STS policy: {discovery.reason}")


_REMEMBERED = {
    Announcement.FAILED: "the TXT record cannot be looked up, the remembered policy holds",
    Announcement.ABSENT: "the TXT record is gone, the remembered policy holds",
    Announcement.INVALID: "the TXT record is invalid, the remembered policy holds",
}


def _announced(announced: str, valid: CachedPolicy | None, now: float, failure: FetchFailure | None) -> STSDecision:
    resting = failure is not None and failure.id in ("", announced) and 0 <= now - failure.at < RETRY_AFTER
    if valid is not None and valid.id == announced and 0 <= now - valid.fetched < REFRESH_AFTER:
        return STSDecision(STSAction.USE_CACHED, valid, f"remembered policy, id {announced}")
    if failure is not None and resting:
        return _rest(valid, failure)
    if valid is None:
        return STSDecision(STSAction.FETCH, None, f"policy announced, id {announced}", announced)
    if valid.id == announced:
        return STSDecision(STSAction.REFRESH, valid, f"remembered policy, id {announced}, due for refresh", announced)
    return STSDecision(STSAction.FETCH, valid, f"policy changed from id {valid.id} to {announced}", announced)


def _rest(valid: CachedPolicy | None, failure: FetchFailure) -> STSDecision:
    """A fetch failed less than `RETRY_AFTER` ago."""
    if valid is not None:
        return STSDecision(STSAction.USE_CACHED, valid, f"{failure.reason}; the remembered policy holds")
    return STSDecision(STSAction.NONE, None, f"{failure.reason}; as if there were no policy", error=failure.tlsrpt)


@dataclass(frozen=True, slots=True)
class FetchOutcome:
    """What a fetch means: the decision that follows, and what to remember now."""

    decision: STSDecision
    cached: CachedPolicy | None
    failure: FetchFailure | None


def after_fetch(decision: STSDecision, body: bytes, now: float) -> FetchOutcome:
    """A document was fetched at `now` for `decision`: remember it when it is valid, else go on as after a failure."""
    try:
        policy = STSPolicy.from_text(body)
    except PolicyError as error:
        return after_failure(decision, "sts-policy-invalid", f"the policy is invalid: {error.reason}", now)
    cached = CachedPolicy(policy, decision.id, now)
    note = f"policy fetched, id {decision.id}, mode {policy.mode.value}"
    return FetchOutcome(STSDecision(STSAction.USE_CACHED, cached, note, decision.id), cached, None)


def after_failure(decision: STSDecision, tlsrpt: str, reason: str, now: float) -> FetchOutcome:
    """The fetch for `decision` failed at `now`: the remembered policy holds while it lives (RFC 8461 §3.3)."""
    failure = FetchFailure(now, tlsrpt, reason, decision.id)
    valid = decision.policy if decision.policy is not None and decision.policy.applies(now) else None
    return FetchOutcome(_rest(valid, failure), decision.policy, failure)
