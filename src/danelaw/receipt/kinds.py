"""Why a receipt is refused, and on what a statement of one that holds rests: two closed vocabularies."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from danelaw.errors import DanelawError


class Kind(Enum):
    """What is wrong with a receipt that is refused. The value is the word of `danelaw verify --json`."""

    FORM = "form"
    VERSION = "version"
    ALTERED = "altered"
    EVIDENCE = "evidence"
    RECORD = "record"
    LOG = "log"
    TIME = "time"
    DNS = "dns"
    REQUIREMENT = "requirement"
    CERTIFICATE = "certificate"
    JUDGEMENT = "judgement"
    OUTCOME = "outcome"
    SIGNATURE = "signature"


class Contradiction(DanelawError):
    """What a receipt claims does not follow from what it holds. `wording`: only the words for it differ, as they may
    between versions of danelaw.
    """

    def __init__(self, kind: Kind, reason: str, *, wording: bool = False) -> None:
        super().__init__(reason)
        self.kind = kind
        self.wording = wording


class Ground(Enum):
    """On what a statement rests. The value is the wording for people.

    `DNS`: signatures from the root key down. `CERTIFICATE`: a certificate that signed DNS or a CA vouches for.
    `WORD`: the gateway says so, and could say otherwise.
    """

    DNS = "signed by DNS"
    CERTIFICATE = "proved by certificate"
    WORD = "rests on the word of the gateway"


@dataclass(frozen=True, slots=True)
class Statement:
    """One thing a receipt states. `where` is `message` or `try 1`."""

    where: str
    ground: Ground
    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason why a receipt does not hold."""

    where: str
    kind: Kind
    reason: str
