"""Does what was recorded of a try agree with what follows from its evidence?"""

from __future__ import annotations

from collections.abc import Iterator

from danelaw.queue import Attempt, RecordReason
from danelaw.receipt.judging import VERIFIED, Judged
from danelaw.receipt.kinds import Contradiction, Kind
from danelaw.tlspolicy import Handshake, Judgement, Protection, Requirement, StartTLSOutcome

SKEW = 5.0
"""Seconds a clock may have been set back while a message was tried."""
_LONGEST_SURVEY = 86_400.0 + 3600.0
_NOTHING = Protection.NOTHING_SENT.value
_BROKE_OFF = "the connection broke off"
_OUTCOMES = frozenset({"delivered", "waiting", "returned"})


def disagreements(judged: Judged) -> Iterator[Contradiction]:
    """Everything in which record and evidence disagree."""
    attempt, basis = judged.attempt, judged.derived.basis
    if attempt.destination != basis.next_hop.to_text():
        yield Contradiction(Kind.EVIDENCE, f"it was for {attempt.destination}, and its basis is about {basis.next_hop}")
    yield from _times(attempt, basis.made_at)
    yield from _outcome(attempt)
    if judged.requirement is None:
        yield from _looked_up(judged)
        return
    if attempt.requirement != judged.requirement.reason:
        yield Contradiction(
            Kind.REQUIREMENT,
            f"{attempt.requirement!r} is claimed to have been demanded, and {judged.requirement.reason!r} was",
            wording=True,
        )
    if attempt.port != basis.next_hop.port:
        yield Contradiction(Kind.RECORD, f"port {attempt.port} is not that of {basis.next_hop}")
    if attempt.address:
        yield from _address(judged)
    yield from _unconnected(judged, judged.requirement) if judged.session is None else _connected(judged)


def _times(attempt: Attempt, made_at: float) -> Iterator[Contradiction]:
    if made_at > attempt.time + attempt.duration + SKEW:
        yield Contradiction(Kind.TIME, "it was looked up after it was tried")
    if attempt.time - made_at > _LONGEST_SURVEY:
        yield Contradiction(Kind.TIME, "it was tried long after the look-ups it rests on had lost their force")
    if attempt.judged_at and not -SKEW <= attempt.judged_at - attempt.time <= attempt.duration + SKEW:
        yield Contradiction(Kind.TIME, "it was not judged while it was tried")
    if bool(attempt.judged_at) != bool(attempt.session):
        yield Contradiction(Kind.RECORD, "a session and the time of its judgement belong together")


def _outcome(attempt: Attempt) -> Iterator[Contradiction]:
    """What was sent, and what was answered."""
    if attempt.outcome not in _OUTCOMES:
        yield Contradiction(Kind.OUTCOME, f"{attempt.outcome!r} is no outcome")
    if attempt.outcome == "delivered" and attempt.reply[:1] != "2":
        yield Contradiction(Kind.OUTCOME, f"it is claimed to be delivered, and the reply was {attempt.reply!r}")
    if attempt.outcome != "delivered" and attempt.reply[:1] == "2":
        yield Contradiction(Kind.OUTCOME, f"it is claimed to be {attempt.outcome}, and the reply was {attempt.reply!r}")
    if attempt.outcome == "delivered" and attempt.protection == _NOTHING:
        yield Contradiction(Kind.OUTCOME, "it is claimed to be delivered, and that nothing was sent")


def _looked_up(judged: Judged) -> Iterator[Contradiction]:
    """A try that ended with the look-ups."""
    attempt, derived = judged.attempt, judged.derived
    error = derived.error
    if derived.undeliverable is not None:
        outcome, reason = "returned", derived.undeliverable.reason
    elif error is not None:
        outcome, reason = "waiting", error
    else:
        yield Contradiction(Kind.DNS, f"no host was tried, though {derived.basis.next_hop} has one")
        return
    if attempt.outcome != outcome:
        yield Contradiction(Kind.OUTCOME, f"it is claimed to be {attempt.outcome}, and DNS says {outcome}")
    if attempt.reason != reason:
        yield Contradiction(
            Kind.DNS, f"the reason is claimed to be {attempt.reason!r}, and is {reason!r}", wording=True
        )
    if attempt.protection != _NOTHING or attempt.session or attempt.tls_version:
        yield Contradiction(Kind.JUDGEMENT, "something was sent, and no host was tried")


def _address(judged: Judged) -> Iterator[Contradiction]:
    hosts = judged.derived.destination.hosts
    known = next((one.addresses for one in hosts if one.host.ascii == judged.attempt.host), ())
    if judged.attempt.address not in known:
        yield Contradiction(Kind.DNS, f"{judged.attempt.address} is no address of {judged.attempt.host}")


def _unconnected(judged: Judged, wanted: Requirement) -> Iterator[Contradiction]:
    attempt = judged.attempt
    if attempt.protection != _NOTHING or attempt.outcome == "delivered":
        kind = Kind.JUDGEMENT if attempt.protection in VERIFIED else Kind.OUTCOME
        yield Contradiction(kind, f"{attempt.protection!r} is claimed, and there was no session")
    if attempt.tls_version or attempt.cipher or attempt.records:
        yield Contradiction(Kind.JUDGEMENT, "TLS is claimed, and there was no session")
    if wanted.refusal is not None and attempt.reason != wanted.refusal.reason:
        yield Contradiction(
            Kind.REQUIREMENT,
            f"the reason is claimed to be {attempt.reason!r}, and is {wanted.refusal.reason!r}",
            wording=True,
        )
    if wanted.refusal is not None and attempt.address:
        yield Contradiction(Kind.REQUIREMENT, f"{attempt.address} was tried, though the host was not to be used")


def _connected(judged: Judged) -> Iterator[Contradiction]:
    attempt, session, judgement = judged.attempt, judged.session, judged.judgement
    assert session is not None
    assert judgement is not None
    assert judged.requirement is not None
    shown = session.handshake
    for name, claimed, found in (
        ("address", attempt.address, shown.address),
        ("port", attempt.port, shown.port),
        ("TLS version", attempt.tls_version, shown.version or ""),
        ("cipher", attempt.cipher, shown.cipher or ""),
    ):
        if claimed != found:
            yield Contradiction(Kind.RECORD, f"the {name} is claimed to be {claimed!r}, and the session's is {found!r}")
    if shown.version and shown.sni != judged.requirement.sni:
        yield Contradiction(Kind.REQUIREMENT, f"the name sent in the handshake was {shown.sni}, and had to be another")
    yield from _judgement(attempt, shown, judgement)


def _records(attempt: Attempt, judgement: Judgement) -> Iterator[Contradiction]:
    """What became of each TLSA record."""
    found = [
        RecordReason(item.record.to_text() if item.record else "", item.usable, item.matched, item.reason)
        for item in judgement.records
    ]
    if [(one.record, one.usable, one.matched) for one in attempt.records] != [
        (one.record, one.usable, one.matched) for one in found
    ]:
        yield Contradiction(Kind.JUDGEMENT, "what became of the TLSA records is not what follows from the certificate")
    elif list(attempt.records) != found:
        yield Contradiction(Kind.JUDGEMENT, "why a TLSA record matched or not is claimed in other words", wording=True)


def _judgement(attempt: Attempt, shown: Handshake, judgement: Judgement) -> Iterator[Contradiction]:
    """The verdict itself: what protected it, why, and what became of each record."""
    sure = judgement.clearance is not None
    if attempt.protection != judgement.protection.value:
        yield Contradiction(
            Kind.JUDGEMENT,
            f"{attempt.protection!r} is claimed, and it was {judgement.protection.value!r}: {judgement.reason}",
        )
    if not sure and (attempt.outcome == "delivered" or attempt.reply):
        yield Contradiction(Kind.OUTCOME, f"it was sent, though nothing may be sent there: {judgement.reason}")
    broke = sure and attempt.reason.startswith(_BROKE_OFF)
    if attempt.reason != judgement.reason and not broke:
        yield Contradiction(
            Kind.JUDGEMENT, f"the reason is claimed to be {attempt.reason!r}, and is {judgement.reason!r}", wording=True
        )
    yield from _records(attempt, judgement)
    if attempt.detail != "; ".join(judgement.observed):
        yield Contradiction(
            Kind.JUDGEMENT, "what was only observed is not what follows from the evidence", wording=True
        )
    if shown.starttls is StartTLSOutcome.NOT_TRIED:
        return  # how TLS failed on the connection before is what is told of this one
    failed = next((item.result_type for item in judgement.tlsrpt if item.result_type), None)
    if attempt.tlsrpt != (failed or ""):
        yield Contradiction(
            Kind.JUDGEMENT,
            f"the result for TLS reports is {failed or 'success'!r}, not {attempt.tlsrpt or 'success'!r}",
            wording=True,  # it is what reports call it; what protected the message is compared above
        )
