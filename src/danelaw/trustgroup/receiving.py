"""Did a message from a member show what its group demands? A pure function of the session and the verdicts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from danelaw.address import Domain
from danelaw.authentication import Verdicts
from danelaw.dkim import DKIMResult, DKIMVerdict
from danelaw.dmarc import DMARCResult
from danelaw.dnsdata import DNSSECStatus
from danelaw.trustgroup.group import Receive

_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")


class Kept(Enum):
    """`UNDECIDED`: DNS failed, so that the client must come again."""

    KEPT = "kept"
    BROKEN = "broken"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class ReceivedJudgement:
    """`reasons` say for `BROKEN` everything that is missing, for `UNDECIDED` what could not be looked up, and for
    `KEPT` what was shown; `no_tls` that the session itself was too weak.
    """

    kept: Kept
    reasons: tuple[str, ...]
    no_tls: bool = False

    @property
    def reason(self) -> str:
        """All of them in one sentence."""
        return "; ".join(self.reasons)


@dataclass(frozen=True, slots=True)
class _Shown:
    kept: Kept
    reason: str


def judge_received(
    demands: Receive, author: Domain, tls: tuple[str, str] | None, verdicts: Verdicts
) -> ReceivedJudgement:
    """Judge a message by an author in `author`, a member's domain.

    `tls` is version and cipher of the client's session, None in clear text. What is certainly missing goes before what
    is not known yet.
    """
    transport = _transport(demands, tls)
    shown = [one for one in (transport, *_signature(demands, author, verdicts), _policy(demands, verdicts)) if one]
    no_tls = transport is not None and transport.kept is Kept.BROKEN
    for kept in (Kept.BROKEN, Kept.UNDECIDED):
        reasons = tuple(one.reason for one in shown if one.kept is kept)
        if reasons:
            return ReceivedJudgement(kept, reasons, no_tls and kept is Kept.BROKEN)
    return ReceivedJudgement(Kept.KEPT, tuple(one.reason for one in shown) or ("nothing is demanded",))


def tls_suffices(floor: str, tls: tuple[str, str] | None) -> bool:
    """Whether a session is TLS of version `floor` ("1.2") or later; an unknown version is not."""
    if tls is None or tls[0] not in _VERSIONS:
        return False
    return _VERSIONS.index(tls[0]) >= _VERSIONS.index(f"TLSv{floor}")


def signed_by(author: Domain, verdicts: tuple[DKIMVerdict, ...]) -> DKIMVerdict | None:
    """A signature that authenticates exactly this domain."""
    return next((one for one in verdicts if one.authenticates and _same(one.domain, author)), None)


def _transport(demands: Receive, tls: tuple[str, str] | None) -> _Shown | None:
    if demands.tls is None:
        return None
    if tls is None:
        return _Shown(Kept.BROKEN, "it came without TLS")
    version = tls[0].replace("TLSv", "TLS ")
    if tls_suffices(demands.tls, tls):
        return _Shown(Kept.KEPT, version)
    return _Shown(Kept.BROKEN, f"it came by {version}, below TLS {demands.tls}")


def _signature(demands: Receive, author: Domain, verdicts: Verdicts) -> Iterator[_Shown]:
    if demands.dkim == "off":
        return
    candidates = [one for one in verdicts.dkim.verdicts if _counts(demands, author, one, verdicts)]
    valid = [one for one in candidates if one.authenticates]
    good = next((one for one in valid if not demands.signed_keys or one.dnssec is DNSSECStatus.SECURE), None)
    if good is not None:
        yield _Shown(Kept.KEPT, f"DKIM signature of {good.domain}")
    elif any(one.result is DKIMResult.TEMPERROR for one in candidates):
        yield _Shown(Kept.UNDECIDED, f"the DKIM key of {author} cannot be looked up")
    elif valid:
        yield _Shown(Kept.BROKEN, f"the DKIM key of {valid[0].domain} is not in signed DNS")
    elif candidates:
        yield _Shown(Kept.BROKEN, f"the DKIM signature of {candidates[0].domain} does not hold: {candidates[0].reason}")
    else:
        yield _Shown(Kept.BROKEN, f"it has no DKIM signature of {author}")


def _counts(demands: Receive, author: Domain, verdict: DKIMVerdict, verdicts: Verdicts) -> bool:
    """Whether a signature is one of the right domain, good or bad."""
    if _same(verdict.domain, author):
        return True
    if demands.dkim != "aligned":
        return False
    return any(
        one.method == "dkim" and one.aligned is not False and one.domain.lower() == verdict.domain.lower()
        for one in verdicts.dmarc.identifiers
    )


def _same(domain: str, author: Domain) -> bool:
    return domain.rstrip(".").lower() == author.ascii


def _policy(demands: Receive, verdicts: Verdicts) -> _Shown | None:
    if demands.dmarc == "off":
        return None
    dmarc = verdicts.dmarc
    if dmarc.result is DMARCResult.PASS:
        return _Shown(Kept.KEPT, "DMARC pass")
    if dmarc.result is DMARCResult.TEMPERROR:
        return _Shown(Kept.UNDECIDED, f"DMARC cannot be decided: {dmarc.reason}")
    if dmarc.result is DMARCResult.NONE and demands.dmarc == "enforced":
        return _Shown(Kept.KEPT, "no DMARC record to enforce")
    return _Shown(Kept.BROKEN, f"DMARC {dmarc.result.value}: {dmarc.reason}")
