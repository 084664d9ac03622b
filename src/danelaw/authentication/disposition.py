"""What a receiver does with a message, given the verdicts and its own rules (RFC 9989 §5.4, §7.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from danelaw.authentication.forwarding import Forwarder, forwarder, is_listed
from danelaw.authentication.verdicts import Verdicts
from danelaw.dmarc import DMARCResult, Policy
from danelaw.spf import SPFResult


class Action(Enum):
    """What happens to the message, mildest first."""

    ACCEPT = "accept"
    QUARANTINE = "quarantine"
    DEFER = "defer"
    REFUSE = "refuse"


class Enforcement(Enum):
    """How far the policies of domain owners are followed."""

    NONE = "none"
    QUARANTINE = "quarantine"
    AS_PUBLISHED = "as-published"


class Cause(Enum):
    """Which rule decided."""

    NOTHING = "nothing"
    DMARC = "dmarc"
    AUTHOR = "author"
    SPF = "spf"


class PolicyOverride(Enum):
    """Why a domain owner's policy was not followed to the letter, spelled as in aggregate reports (RFC 9990)."""

    LOCAL_POLICY = "local_policy"
    MAILING_LIST = "mailing_list"
    TRUSTED_FORWARDER = "trusted_forwarder"
    TEST_MODE = "policy_test_mode"


@dataclass(frozen=True, slots=True)
class LocalPolicy:
    """Our own word for mail that fails DMARC: `policy` instead of the published one until `until` (POSIX seconds, None
    for ever). `domain` is an Author Domain, or begins with a dot and means all below.
    """

    domain: str
    policy: Policy
    until: float | None = None
    reason: str = ""

    def holds(self, author: str, now: float) -> bool:
        """Whether it speaks for that author at that time."""
        return (self.until is None or now < self.until) and is_listed(author, (self.domain,))


@dataclass(frozen=True, slots=True, kw_only=True)
class DispositionSettings:
    """Local rules. `sealers` are whose ARC seals are believed, `fault` is for messages without a proper author,
    `temperror` for DMARC that DNS left open, `spf_fail` for an SPF fail that no DMARC pass makes good.
    """

    enforcement: Enforcement = Enforcement.AS_PUBLISHED
    fault: Action = Action.QUARANTINE
    temperror: Action = Action.ACCEPT
    spf_fail: Action = Action.ACCEPT
    sealers: frozenset[str] = frozenset()
    policies: tuple[LocalPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """The end: `reason` is a sentence for postmaster and log. `override` says why, if so, the owner's policy was not
    followed to the letter.
    """

    action: Action
    cause: Cause
    reason: str
    override: PolicyOverride | None = None


_MILDEST_FIRST = tuple(Action)
_ACCEPTED = Decision(Action.ACCEPT, Cause.NOTHING, "nothing speaks against it")


def disposition(verdicts: Verdicts, settings: DispositionSettings, now: float) -> Decision:
    """What to do; the severest of the rules that apply decides, the first one among equals. `now` in POSIX seconds."""
    decisions = list(_decisions(verdicts, settings, now))
    if not decisions:
        return _ACCEPTED
    return max(decisions, key=lambda decision: _MILDEST_FIRST.index(decision.action))


def _decisions(verdicts: Verdicts, settings: DispositionSettings, now: float) -> Iterator[Decision]:
    dmarc = verdicts.dmarc
    if dmarc.result is DMARCResult.FAIL:
        yield _failed(verdicts, settings, now)
    elif dmarc.result is DMARCResult.TEMPERROR and settings.enforcement is not Enforcement.NONE:
        yield Decision(settings.temperror, Cause.DMARC, f"DMARC cannot be decided now: {dmarc.reason}")
    if (verdicts.fault or dmarc.incomplete) and settings.enforcement is not Enforcement.NONE:
        yield Decision(settings.fault, Cause.AUTHOR, f"it has no proper author: {verdicts.fault or dmarc.reason}")
    # RFC 9989 §7.1: an aligned signature makes good what forwarding did to SPF.
    if verdicts.spf.result is SPFResult.FAIL and dmarc.result is not DMARCResult.PASS:
        yield Decision(settings.spf_fail, Cause.SPF, f"SPF fails for {verdicts.spf.domain}: {verdicts.spf.reason}")


def _failed(verdicts: Verdicts, settings: DispositionSettings, now: float) -> Decision:
    """Our own policy for the author, else the published one (RFC 9989 §5.4)."""
    dmarc = verdicts.dmarc
    local = next((one for one in settings.policies if one.holds(dmarc.domain, now)), None)
    if local is not None:
        why = f" ({local.reason})" if local.reason else ""
        action = _ACTIONS[local.policy]
        reason = f"DMARC fails, and our own policy for {dmarc.domain} is {local.policy.value}{why}: {dmarc.reason}"
        return Decision(action, Cause.DMARC, reason, PolicyOverride.LOCAL_POLICY)
    wanted = dmarc.disposition
    reason = f"DMARC fails: {dmarc.reason}"
    if wanted is Policy.NONE:
        tested = PolicyOverride.TEST_MODE if dmarc.applied is not dmarc.policy else None
        return Decision(Action.ACCEPT, Cause.DMARC, reason, tested)
    if settings.enforcement is Enforcement.NONE:
        reason = f"{reason}; policies are not enforced here"
        return Decision(Action.ACCEPT, Cause.DMARC, reason, PolicyOverride.LOCAL_POLICY)
    trusted = forwarder(verdicts.arc, dmarc, settings.sealers)
    if trusted is not None and trusted.saw_pass:
        reason = f"{reason}; {trusted.saw_pass}, a sealer we trust, saw it pass"
        return Decision(Action.ACCEPT, Cause.DMARC, reason, PolicyOverride.TRUSTED_FORWARDER)
    if wanted is Policy.QUARANTINE:
        tested = PolicyOverride.TEST_MODE if dmarc.applied is not dmarc.policy else None
        return Decision(Action.QUARANTINE, Cause.DMARC, reason, tested)
    return _rejected(verdicts, settings, reason, trusted)


def _rejected(verdicts: Verdicts, settings: DispositionSettings, reason: str, trusted: Forwarder | None) -> Decision:
    """p=reject alone refuses nothing (RFC 9989 §7.4): what may have come by a list or forwarder is held instead."""
    if settings.enforcement is Enforcement.QUARANTINE:
        return Decision(Action.QUARANTINE, Cause.DMARC, reason, PolicyOverride.LOCAL_POLICY)
    if trusted is not None:
        reason = f"{reason}; {trusted.domain}, a sealer we trust, sent it on"
        return Decision(Action.QUARANTINE, Cause.DMARC, reason, PolicyOverride.TRUSTED_FORWARDER)
    if verdicts.list_traits:
        reason = f"{reason}; it has traits of a list ({', '.join(verdicts.list_traits)})"
        return Decision(Action.QUARANTINE, Cause.DMARC, reason, PolicyOverride.MAILING_LIST)
    return Decision(Action.REFUSE, Cause.DMARC, f"{reason}; nothing says that a list or forwarder changed it")


_ACTIONS = {Policy.NONE: Action.ACCEPT, Policy.QUARANTINE: Action.QUARANTINE, Policy.REJECT: Action.REFUSE}
