"""One recorded try judged again: from its basis and session to the judgement, and what of the record disagrees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from danelaw.pkix import Roots, RootsError
from danelaw.queue import Attempt
from danelaw.receipt.derive import Derived
from danelaw.receipt.form import FormError
from danelaw.receipt.kinds import Contradiction, Kind
from danelaw.receipt.session import Session, read_session
from danelaw.tlspolicy import Judgement, Protection, Requirement, judge, refused

VERIFIED = frozenset(
    one.value for one in (Protection.DANE, Protection.MTA_STS, Protection.PKIX, Protection.PINNED, Protection.HOST_DANE)
)
"""Protections that nobody is to claim without proof."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A try judged again. `requirement` is None where it ended with the look-ups, `session` where nothing connected;
    `judgement` None where there was nothing to judge; `roots` are the public CAs that concern the chain, if any.
    """

    attempt: Attempt
    derived: Derived
    requirement: Requirement | None = None
    session: Session | None = None
    judgement: Judgement | None = None
    roots: Roots | None = None


def judge_again(attempt: Attempt, derived: Derived, evidence: Mapping[bytes, bytes]) -> Judged:
    """Work out requirement and judgement from the evidence, with the code of today. Raises `Contradiction`."""
    if not attempt.host:
        return Judged(attempt, derived)
    if derived.undeliverable is not None or derived.error is not None:
        raise Contradiction(Kind.DNS, f"{attempt.host} was tried, though the destination has no host to try")
    wanted = derived.requirement_for(attempt.host)
    if not attempt.session:
        return Judged(attempt, derived, wanted, None, refused(wanted) if wanted.refusal is not None else None)
    session = session_of(attempt.session, evidence)
    if session.handshake.host != wanted.host:
        raise Contradiction(Kind.EVIDENCE, f"the session is one with {session.handshake.host}, not with {wanted.host}")
    roots = roots_of(session, evidence)
    judgement = judge(wanted, session.handshake, roots, attempt.judged_at)
    return Judged(attempt, derived, wanted, session, judgement, roots)


def session_of(digest: bytes, evidence: Mapping[bytes, bytes]) -> Session:
    """The session with its chain. Raises `Contradiction`."""
    octets = evidence.get(digest)
    if octets is None:
        raise Contradiction(Kind.EVIDENCE, f"the record of the session, {digest.hex()[:8]}…, is not there")
    try:
        session = read_session(octets)
    except FormError as error:
        raise Contradiction(Kind.EVIDENCE, error.reason) from None
    chain = tuple(certificate_of(one, evidence) for one in session.chain)
    return replace(session, handshake=replace(session.handshake, chain=chain))


def roots_of(session: Session, evidence: Mapping[bytes, bytes]) -> Roots | None:
    """The public CAs that were trusted and concern the chain. Without any, a chain leads nowhere, as it did then."""
    if session.anchors is None:
        return None
    anchors = [certificate_of(one, evidence) for one in session.anchors]
    try:
        return Roots.from_der(anchors, "the receipt")
    except RootsError as error:
        raise Contradiction(Kind.CERTIFICATE, error.reason) from None


def certificate_of(digest: bytes, evidence: Mapping[bytes, bytes]) -> bytes:
    """A certificate in DER. Raises `Contradiction`."""
    der = evidence.get(digest)
    if der is None:
        raise Contradiction(Kind.EVIDENCE, f"the certificate {digest.hex()[:8]}… is not there")
    return der
