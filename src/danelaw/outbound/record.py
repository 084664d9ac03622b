"""The attempt record: one try at one host in the words that log, explain, notices and console share."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import dns.rdatatype

from danelaw import __version__
from danelaw.dnsdata import DNSSECStatus
from danelaw.outbound.causes import demander_of, of_judgement, wish_of
from danelaw.queue import Attempt, RecordReason
from danelaw.receipt import basis_octets, session_octets
from danelaw.tlspolicy import PKIXCheck, STSCheck

if TYPE_CHECKING:
    from danelaw.dnsdata import Answer
    from danelaw.dsn import Cause
    from danelaw.outbound.destination import HostPlan, Survey
    from danelaw.pkix import Roots
    from danelaw.tlspolicy import Handshake, Judgement, Requirement

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_SURVEYS = 1024
_SESSIONS = 512  # a connection that is older than so many others is put into octets anew; some kilobytes each
_DIGESTS = 65_536


@dataclass(slots=True)
class _Proof:
    """What belongs to a survey or a handshake, `of` (held, so that its identity stays its own): `blobs`, of which the
    last is the record of how the others were used. Until `rests_until` none of them must be stored again.
    """

    of: Survey | Handshake
    blobs: tuple[bytes, ...]
    facts: str = ""
    digests: tuple[bytes, ...] = ()
    rests_until: float = float("-inf")

    def __post_init__(self) -> None:
        self.digests = tuple(hashlib.sha256(blob).digest() for blob in self.blobs)


class Proven(NamedTuple):
    """The blobs of evidence that must be stored now, and the digest of the record of how all of it was used: a basis,
    or a session.
    """

    due: list[bytes]
    record: bytes


class EvidenceLedger:
    """Which proofs belong to a survey, and which of them this process has stored lately.

    A proof is a DNS response in wire form or a certificate; how they were used is in the basis of the decision and in
    the record of the session (`danelaw.receipt`). Each is named by its SHA-256 digest and written again only after
    `again_after` seconds, so that a try at a busy destination costs two digests and no copies.
    """

    def __init__(self, again_after: float = 3600.0) -> None:
        self._surveys: OrderedDict[int, _Proof] = OrderedDict()
        self._sessions: OrderedDict[tuple[int, bool], _Proof] = OrderedDict()
        self._stored: OrderedDict[bytes, float] = OrderedDict()
        self._again_after = again_after

    def of_survey(self, survey: Survey, now: float) -> tuple[Proven, str]:
        """All DNS responses a survey rests on with the basis it is, and the facts in words; `now` in POSIX seconds."""
        proof = self._surveys.get(id(survey))
        if proof is None:
            wires = [wire for answer in survey.destination.answers for wire in answer.evidence]
            proof = _Proof(survey, (*dict.fromkeys((*wires, *_of_groups(survey))), _basis_of(survey)), facts_of(survey))
            _keep(self._surveys, id(survey), proof, _SURVEYS)
        return self._proven(proof, now), proof.facts

    def of_session(self, handshake: Handshake, requirement: Requirement, roots: Roots | None, now: float) -> Proven:
        """The presented chain, the public CAs that could have a part in it where one must vouch, and the session."""
        by_ca = roots is not None and any(
            isinstance(check, STSCheck | PKIXCheck) for check in (*requirement.checks, *requirement.observe)
        )
        proof = self._sessions.get((id(handshake), by_ca))
        if proof is None:
            anchors = roots.concerned(handshake.chain) if by_ca and roots is not None else None
            certificates = dict.fromkeys((*handshake.chain, *(anchors or ())))
            proof = _Proof(handshake, (*certificates, session_octets(handshake, anchors)))
            _keep(self._sessions, (id(handshake), by_ca), proof, _SESSIONS)
        return self._proven(proof, now)

    def forget(self) -> None:
        """Evidence was purged: all of it is stored again when it is next used."""
        self._surveys.clear()
        self._sessions.clear()
        self._stored.clear()

    def _proven(self, proof: _Proof, now: float) -> Proven:
        if now < proof.rests_until:
            return Proven([], proof.digests[-1])
        due, oldest = [], now
        for blob, digest in zip(proof.blobs, proof.digests, strict=True):
            stored = self._stored.get(digest)
            if stored is None or now - stored >= self._again_after:
                due.append(blob)
                self._store(digest, now)
            else:
                oldest = min(oldest, stored)
        proof.rests_until = oldest + self._again_after
        return Proven(due, proof.digests[-1])

    def _store(self, digest: bytes, now: float) -> None:
        self._stored[digest] = now
        if len(self._stored) > _DIGESTS:
            self._stored.popitem(last=False)


def _basis_of(survey: Survey) -> bytes:
    groups = survey.groups
    return basis_octets(
        survey.destination, survey.demand, survey.sts, survey.override.override, survey.made_at, __version__,
        group=groups.demand, wait=groups.error or "", beside=_of_groups(survey),
    )  # fmt: skip


def _of_groups(survey: Survey) -> Iterator[bytes]:
    """The responses that tell which trust groups it is a member of."""
    for belonging in survey.groups.belongings:
        for answer in belonging.membership.answers:
            yield from answer.evidence


def _keep(known: OrderedDict[_Key, _Value], key: _Key, value: _Value, most: int) -> None:
    known[key] = value
    if len(known) > most:
        known.popitem(last=False)


def facts_of(survey: Survey) -> str:
    """What was published, in one line: `MX 10 mx1.example.org (signed) · TLSA 2 records · MTA-STS not consulted`."""
    mx = survey.destination.mx
    if mx.static:
        parts = [f"next hop {survey.next_hop.to_text()}, set by you"]
    elif mx.implicit:
        parts = [f"no MX records ({_signed(mx.secure)}): the domain itself"]
    else:
        hosts = ", ".join(f"{host.preference} {host.name}" for host in mx.hosts[:4])
        more = f" and {len(mx.hosts) - 4} more" if len(mx.hosts) > 4 else ""
        parts = [f"MX {hosts}{more} ({_signed(mx.secure)})"] if mx.hosts else []
    counts = [len(host.records) for host in survey.destination.hosts]
    if any(counts):
        parts.append("TLSA " + ", ".join(str(count) for count in counts) + " (signed)")
    elif survey.destination.hosts and survey.next_hop.domain is not None:
        # Denied by signed DNS, or not even asked for since a zone on the way is not signed.
        denied = all(_denied(host.answers) for host in survey.destination.hosts)
        parts.append("no TLSA (signed)" if denied else "no TLSA")
    if survey.sts_asked:
        parts.append(f"MTA-STS: {survey.sts.note}")
    elif survey.hosts and survey.next_hop.domain is not None:
        parts.append("MTA-STS not consulted")
    for one in survey.groups.member_of:
        parts.append(f'trust group "{one.group.name}": member, {one.membership.reason}')
    return " · ".join(parts)


def _denied(answers: Iterable[Answer]) -> bool:
    asked = [answer for answer in answers if answer.question.rdtype == dns.rdatatype.TLSA]
    return bool(asked) and all(answer.status is DNSSECStatus.SECURE and not answer.records for answer in asked)


def _signed(secure: bool) -> str:
    return "signed" if secure else "not signed"


def attempt_of(
    *,
    started: float,
    ended: float,
    survey: Survey,
    plan: HostPlan | None,
    recipients: tuple[int, ...],
    address: str = "",
    judgement: Judgement | None = None,
    handshake: Handshake | None = None,
    outcome: str = "waiting",
    reply: str = "",
    reason: str = "",
    facts: str = "",
    cause: Cause | None = None,
    basis: bytes = b"",
    session: bytes = b"",
) -> Attempt:
    """Put one try into words. `outcome` is `delivered | waiting | returned`; `cause` what a reply or the network told,
    else the judgement tells.
    """
    if cause is None and judgement is not None and judgement.failure is not None:
        cause = of_judgement(judgement, plan, handshake)
    went_well = outcome == "delivered"
    failed_tls = [item.result_type for item in judgement.tlsrpt if item.result_type] if judgement else []
    return Attempt(
        started,
        survey.next_hop.to_text(),
        recipients,
        plan.host.ascii if plan is not None else "",
        address,
        survey.next_hop.port,
        plan.requirement.reason if plan is not None else "",
        judgement.protection.value if judgement is not None else "nothing sent",
        (handshake.version or "") if handshake is not None else "",
        (handshake.cipher or "") if handshake is not None else "",
        reply,
        outcome,
        reason or (judgement.reason if judgement is not None else ""),
        "; ".join(judgement.observed) if judgement is not None else "",
        tuple(
            RecordReason(item.record.to_text() if item.record else "", item.usable, item.matched, item.reason)
            for item in (judgement.records if judgement is not None else ())
        ),
        tlsrpt=failed_tls[0] if failed_tls else "",
        duration=ended - started,
        facts=facts,
        cause="" if went_well or cause is None else cause.value,
        demander=wish_of(survey) if went_well else demander_of(survey, plan).value,
        demand=survey.demand.word,
        basis=basis,
        session=session,
        judged_at=judgement.at if judgement is not None else 0.0,
    )
