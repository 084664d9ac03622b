"""What follows from all hosts of a destination together: the level of a domain, and retry or return."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from danelaw.requiretls import ENCRYPTION_NEEDED, SUPPORT_REQUIRED
from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.group import GroupDemand
from danelaw.tlspolicy.judgement import Failure, Judgement
from danelaw.tlspolicy.protection import Protection


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What to do after every host was tried in vain.

    `bounce`: return the message now. `status` is the enhanced status code (RFC 3463) as (class, subject, detail);
    `reason` one sentence, that of the host which decided.
    """

    bounce: bool
    status: tuple[int, int, int]
    reason: str


# RFC 3463: 4.4.1 no answer from host, 4.4.3 directory server failure, 4.7.4 security features not supported,
# 4.7.5 cryptographic failure.
_STATUS = {
    Failure.UNREACHABLE: (4, 4, 1),
    Failure.LOOKUP: (4, 4, 3),
    Failure.NO_TLS: (4, 7, 4),
    Failure.TRY_CLEAR: (4, 7, 4),
    Failure.NO_REQUIRETLS: (4, 7, 4),
    Failure.NOT_VERIFIED: (4, 7, 5),
}
_MAY_PASS = frozenset({Failure.UNREACHABLE, Failure.LOOKUP})


def weakest(judgements: Iterable[Judgement]) -> Protection:
    """The level of a domain: that of its weakest host that would take the mail (FIELD rule 12).

    Hosts that would be skipped do not count; without any other it is `NOTHING_SENT`, and the mail waits.
    """
    return min((one.protection for one in judgements if one.clearance is not None), default=Protection.NOTHING_SENT)


def conclude(
    demand: SenderDemand, judgements: Sequence[Judgement], *, unreached: int = 0, group: GroupDemand | None = None
) -> Conclusion:
    """Decide between waiting and returning when no host took the message.

    A failure is temporary (FIELD rule 10), except with REQUIRETLS: when every host was tried, none failed
    for DNS or network reasons (`unreached` counts hosts without a judgement), the message goes back at once,
    with 5.7.30 when a verified host merely lacks the extension, else 5.7.10 (RFC 8689 §4.2.1). The same holds, with
    5.7.10, where a trust group of the destination is set to return what cannot be sent as it demands.
    """
    failures = [one for one in judgements if one.failure is not None]
    if not failures:
        return Conclusion(False, (4, 4, 1), "no server could be reached")
    may_pass = unreached > 0 or any(one.failure in _MAY_PASS for one in failures)
    returns = demand.requiretls or (group is not None and group.returns)
    if returns and not may_pass:
        lacking = next((one for one in failures if one.failure is Failure.NO_REQUIRETLS), None)
        decisive = lacking or failures[0]
        return Conclusion(True, SUPPORT_REQUIRED if lacking else ENCRYPTION_NEEDED, decisive.reason)
    decisive = next((one for one in failures if one.failure not in _MAY_PASS), failures[0])
    assert decisive.failure is not None
    return Conclusion(False, _STATUS[decisive.failure], decisive.reason)
