"""The attempt record: one try at one host in the words that log, explain, notices and console share."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import TYPE_CHECKING, NamedTuple

from danelaw.queue import Attempt, RecordReason

if TYPE_CHECKING:
    from danelaw.dnsdata import Answer
    from danelaw.outbound.destination import HostPlan, Survey
    from danelaw.tlspolicy import Handshake, Judgement

_SURVEYS = 1024
_DIGESTS = 65_536


class _Proof(NamedTuple):
    """A survey (held, so that its identity stays its own) with what proves it."""

    survey: Survey
    blobs: tuple[bytes, ...]
    digests: tuple[bytes, ...]
    facts: str


class EvidenceLedger:
    """Which proofs belong to a survey, and which of them this process has stored lately.

    A proof is a DNS response in wire form or a presented chain. It is named by its SHA-256 digest and written
    again only after `again_after` seconds, so that a busy destination costs digests and no copies.
    """

    def __init__(self, again_after: float = 3600.0) -> None:
        self._surveys: OrderedDict[int, _Proof] = OrderedDict()
        self._stored: OrderedDict[bytes, float] = OrderedDict()
        self._again_after = again_after

    def of_survey(self, survey: Survey, now: float) -> tuple[tuple[bytes, ...], list[bytes], str]:
        """The digests of all DNS responses a survey rests on, those that must be stored now, and the facts in words."""
        proof = self._surveys.get(id(survey))
        if proof is None:
            blobs = tuple(dict.fromkeys(wire for answer in _answers(survey) for wire in answer.evidence))
            proof = _Proof(survey, blobs, tuple(hashlib.sha256(blob).digest() for blob in blobs), facts_of(survey))
            self._surveys[id(survey)] = proof
            if len(self._surveys) > _SURVEYS:
                self._surveys.popitem(last=False)
        due = [blob for blob, digest in zip(proof.blobs, proof.digests, strict=True) if self._due(digest, now)]
        return proof.digests, due, proof.facts

    def of_chain(self, chain: tuple[bytes, ...], now: float) -> tuple[tuple[bytes, ...], list[bytes]]:
        """The same for a presented certificate chain."""
        digests = tuple(hashlib.sha256(der).digest() for der in chain)
        return digests, [der for der, digest in zip(chain, digests, strict=True) if self._due(digest, now)]

    def _due(self, digest: bytes, now: float) -> bool:
        if now - self._stored.get(digest, float("-inf")) < self._again_after:
            return False
        self._stored[digest] = now
        if len(self._stored) > _DIGESTS:
            self._stored.popitem(last=False)
        return True


def _answers(survey: Survey) -> list[Answer]:
    answers = list(survey.destination.mx.answers)
    for host in survey.destination.hosts:
        answers.extend(host.answers)
    for belonging in survey.groups.belongings:
        answers.extend(belonging.membership.answers)
    return answers


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
        parts.append("no TLSA")
    if survey.sts_asked:
        parts.append(f"MTA-STS: {survey.sts.note}")
    elif survey.hosts and survey.next_hop.domain is not None:
        parts.append("MTA-STS not consulted")
    for one in survey.groups.member_of:
        parts.append(f'trust group "{one.group.name}": member, {one.membership.reason}')
    return " · ".join(parts)


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
    evidence: tuple[bytes, ...] = (),
    facts: str = "",
) -> Attempt:
    """Put one try into words. `outcome` is `delivered | waiting | returned`."""
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
        evidence,
        failed_tls[0] if failed_tls else "",
        ended - started,
        facts,
        demand=survey.demand.word,
    )
