"""Validating a chain (RFC 8617 §5.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from danelaw.arc.chain import ARCChain, ARCSet
from danelaw.arc.errors import ARCError
from danelaw.arc.fields import MESSAGE_SIGNATURE, SEAL, ChainStatus
from danelaw.dkim import (
    BodyDigest,
    BodyHashes,
    Canonicalization,
    DKIMError,
    DKIMResult,
    DKIMVerdict,
    HeaderField,
    HeaderFields,
    VerifySettings,
    check_algorithm,
    find_keys,
    judge,
    key_question,
    unsigned_form,
)
from danelaw.dkim.bodyhash import BodyPart
from danelaw.dkim.canonical import Octets
from danelaw.dnsdata import Answer, Lookup, Question


@dataclass(frozen=True, slots=True)
class ARCOutcome:
    """What a chain is worth.

    `reason` is a sentence for a postmaster. `oldest_pass` is the lowest instance whose message signature still
    verifies, 0 when all do, None when not determined (RFC 8617 §5.2 step 5). `sealers` are the domains of the seals,
    oldest first: whether to believe them is the receiver's decision. `temporary` marks a failure of DNS: for RFC 8617
    §5.2.1 it is a failure like any other, but a receiver that can still ask the sender to wait may want to know.
    """

    status: ChainStatus
    reason: str
    chain: ARCChain = field(default_factory=ARCChain)
    oldest_pass: int | None = None
    temporary: bool = False

    @property
    def sealers(self) -> tuple[str, ...]:
        """The domain of every seal, oldest first; to be believed only when the chain passes."""
        return tuple(one.seal.domain.ascii for one in self.chain.sets)


@lru_cache(maxsize=16)
def _for_sealers(settings: VerifySettings) -> VerifySettings:
    """A sealer that tests DKIM seals all the same: t=y speaks of its own mail."""
    return replace(settings, testing=True)


class ARCVerification:
    """One message's chain on its way through validation: as `danelaw.dkim.DKIMVerification`."""

    def __init__(
        self,
        fields: HeaderFields | Iterable[HeaderField],
        *,
        now: float,
        settings: VerifySettings | None = None,
    ) -> None:
        self._header = fields if isinstance(fields, HeaderFields) else HeaderFields(fields)
        self._now = now
        self._settings = _for_sealers(settings or VerifySettings())
        self._chain = ARCChain()
        self._early: ARCOutcome | None = None
        self._questions: dict[tuple[bytes, int], Question] = {}
        try:
            self._chain = ARCChain.from_fields(self._header)
            self._ask()
        except ARCError as error:
            self._early = ARCOutcome(ChainStatus.FAIL, error.reason, self._chain)
        if self._early is None and not self._chain.sets:
            self._early = ARCOutcome(ChainStatus.NONE, "the message was never sealed")
        self._body = BodyHashes(_body_part(one) for one in self._chain.sets if self._early is None)

    @property
    def needs_body(self) -> bool:
        """False when the outcome is known from the structure alone."""
        return self._early is None

    def update(self, data: Octets) -> None:
        """Take the next piece of the body."""
        self._body.update(data)

    def lookup(self) -> Lookup[Mapping[Question, Answer]]:
        """Ask for the keys of all sets at once."""
        questions = tuple(dict.fromkeys(self._questions.values())) if self._early is None else ()
        if not questions:
            return {}
        answers = yield questions
        return dict(zip(questions, answers, strict=True))

    def conclude(self, answers: Mapping[Question, Answer]) -> ARCOutcome:
        """The outcome, once the whole body was given."""
        digests = self._body.finish()
        if self._early is not None:
            return self._early
        sets = self._chain.sets
        newest = self._message_signature(sets[-1], digests, answers)
        if not newest.authenticates:
            return self._failed(f"the message signature of set {len(sets)} ({newest.domain}): {newest.reason}", newest)
        for one in reversed(sets):
            seal = self._seal(one, answers)
            if seal.result is not DKIMResult.PASS:
                return self._failed(f"the seal of set {one.instance} ({one.seal.domain}): {seal.reason}", seal)
        oldest = 0
        for one in reversed(sets[:-1]):
            if not self._message_signature(one, digests, answers).authenticates:
                oldest = one.instance + 1
                break
        count = len(sets)
        reason = f"{count} set{'s' if count > 1 else ''}, last sealed by {sets[-1].seal.domain}"
        return ARCOutcome(ChainStatus.PASS, reason, self._chain, oldest)

    def _ask(self) -> None:
        for one in self._chain.sets:
            signature, seal = one.message_signature.signature, one.seal
            for name, at in ((MESSAGE_SIGNATURE, signature), (SEAL, seal)):
                try:
                    check_algorithm(at.algorithm)
                    self._questions[name, one.instance] = key_question(at.domain, at.selector)
                except DKIMError as error:
                    # An older message signature is only looked at for oldest-pass.
                    if name == SEAL or one is self._chain.sets[-1]:
                        raise ARCError(f"{name.decode('ascii')} of set {one.instance}: {error.reason}") from None

    def _message_signature(
        self, one: ARCSet, digests: Mapping[BodyPart, BodyDigest], answers: Mapping[Question, Answer]
    ) -> DKIMVerdict:
        signature, at = one.message_signature.signature, one.indices[1]
        question = self._questions.get((MESSAGE_SIGNATURE, one.instance))
        if question is None:
            return DKIMVerdict(DKIMResult.PERMERROR, "its algorithm does not count", signature.domain.ascii)
        way = signature.header_canonicalization
        digest = self._header.digest(signature.headers, way, self._header.fields[at], at)
        return judge(signature, digest, digests[_body_part(one)], answers[question], self._now, self._settings)

    def _seal(self, one: ARCSet, answers: Mapping[Question, Answer]) -> DKIMVerdict:
        """A seal covers every ARC field up to and including its own set (RFC 8617 §5.1.1)."""
        settings, seal = self._settings, one.seal
        search = find_keys(
            answers[self._questions[SEAL, one.instance]],
            seal.algorithm,
            smallest_rsa=settings.smallest_rsa,
            most=settings.most_keys,
        )
        if not search.keys:
            return DKIMVerdict(search.result, search.reason, seal.domain.ascii, seal.selector, dnssec=search.dnssec)
        digest = seal_digest(self._header, self._chain.sets[: one.instance], self._header.fields[one.indices[2]])
        if any(fit.key.verifies(seal.signature, digest) for fit in search.keys):
            return DKIMVerdict(DKIMResult.PASS, "it verifies", seal.domain.ascii, seal.selector, dnssec=search.dnssec)
        reason = "it does not fit: an ARC field was changed, or another key made it"
        return DKIMVerdict(DKIMResult.FAIL, reason, seal.domain.ascii, seal.selector, dnssec=search.dnssec)

    def _failed(self, reason: str, verdict: DKIMVerdict) -> ARCOutcome:
        temporary = verdict.result is DKIMResult.TEMPERROR
        return ARCOutcome(ChainStatus.FAIL, reason, self._chain, temporary=temporary)


def seal_digest(header: HeaderFields, sets: Iterable[ARCSet], seal: HeaderField) -> bytes:
    """SHA-256 over the fields of `sets` in order, the last one's seal being `seal` without its b= (RFC 8617 §5.1.1)."""
    places = [index for one in sets for index in one.indices]
    return seal_hash([header.canonical(index, Canonicalization.RELAXED) for index in places[:-1]], seal)


def seal_hash(covered: list[bytes], seal: HeaderField) -> bytes:
    """SHA-256 over canonical fields and a seal without its b=."""
    return hashlib.sha256(b"".join(covered) + unsigned_form(seal, Canonicalization.RELAXED)).digest()


def _body_part(one: ARCSet) -> BodyPart:
    signature = one.message_signature.signature
    return signature.body_canonicalization, signature.length


def verify(
    fields: HeaderFields | Iterable[HeaderField],
    body: Octets | Iterable[Octets],
    *,
    now: float,
    settings: VerifySettings | None = None,
) -> Lookup[ARCOutcome]:
    """Validate the chain of a message at hand; `body` is whole or an iterable of pieces."""
    verification = ARCVerification(fields, now=now, settings=settings)
    answers = yield from verification.lookup()
    if verification.needs_body:
        for piece in (body,) if isinstance(body, bytes | bytearray | memoryview) else body:
            verification.update(piece)
    return verification.conclude(answers)
