"""From a basis and recorded responses back to the destination a decision was made about: DNSSEC is validated again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.dnssec import NegativeTrustAnchor, TrustAnchors, Validator
from danelaw.dnssec.recheck import Recording, question_of
from danelaw.errors import DanelawError
from danelaw.receipt.basis import Basis, Said
from danelaw.receipt.kinds import Contradiction, Kind
from danelaw.routing import Destination, Undeliverable, lookup_destination, takes_no_mail
from danelaw.tlspolicy import Requirement, requirement

_MOST_ROUNDS = 64


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from a basis: `answers` are the answers as validated now, in the order asked."""

    basis: Basis
    destination: Destination
    undeliverable: Undeliverable | None
    answers: tuple[Answer, ...]

    @property
    def error(self) -> str | None:
        """Why mail had to wait before any host was looked at; None where it had not."""
        return self.destination.mx.error or self.basis.wait or None

    def requirement_for(self, host: str) -> Requirement:
        """What a host, by its name, had to prove. Raises `Contradiction`."""
        records = next((one for one in self.destination.hosts if one.host.ascii == host), None)
        if records is None:
            raise Contradiction(Kind.DNS, f"{host} is no host of {self.basis.next_hop}")
        basis = self.basis
        return requirement(self.destination, records, basis.sts, basis.override, basis.demand, basis.group)


def derive(
    basis: Basis,
    evidence: Mapping[bytes, bytes],
    anchors: TrustAnchors,
    negative: Sequence[NegativeTrustAnchor] = (),
) -> Derived:
    """Look the destination up again, in the recorded responses, as of the time of the basis.

    `evidence` has responses in wire form by SHA-256. An answer must prove what it was taken for: what was taken as
    signed must be, what was taken as provably unsigned must be that. A failed one stays failed; why it failed rests on
    the word of who recorded it. `negative` is where validation was switched off. Raises `Contradiction`.
    """
    _check_word(basis)
    missing = next((digest for digest in basis.responses if digest not in evidence), None)
    if missing is not None:
        raise Contradiction(Kind.EVIDENCE, f"the DNS response {missing.hex()[:8]}… is not there")
    asked = {digest: question_of(evidence[digest]) for digest in basis.responses}
    recorded = {digest: (each, evidence[digest]) for digest, each in asked.items() if each is not None}
    everything = Recording.of(recorded.values())
    validator = Validator(anchors, negative=negative)
    answers: dict[Question, Answer] = {}
    steps = lookup_destination(basis.next_hop)
    try:
        batch = next(steps)
        for _ in range(_MOST_ROUNDS):
            for question in batch:
                if question not in answers:
                    answers[question] = _answer(question, basis, recorded, everything, validator)
            batch = steps.send(tuple(answers[question] for question in batch))
        raise Contradiction(Kind.DNS, "the look-ups never end")
    except StopIteration as end:
        destination: Destination = end.value
    except DanelawError as error:
        if isinstance(error, Contradiction):
            raise
        raise Contradiction(Kind.DNS, error.reason) from None
    finally:
        steps.close()
    unasked = next((question for question in basis.answers if question not in answers), None)
    if unasked is not None:
        raise Contradiction(Kind.DNS, f"{unasked} was answered, but nobody had to ask")
    return Derived(basis, destination, takes_no_mail(destination), tuple(answers.values()))


def _answer(
    question: Question,
    basis: Basis,
    recorded: Mapping[bytes, tuple[Question, bytes]],
    everything: Recording,
    validator: Validator,
) -> Answer:
    said = basis.answers.get(question)
    if said is None:
        raise Contradiction(Kind.DNS, f"nothing says what {question} was answered")
    # Its own responses first: another answer may rest on an older or younger response to the same question.
    own = Recording.of(recorded[digest] for digest in said.responses if digest in recorded)
    found = own.before(everything).answer(question, validator, basis.made_at)
    if said.status in (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE) or found.failed:
        return _failed(question, said, found)
    if (found.status, found.rcode) != (said.status, said.rcode):
        raise Contradiction(Kind.DNS, f"{question} was taken as {said.status.value}, and is {_words(found)}")
    return found


def _failed(question: Question, said: Said, found: Answer) -> Answer:
    """A look-up that failed for whoever made it, or fails now; both must."""
    as_said = replace(found, status=said.status, rcode=said.rcode, reason=said.reason)
    if not (found.failed and as_said.failed):
        raise Contradiction(Kind.DNS, f"{question} was taken as {_words(as_said)}, and is {_words(found)}")
    return as_said


def _words(answer: Answer) -> str:
    return f"{answer.status.value} ({answer.reason})" if answer.reason else answer.status.value


def _check_word(basis: Basis) -> None:
    """What rests on a word must at least have been able to apply."""
    domain, override, sts = basis.next_hop.policy_domain, basis.override, basis.sts
    if override is not None and not (domain is not None and override.covers(domain) and override.active(basis.made_at)):
        raise Contradiction(
            Kind.REQUIREMENT, f"the override {override.destination} = {override.tls.value} does not apply here"
        )
    if (basis.group is not None or basis.wait) and domain is None:
        raise Contradiction(Kind.REQUIREMENT, "an address belongs to no trust group")
    if sts.domain is not None and sts.domain != domain:
        raise Contradiction(Kind.REQUIREMENT, f"the MTA-STS policy is that of {sts.domain}")
    if sts.policy is not None and (sts.domain is None or basis.made_at > sts.expires):
        raise Contradiction(Kind.REQUIREMENT, "the MTA-STS policy had expired, or is nobody's")
    if sts.policy is not None and basis.made_at < sts.expires - sts.policy.max_age - _SKEW:
        raise Contradiction(Kind.TIME, "the MTA-STS policy was fetched after it was used")


_SKEW = 5.0
"""Seconds a clock may step back between two looks at it."""
