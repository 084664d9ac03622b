"""Fuzz target: TXT records of a domain. Run with atheris, or feed `test_one_input` yourself.

The input is split at line feeds into the texts of an RRset; the one that is chosen is read, written and evaluated.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address

import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.spf import Evaluation, Record, RecordError, Request, SPFResult, evaluate, select
from danelaw.spf.record import parse

_CLIENTS = (ip_address("192.0.2.7"), ip_address("2001:db8::7"))
_MOST_QUESTIONS = 200


def test_one_input(data: bytes) -> None:
    """A record that is read can be written and read again, and its evaluation ends within its limits."""
    texts = data.decode("latin-1").split("\n")
    for text in texts:
        record = parse(text)
        if isinstance(record, RecordError):
            assert record.reason
        else:
            assert Record.from_text(record.to_text()) == record
            assert select([text]) == text
    for client in _CLIENTS:
        found = _drive(evaluate(Request.mail_from(client, "anna@example.org", "mx.example.net")), texts)
        assert found.terms <= 11
        assert all(step.outcome for step in found.trace)
        assert found.explanation.isascii()
        assert found.explanation == "" or found.result is SPFResult.FAIL


def _drive(lookup: Lookup[Evaluation], texts: list[str]) -> Evaluation:
    """Every name has the texts as its TXT records, and nothing else."""
    asked = 0
    try:
        batch = next(lookup)
        while True:
            asked += len(batch)
            assert asked <= _MOST_QUESTIONS
            batch = lookup.send(tuple(_answer(question, texts) for question in batch))
    except StopIteration as stop:
        found: Evaluation = stop.value
        return found


def _answer(question: Question, texts: list[str]) -> Answer:
    rrset = None
    if question.rdtype == dns.rdatatype.TXT:
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
