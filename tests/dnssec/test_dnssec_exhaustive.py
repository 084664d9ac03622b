"""Every name and type of the generated internet: the validator says what the zones say, and how sure that is."""

from __future__ import annotations

import dns.message
import dns.rdatatype
from tests.dnssec.driving import drive
from tests.dnssec.signing import NOW
from tests.dnssec.world import questions, world

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.dnssec import TrustAnchors, Validator, recheck


def expected_status(question: Question) -> DNSSECStatus:
    """Secure when every zone on the way is signed from the root down and no opt-out span was needed."""
    for zone, reply in world().steps(question):
        if not world().secure(zone) or reply.opt_out:
            return DNSSECStatus.INSECURE
    return DNSSECStatus.SECURE


def problem(question: Question, answer: Answer) -> str | None:
    steps = world().steps(question)
    last = steps[-1][1]
    if answer.status is not expected_status(question):
        return f"{question}: {answer.status.value}, {answer.reason}"
    if answer.rcode != last.rcode:
        return f"{question}: rcode {answer.rcode}"
    rdtype = question.rdtype
    wanted = {rdata for rrset in last.answer if rrset.rdtype == rdtype for rdata in rrset}
    if set(answer.records) != wanted:
        return f"{question}: {answer.rrset}"
    return None


def test_every_question_gets_the_right_answer_and_status() -> None:
    """One validator for all, so remembered facts are used too."""
    validator = Validator(TrustAnchors.from_text(world().anchor))
    found = [problem(q, drive(validator.resolve(q, NOW), world().wire)) for q in questions()]
    assert [text for text in found if text] == []
    assert len(found) > 1000


def test_a_cold_validator_agrees_and_its_evidence_proves_it_again() -> None:
    """A sample of questions with empty memory; the recorded evidence gives the same verdict."""
    anchors = TrustAnchors.from_text(world().anchor)
    for question in list(questions())[::13]:
        answer = drive(Validator(anchors).resolve(question, NOW), world().wire)
        assert problem(question, answer) is None
        assert recheck(answer.evidence, question, anchors, NOW) == answer


def test_evidence_of_a_warm_validator_is_complete() -> None:
    """What was remembered from other questions is part of the evidence too."""
    anchors = TrustAnchors.from_text(world().anchor)
    validator = Validator(anchors)
    for question in list(questions())[::17]:
        answer = drive(validator.resolve(question, NOW), world().wire)
        again = recheck(answer.evidence, question, anchors, NOW)
        assert (again.status, again.rcode, again.rrset) == (answer.status, answer.rcode, answer.rrset), question


def test_few_questions_are_needed() -> None:
    """Cold: the question, then the chain in one batch; warm: the question alone."""
    validator = Validator(TrustAnchors.from_text(world().anchor))
    question = Question.from_text("_25._tcp.www.sub.test.", "TLSA")
    asked: list[Question] = []
    assert drive(validator.resolve(question, NOW), world().wire, asked).secure
    assert len(asked) == 6
    assert len(set(asked)) == len(asked)
    asked.clear()
    mx = Question.from_text("sub.test.", "MX")
    assert drive(validator.resolve(mx, NOW), world().wire, asked).secure
    assert asked == [mx]


def test_an_unsigned_name_costs_one_more_question_when_its_parent_is_known() -> None:
    validator = Validator(TrustAnchors.from_text(world().anchor))
    drive(validator.resolve(Question.from_text("test.", "MX"), NOW), world().wire)
    asked: list[Question] = []
    answer = drive(validator.resolve(Question.from_text("uns.test.", "MX"), NOW), world().wire, asked)
    assert answer.status is DNSSECStatus.INSECURE
    assert [str(question) for question in asked] == ["uns.test. MX", "uns.test. DS"]


def test_the_chain_is_told_in_words() -> None:
    validator = Validator(TrustAnchors.from_text(world().anchor))
    answer = drive(validator.resolve(Question.from_text("www.sub.test.", "A"), NOW), world().wire)
    assert [str(link.zone) for link in answer.chain] == [".", "test.", "sub.test.", "www.sub.test."]
    assert "trust anchor" in answer.chain[0].text
    assert "DS in test." in answer.chain[2].text
    assert answer.expires <= NOW + 3600


def test_a_response_without_signatures_is_bogus_in_a_signed_zone() -> None:
    def strip(question: Question) -> dns.message.Message:
        message = world().answer(question)
        if question.name == asked.name and question.rdtype == asked.rdtype:
            message.answer = [rrset for rrset in message.answer if rrset.rdtype != dns.rdatatype.RRSIG]
        return message

    asked = Question.from_text("www.test.", "A")
    answer = drive(Validator(TrustAnchors.from_text(world().anchor)).resolve(asked, NOW), strip)
    assert answer.status is DNSSECStatus.BOGUS
    assert answer.ede == 10
    assert answer.records == ()
