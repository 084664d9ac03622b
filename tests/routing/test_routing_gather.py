"""The combinator that drives look-ups side by side."""

from __future__ import annotations

import pytest

from danelaw.dnsdata import Lookup, Question
from danelaw.routing import gather
from danelaw.testing import FakeDNS, run_lookup

DNS = "a.test. A 192.0.2.1\nb.test. A 192.0.2.2\nc.test. A 192.0.2.3"


def chain(*names: str) -> Lookup[list[str]]:
    """Ask one name after the other."""
    found = []
    for name in names:
        (answer,) = yield (Question.from_text(name, "A"),)
        found += [str(record) for record in answer.records]
    return found


def test_rounds_are_shared_and_results_keep_their_order() -> None:
    dns = FakeDNS(DNS)
    result = run_lookup(gather(chain("a.test", "b.test"), chain("c.test"), chain()), dns)
    assert result == (["192.0.2.1", "192.0.2.2"], ["192.0.2.3"], [])
    assert [[str(question) for question in batch] for batch in dns.batches] == [
        ["a.test. A", "c.test. A"],
        ["b.test. A"],
    ]


def test_equal_questions_are_asked_once() -> None:
    dns = FakeDNS(DNS)
    assert run_lookup(gather(chain("a.test"), chain("a.test")), dns) == (["192.0.2.1"], ["192.0.2.1"])
    assert len(dns.asked) == 1


def test_nothing_to_do_asks_nothing() -> None:
    dns = FakeDNS()
    assert run_lookup(gather(), dns) == ()
    assert dns.batches == []


def test_closing_closes_every_part() -> None:
    closed = []

    def part(name: str) -> Lookup[None]:
        try:
            yield (Question.from_text(name, "A"),)
        finally:
            closed.append(name)

    running = gather(part("a.test"), part("b.test"))
    next(running)
    running.close()
    assert sorted(closed) == ["a.test", "b.test"]


def test_an_error_in_one_part_closes_the_others() -> None:
    closed = []

    def good() -> Lookup[None]:
        try:
            yield (Question.from_text("a.test", "A"),)
        finally:
            closed.append(True)

    def bad() -> Lookup[None]:
        yield (Question.from_text("b.test", "A"),)
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        run_lookup(gather(good(), bad()), FakeDNS(DNS))
    assert closed == [True]
