"""The three fields of an ARC set (RFC 8617 §4.1), and their instance tag (§4.2.1)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from enum import Enum

from danelaw.address import Domain
from danelaw.arc.errors import ARCError
from danelaw.dkim.errors import DKIMError
from danelaw.dkim.signature import MAX_FIELD, DKIMSignature, require, selector_of, signing_domain
from danelaw.dkim.taglist import TagList, fold

MOST_SETS = 50

SEAL = b"ARC-Seal"
MESSAGE_SIGNATURE = b"ARC-Message-Signature"
RESULTS = b"ARC-Authentication-Results"

_COMMENT = re.compile(r"\((?:[^()\\]|\\.)*\)")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
# instance [CFWS] ";" authres-payload; the comments are taken out before.
_RESULTS = re.compile(r"[ \t]*i[ \t]*=[ \t]*([0-9]{1,2})[ \t]*;")


class ChainStatus(Enum):
    """Chain validation status (RFC 8617 §4.4), spelled as in cv= and in Authentication-Results."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ARCAuthenticationResults:
    """What a sealer saw when the message arrived. `payload` is what follows the instance, unfolded, unread."""

    instance: int
    payload: str

    @classmethod
    def from_bytes(cls, value: bytes) -> ARCAuthenticationResults:
        """Read the body of the field. Raises `ARCError`; the payload may be anything (RFC 8617 §3.4)."""
        if len(value) > MAX_FIELD:
            raise ARCError(f"the field has more than {MAX_FIELD} octets")
        text = _FOLD.sub("", value.decode("utf-8", "replace"))
        head, semicolon, payload = text.partition(";")
        match = _RESULTS.fullmatch(_without_comments(head) + semicolon)
        if match is None:
            raise ARCError("it does not begin with i=<number>;")
        return cls(_position(match[1]), payload.strip())

    def to_text(self) -> str:
        """The body of the field."""
        return f" i={self.instance}; {self.payload}"


@dataclass(frozen=True, slots=True)
class ARCMessageSignature:
    """A signature over header and body as the message left a sealer; `signature` says all but the instance."""

    instance: int
    signature: DKIMSignature

    @classmethod
    def from_bytes(cls, value: bytes) -> ARCMessageSignature:
        """Read the body of the field. Raises `ARCError`.

        v= is ignored and i= is the instance (RFC 8617 §4.1.2). ARC-Seal in h= is refused. The other two ARC fields must
        not be there either, but sealers sign them and the published tests want that accepted.
        """
        try:
            tags = TagList.from_bytes(value, max_octets=MAX_FIELD)
            require(tags, ("i", "a", "b", "bh", "d", "h", "s"))
            signature = DKIMSignature.from_tags(tags, auid=False)
        except DKIMError as error:
            raise ARCError(error.reason) from None
        if any(name.lower() == "arc-seal" for name in signature.headers):
            raise ARCError("h= names ARC-Seal")
        return cls(_position(_without_comments(tags["i"]).strip()), signature)

    def to_text(self) -> str:
        """The body of the field."""
        name = MESSAGE_SIGNATURE.decode("ascii")
        return self.signature.to_text(f"i={self.instance}", name=name, identity_tag=False)


@dataclass(frozen=True, slots=True)
class ARCSeal:
    """A signature over all ARC fields so far; `status` (cv=) is what the sealer found the chain before it to be."""

    instance: int
    status: ChainStatus
    algorithm: str
    domain: Domain
    selector: str
    signature: bytes
    timestamp: int | None = None

    @classmethod
    def from_bytes(cls, value: bytes) -> ARCSeal:
        """Read the body of the field. Raises `ARCError`; h= is not allowed (RFC 8617 §4.1.3)."""
        try:
            tags = TagList.from_bytes(value, max_octets=MAX_FIELD)
            require(tags, ("i", "cv", "a", "b", "d", "s"))
            if "h" in tags:
                raise ARCError("it has h=, which a seal must not have")
            return cls(
                instance=_position(_without_comments(tags["i"]).strip()),
                status=_status(_without_comments(tags["cv"]).strip()),
                algorithm=tags["a"],
                domain=signing_domain(tags),
                selector=selector_of(tags),
                signature=tags.octets("b"),
                timestamp=tags.number("t", 12) if "t" in tags else None,
            )
        except DKIMError as error:
            raise ARCError(error.reason) from None

    def to_text(self) -> str:
        """The body of the field, folded."""
        tags = [f"i={self.instance}", f"a={self.algorithm}", f"cv={self.status.value}", f"d={self.domain.ascii}"]
        tags.append(f"s={self.selector}")
        if self.timestamp is not None:
            tags.append(f"t={self.timestamp}")
        text = base64.b64encode(self.signature).decode("ascii")
        pieces = [text[start : start + 72] for start in range(0, len(text), 72)]
        return fold([*(f" {tag};" for tag in tags), " b=", *pieces], first=len(SEAL) + 1)


def _position(text: str) -> int:
    """An instance: 1 to 50 (RFC 8617 §4.2.1)."""
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and 1 <= int(text) <= MOST_SETS):
        raise ARCError(f"i= is {text[:20]!r}, not a number from 1 to {MOST_SETS}")
    return int(text)


def _status(text: str) -> ChainStatus:
    try:
        return ChainStatus(text.lower())
    except ValueError:
        raise ARCError(f"cv= is {text[:20]!r}, not none, pass or fail") from None


def _without_comments(text: str) -> str:
    """White space for comments (RFC 5322 §3.2.2), nested ones too: each turn takes out the innermost."""
    if "(" not in text:
        return text
    for _ in range(8):
        text, count = _COMMENT.subn(" ", text)
        if not count:
            break
    return text
