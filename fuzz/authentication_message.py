"""Fuzz target: whole messages. Run with atheris, or feed `test_one_input` yourself.

The client's own domain passes SPF; every domain publishes p=reject. Whatever the message says,
only the client's own domain can be its author with a pass, and our field stays one field that says what was found.
"""

from __future__ import annotations

import sys
from ipaddress import ip_address

import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.TXT import TXT

from danelaw.authentication import (
    Action,
    DispositionSettings,
    Examination,
    Transaction,
    Verdicts,
    disposition,
)
from danelaw.authres import AuthenticationResults
from danelaw.dmarc import DMARCResult
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.message import Header, HeaderTooLarge, boundary

_OWN = "stranger.test"
_TRANSACTION = Transaction(ip_address("192.0.2.7"), f"mx.{_OWN}", f"anna@{_OWN}")
_SPF, _REJECT = b"v=spf1 +all", b"v=DMARC1; p=reject"


def test_one_input(data: bytes) -> None:
    """No message passes for a domain that did not send it, and none breaks out of the field about it."""
    try:
        end, body = boundary(data)
        examination = Examination(data[:end], _TRANSACTION, now=1.8e9)
    except HeaderTooLarge:
        return
    examination.update(data[body:])
    verdicts = _drive(examination.inquire())
    dmarc = verdicts.dmarc
    if dmarc.result is DMARCResult.PASS:
        assert dmarc.domain == _OWN or dmarc.domain.endswith("." + _OWN)
        assert not verdicts.fault
    if dmarc.result is DMARCResult.FAIL:
        assert disposition(verdicts, DispositionSettings(), 0.0).action is not Action.ACCEPT
    assert dmarc.result is not DMARCResult.TEMPERROR
    header = Header.from_bytes(verdicts.to_authentication_results("mx.example.net").to_bytes() + b"\r\n")
    (field,) = header.fields
    found = AuthenticationResults.from_bytes(field.body)
    assert not found.defects
    assert found.of("dmarc")[0].result == dmarc.result.value
    assert len(found.of("dkim")) == max(1, len(verdicts.signatures))
    assert verdicts.as_object()["dmarc"]["result"] == dmarc.result.value


def _drive(lookup: Lookup[Verdicts]) -> Verdicts:
    asked = 0
    try:
        batch = next(lookup)
        while True:
            asked += len(batch)
            assert asked <= 400
            batch = lookup.send(tuple(_answer(question) for question in batch))
    except StopIteration as stop:
        found: Verdicts = stop.value
        return found


def _answer(question: Question) -> Answer:
    name = question.name.to_text(omit_final_dot=True).lower()
    text = b""
    if question.rdtype == dns.rdatatype.TXT:
        if name.startswith("_dmarc."):
            text = b"" if name in ("_dmarc.test", "_dmarc") else _REJECT
        elif name in (_OWN, f"mx.{_OWN}"):
            text = _SPF
    rrset = None
    if text:
        rrset = dns.rrset.RRset(question.name, dns.rdataclass.IN, dns.rdatatype.TXT)
        rrset.add(TXT(dns.rdataclass.IN, dns.rdatatype.TXT, [text]))
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
