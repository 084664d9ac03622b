"""The validator: from a question to a finished `Answer` (RFC 4035 §5, RFC 6840)."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec.anchors import NegativeTrustAnchor, TrustAnchors
from danelaw.dnssec.expansion import expand
from danelaw.dnssec.limits import ValidatorLimits
from danelaw.dnssec.resolution import Resolution
from danelaw.dnssec.response import Response
from danelaw.dnssec.trust import TrustCache


class Validator:
    """Validates what a recursive resolver answers; remembers validated zone keys and delegations.

    The memory is bounded by `ValidatorLimits.cached_zones`. One validator may run many resolutions at a time.
    """

    def __init__(
        self,
        anchors: TrustAnchors,
        *,
        negative: Sequence[NegativeTrustAnchor] = (),
        limits: ValidatorLimits | None = None,
    ) -> None:
        self.anchors = anchors
        self.negative = tuple(negative)
        self.limits = limits if limits is not None else ValidatorLimits()
        self._cache = TrustCache(self.limits.cached_zones)

    def resolve(self, question: Question, now: float) -> Generator[tuple[Question, ...], tuple[Response, ...], Answer]:
        """Ask what is needed, in batches, and return the finished answer.

        Yields raw questions, to be sent with DO and CD set, and is sent one `Response` for each in the same order.
        `now` is POSIX seconds: the time at which signatures must be valid. Never raises for what DNS does.
        """
        run = Resolution(self.anchors, self.negative, self.limits, self._cache, now)
        return (yield from expand(run, question))
