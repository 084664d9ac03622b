"""Asks the validator about a small generated internet, with responses changed on the way."""

from __future__ import annotations

from collections.abc import Callable

import dns.message
from tests.dnssec.driving import drive
from tests.dnssec.signing import NOW, Internet, Zone

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.dnssec import NegativeTrustAnchor, TrustAnchors, Validator, ValidatorLimits

SECURE, INSECURE = DNSSECStatus.SECURE, DNSSECStatus.INSECURE
BOGUS, INDETERMINATE = DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE

Change = Callable[[dns.message.Message], object]


def q(owner: str, rdtype: str) -> Question:
    return Question.from_text(owner, rdtype)


def internet(text: str = "", denial: str = "nsec", **more: int) -> Internet:
    return Internet(Zone(".", "", "nsec", 1), Zone("test.", "www 3600 A 192.0.2.1\n" + text, denial, 2, **more))


def ask(
    net: Internet,
    question: Question,
    changes: dict[Question, Change] | None = None,
    *,
    now: float = NOW,
    limits: ValidatorLimits | None = None,
    anchors: str | None = None,
    negative: tuple[NegativeTrustAnchor, ...] = (),
) -> Answer:
    """The verdict when the responses to some questions are changed on the way."""

    def respond(asked: Question) -> dns.message.Message | None:
        message = net.answer(asked)
        change = (changes or {}).get(asked)
        return None if change is not None and change(message) is None else message

    validator = Validator(TrustAnchors.from_text(anchors or net.anchor), negative=negative, limits=limits)
    return drive(validator.resolve(question, now), respond)
