"""FakeDNS answers as RFC 1034 §4.3.2 says, with the status of the weakest step."""

from __future__ import annotations

import asyncio
from collections.abc import Generator

import dns.rcode
import pytest

from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.testing import FakeClock, FakeDNS, FakeResolver, LookupMisuse, run_lookup

ZONES = FakeDNS(
    secure="""
        example.org.              MX     10 mx1.example.org.
        example.org.              MX     20 mx2.example.org.
        mx1.example.org           300 IN A 192.0.2.10
        deep.ent.example.org.     A      192.0.2.11
        alias.example.org.        60 CNAME mx1.example.org.
        out.example.org.          CNAME  host.plain.test.
        loop.example.org.         CNAME  loop.example.org.
        *.wild.example.org.       TXT    "wild"
        moved.example.org.        DNAME  new.example.org.
        www.new.example.org.      A      192.0.2.12
    """,
    insecure="host.plain.test. A 192.0.2.20",
)


def ask(name: str, rdtype: str, zones: FakeDNS = ZONES) -> Answer:
    return zones.answer(Question.from_text(name, rdtype))


def test_records_of_one_name_come_together() -> None:
    answer = ask("example.org", "MX")
    assert answer.secure
    assert sorted(record.to_text() for record in answer.records) == ["10 mx1.example.org.", "20 mx2.example.org."]


def test_expires_counts_from_now_with_the_lowest_ttl_on_the_way() -> None:
    assert ask("mx1.example.org", "A").expires == ZONES.now + 300
    assert ask("alias.example.org", "A").expires == ZONES.now + 60


@pytest.mark.parametrize(
    ("name", "rdtype", "status", "nodata"),
    [
        ("mx1.example.org", "AAAA", DNSSECStatus.SECURE, True),
        ("ent.example.org", "A", DNSSECStatus.SECURE, True),
        ("_25._tcp.mx1.example.org", "TLSA", DNSSECStatus.SECURE, False),
        ("_25._tcp.host.plain.test", "TLSA", DNSSECStatus.INSECURE, False),
        ("nowhere.invalid", "A", DNSSECStatus.INSECURE, False),
    ],
)
def test_absence_has_the_status_of_what_encloses_it(name: str, rdtype: str, status: DNSSECStatus, nodata: bool) -> None:
    answer = ask(name, rdtype)
    assert answer.status is status
    assert (answer.nodata, answer.nxdomain) == (nodata, not nodata)


def test_alias_out_of_a_signed_zone_is_insecure() -> None:
    answer = ask("out.example.org", "A")
    assert answer.status is DNSSECStatus.INSECURE
    assert answer.canonical_name.to_text() == "host.plain.test."
    assert [name.to_text() for name in answer.aliases] == ["out.example.org."]


def test_asking_for_the_alias_itself_does_not_follow_it() -> None:
    answer = ask("out.example.org", "CNAME")
    assert answer.secure
    assert answer.aliases == ()


def test_alias_loop_fails() -> None:
    assert ask("loop.example.org", "A").failed


def test_wildcard_takes_the_asked_name() -> None:
    answer = ask("a.b.wild.example.org", "TXT")
    assert answer.rrset is not None
    assert answer.rrset.name.to_text() == "a.b.wild.example.org."


def test_dname_moves_what_is_below_it() -> None:
    answer = ask("www.moved.example.org", "A")
    assert answer.secure
    assert answer.canonical_name.to_text() == "www.new.example.org."


def test_failures_by_name_by_type_and_by_tree() -> None:
    zones = FakeDNS(secure="a.test. A 192.0.2.1\nb.test. A 192.0.2.2\nx.b.test. A 192.0.2.3")
    zones.fail("a.test AAAA", dns.rcode.SERVFAIL).fail("b.test", DNSSECStatus.BOGUS, below=True)
    assert ask("a.test", "A", zones).secure
    servfail = ask("a.test", "AAAA", zones)
    assert servfail.failed
    assert servfail.rcode == dns.rcode.SERVFAIL
    for name in ("b.test", "x.b.test"):
        bogus = ask(name, "A", zones)
        assert (bogus.failed, bogus.status, bogus.ede) == (True, DNSSECStatus.BOGUS, 6)
    zones.remove("b.test")
    assert ask("x.b.test", "A", zones).secure
    with pytest.raises(ValueError, match="mark"):
        zones.fail("a.test", DNSSECStatus.SECURE)


def two_steps() -> Lookup[tuple[Answer, ...]]:
    first = yield (Question.from_text("example.org", "MX"),)
    second = yield (Question.from_text("mx1.example.org", "A"), Question.from_text("mx1.example.org", "AAAA"))
    return first + second


def test_run_lookup_sends_answers_in_order_and_records_questions() -> None:
    zones = FakeDNS(secure="example.org. MX 10 mx1.example.org.\nmx1.example.org. A 192.0.2.1")
    answers = run_lookup(two_steps(), zones)
    assert [str(answer.question) for answer in answers] == [str(question) for question in zones.asked]
    assert [len(batch) for batch in zones.batches] == [1, 2]
    assert asyncio.run(FakeResolver(zones).run(two_steps())) == answers


def endless() -> Generator[tuple[Question, ...], tuple[Answer, ...], None]:
    while True:
        yield (Question.from_text("example.org", "MX"),)


def test_run_lookup_stops_a_lookup_without_end_or_manners() -> None:
    with pytest.raises(LookupMisuse, match="65 batches"):
        run_lookup(endless(), FakeDNS())

    def rude() -> Generator[tuple[Question, ...], tuple[Answer, ...], None]:
        yield [Question.from_text("example.org", "MX")]  # type: ignore[misc]

    with pytest.raises(LookupMisuse, match="tuples"):
        run_lookup(rude(), FakeDNS())


def test_fake_resolver_remembers_what_was_asked() -> None:
    resolver = FakeResolver(FakeDNS(secure="example.org. A 192.0.2.1"))
    question = Question.from_text("example.org", "A")
    assert resolver.cached(question) is None
    asyncio.run(resolver.ask(question))
    cached = resolver.cached(question)
    assert cached is not None
    assert cached.secure


def test_clock_moves_only_when_told() -> None:
    clock = FakeClock(100.0)
    assert (clock(), clock.advance(5), clock()) == (100.0, 105.0, 105.0)
    with pytest.raises(ValueError, match="backwards"):
        clock.advance(-1)
