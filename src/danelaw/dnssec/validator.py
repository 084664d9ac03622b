"""The validator: from a question to a finished `Answer` (skeleton of the public interface)."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec.anchors import NegativeTrustAnchor, TrustAnchors
from danelaw.dnssec.limits import ValidatorLimits
from danelaw.dnssec.response import Response


class Validator:
    """Validates answers of a recursive resolver; remembers validated zone keys and delegations."""

    def __init__(
        self,
        anchors: TrustAnchors,
        *,
        negative: Sequence[NegativeTrustAnchor] = (),
        limits: ValidatorLimits | None = None,
    ) -> None:
        self.anchors = anchors
        self.negative = tuple(negative)
        self.limits = limits or ValidatorLimits()

    def resolve(
        self, question: Question, now: float
    ) -> Generator[tuple[Question, ...], tuple[Response, ...], Answer]:
        """Ask what is needed, in batches, and return the verdict; `now` is POSIX seconds."""
        raise NotImplementedError
        yield ()
