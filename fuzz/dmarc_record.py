"""Fuzz target: DMARC records and the names they stand at. Run with atheris, or feed `test_one_input` yourself.

The input is split at line feeds: the first line is the Author Domain, the next the domain SPF authenticated, the rest
are the texts of every name that is asked about.
"""

from __future__ import annotations

import sys

import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.dkim import DKIMOutcome
from danelaw.dmarc import DMARCEvaluation, DMARCRecord, DMARCResult, Policy, evaluate, parse
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.spf import Evaluation, Identity, SPFResult


def test_one_input(data: bytes) -> None:
    """A record that is read can be written and read again, and an evaluation asks its few questions and ends."""
    author, mail_from, *texts = (*data.decode("latin-1").split("\n"), "", "")
    for text in texts:
        record = parse(text)
        if isinstance(record, DMARCRecord):
            written = record.to_text()
            assert DMARCRecord.from_text(written).to_text() == written
            assert not DMARCRecord.from_text(written).faults
        else:
            assert record.reason
    try:
        domain = Domain.from_text(author)
    except DomainError:
        return
    spf = Evaluation(
        result=SPFResult.PASS, identity=Identity.MAILFROM, domain=mail_from, sender=f"x@{mail_from}", reason="x"
    )
    found = _drive(evaluate([domain], spf, DKIMOutcome()), texts)
    assert found.result in (DMARCResult.PASS, DMARCResult.FAIL, DMARCResult.NONE, DMARCResult.PERMERROR)
    assert found.disposition is Policy.NONE or found.result is DMARCResult.FAIL
    assert found.result is not DMARCResult.PASS or found.aligned


def _drive(lookup: Lookup[DMARCEvaluation], texts: list[str]) -> DMARCEvaluation:
    """Every name has the texts as its TXT records."""
    asked = 0
    try:
        batch = next(lookup)
        while True:
            asked += len(batch)
            assert asked <= 8 + 8 + 4
            batch = lookup.send(tuple(_answer(question, texts) for question in batch))
    except StopIteration as stop:
        found: DMARCEvaluation = stop.value
        return found


def _answer(question: Question, texts: list[str]) -> Answer:
    rrset = dns.rrset.RRset(question.name, dns.rdataclass.IN, dns.rdatatype.TXT)
    for text in texts[:8]:
        octets = text.encode("latin-1")
        strings = [octets[start : start + 255] for start in range(0, len(octets) or 1, 255)]
        rrset.add(TXT(dns.rdataclass.IN, dns.rdatatype.TXT, strings))
    return Answer(question, dns.rcode.NOERROR, DNSSECStatus.INSECURE, question.name, rrset)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
