"""Verifying every signature of a message (RFC 6376 §6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from danelaw.dkim.bodyhash import BodyDigest, BodyHashes, BodyPart
from danelaw.dkim.canonical import Octets
from danelaw.dkim.headerhash import HeaderField, HeaderFields
from danelaw.dkim.judge import DEFAULT_SETTINGS, VerifySettings, judge
from danelaw.dkim.keys import check_algorithm, key_question
from danelaw.dkim.result import DKIMResult
from danelaw.dkim.signature import FIELD_NAME, DKIMSignature, SignatureError
from danelaw.dkim.verdict import DKIMOutcome, DKIMVerdict
from danelaw.dnsdata import Answer, Lookup, Question


class _Candidate(NamedTuple):
    """A signature worth the work: where its field stands, what it says, the question for its key."""

    place: int
    signature: DKIMSignature
    question: Question

    @property
    def body_part(self) -> BodyPart:
        return self.signature.body_canonicalization, self.signature.length


class DKIMVerification:
    """One message on its way through verification.

    `fields` are (name, raw octets) of the header, top first; `now` in POSIX seconds. Give the body to `update` in any
    pieces; `lookup` may run meanwhile, and `conclude` ends it with the answers that `lookup` returned.
    """

    def __init__(
        self,
        fields: HeaderFields | Iterable[HeaderField],
        *,
        now: float,
        settings: VerifySettings = DEFAULT_SETTINGS,
    ) -> None:
        self._header = fields if isinstance(fields, HeaderFields) else HeaderFields(fields)
        self._now = now
        self._settings = settings
        self._found: list[_Candidate | DKIMVerdict] = []
        self._candidates: list[_Candidate] = []
        for index in self._header.indices(FIELD_NAME.lower()):
            self._found.append(self._candidate(index))
        self._body = BodyHashes(candidate.body_part for candidate in self._candidates)

    @property
    def needs_body(self) -> bool:
        """False when no signature is worth reading the body for."""
        return bool(self._candidates)

    def update(self, data: Octets) -> None:
        """Take the next piece of the body."""
        self._body.update(data)

    def lookup(self) -> Lookup[Mapping[Question, Answer]]:
        """Ask for all keys at once."""
        questions = tuple(dict.fromkeys(candidate.question for candidate in self._candidates))
        if not questions:
            return {}
        answers = yield questions
        return dict(zip(questions, answers, strict=True))

    def conclude(self, answers: Mapping[Question, Answer]) -> DKIMOutcome:
        """The verdicts, once the whole body was given."""
        digests = self._body.finish()
        return DKIMOutcome(
            tuple(
                found if isinstance(found, DKIMVerdict) else self._judge(found, digests, answers[found.question])
                for found in self._found
            )
        )

    def _candidate(self, index: int) -> _Candidate | DKIMVerdict:
        raw = self._header.fields[index][1]
        tried = len(self._candidates)
        if tried >= self._settings.most_signatures:
            reason = f"it was not tried: only {tried} signatures of a message are"
            return DKIMVerdict(DKIMResult.NEUTRAL, reason)
        signature = None
        try:
            signature = DKIMSignature.from_bytes(raw[raw.index(b":") + 1 :])
            check_algorithm(signature.algorithm)
            self._check_from(signature)
            found = _Candidate(index, signature, key_question(signature.domain, signature.selector))
        except SignatureError as error:
            domain = signature.domain.ascii if signature is not None else error.domain
            selector = signature.selector if signature is not None else error.selector
            return DKIMVerdict(error.result, error.reason, domain, selector, signature)
        self._candidates.append(found)
        return found

    def _check_from(self, signature: DKIMSignature) -> None:
        """The author shown to a reader must be the one that was signed (RFC 6376 §5.4, §8.15)."""
        present = len(self._header.indices(b"from"))
        if not present:
            raise SignatureError("the message has no From field")
        covered = ":".join(signature.headers).lower().split(":").count("from")
        if covered < present:
            reason = f"the message has {present} From fields, and the signature covers {covered}"
            raise SignatureError(reason, DKIMResult.POLICY)

    def _judge(self, candidate: _Candidate, digests: Mapping[BodyPart, BodyDigest], answer: Answer) -> DKIMVerdict:
        signature = candidate.signature
        own = self._header.fields[candidate.place]
        digest = self._header.digest(signature.headers, signature.header_canonicalization, own, candidate.place)
        return judge(signature, digest, digests[candidate.body_part], answer, self._now, self._settings)


def verify(
    fields: HeaderFields | Iterable[HeaderField],
    body: Octets | Iterable[Octets],
    *,
    now: float,
    settings: VerifySettings = DEFAULT_SETTINGS,
) -> Lookup[DKIMOutcome]:
    """Verify all signatures of a message at hand; `body` is whole or an iterable of pieces."""
    verification = DKIMVerification(fields, now=now, settings=settings)
    answers = yield from verification.lookup()
    if verification.needs_body:
        for piece in (body,) if isinstance(body, bytes | bytearray | memoryview) else body:
            verification.update(piece)
    return verification.conclude(answers)
