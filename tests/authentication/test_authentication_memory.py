"""Messages of the same kind are examined with what was found before, and found to be the same."""

from __future__ import annotations

import pytest
from tests.authentication.authentication_samples import MESSAGE, NOW, internet, said, signed, with_from

from danelaw.authentication import Examination, Memory, Transaction, Verdicts
from danelaw.dnsdata import Answer, Question
from danelaw.message import boundary
from danelaw.testing import FakeDNS, run_lookup

SENDERS = [
    said(), said("jane@example.org"), said(""), said("x@stranger.test", "mx.stranger.test", "203.0.113.9"),
    said("joe@example.org", "mx.example.org", "203.0.113.9"), said("joe@macro.test"), said("jane@macro.test"),
    said("joe@told.test"), said("joe@down.test"), said("joe@loop.test"),
]  # fmt: skip
MESSAGES = [MESSAGE, signed(MESSAGE), with_from(b"From: a@stranger.test"), with_from(b"From: a@x.example.org"),
            with_from(b"From: a@example.org, b@stranger.test"), signed(MESSAGE) + b"more\r\n"]  # fmt: skip


class Cached(FakeDNS):
    """Gives the same object for the same question, as a resolver's cache does, until it is told to forget."""

    def __init__(self, dns: FakeDNS) -> None:
        self.dns = dns
        self.known: dict[Question, Answer] = {}

    def answer_batch(self, batch: tuple[Question, ...]) -> tuple[Answer, ...]:
        return tuple(self.known.setdefault(one, self.dns.answer(one)) for one in batch)


def world() -> FakeDNS:
    dns = internet()
    dns.add("""
        macro.test. TXT "v=spf1 exists:%{l}.ok.test -all"
        joe.ok.test. A 127.0.0.2
        told.test. TXT "v=spf1 -all exp=why.told.test"
        why.told.test. TXT "%{l} at %{t}"
        loop.test. TXT "v=spf1 include:loop.test -all"
    """)
    dns.fail("down.test")
    return dns


def examine(message: bytes, dns: FakeDNS, sender: Transaction, memory: Memory | None, now: float = NOW) -> Verdicts:
    end, body = boundary(message)
    examination = Examination(message[:end], sender, now=now, memory=memory)
    examination.update(message[body:])
    return run_lookup(examination.inquire(), dns, max_questions=400)


def test_every_verdict_is_what_it_would_be_without_memory() -> None:
    memory, dns = Memory(), Cached(world())
    for _ in range(3):
        for message in MESSAGES:
            for sender in SENDERS:
                assert examine(message, dns, sender, memory) == examine(message, dns, sender, None)
    assert len(memory.evaluations)
    assert len(memory.judgements)


def test_new_answers_count_at_once() -> None:
    memory, dns = Memory(), Cached(world())
    assert examine(MESSAGE, dns, said(), memory).spf.result.value == "pass"
    dns.dns = internet().add('example.com. TXT "unused"')
    dns.known = {one: answer for one, answer in dns.known.items() if "_dmarc" in str(one)}
    changed = FakeDNS(secure='example.org. TXT "v=spf1 -all"\n_dmarc.example.org. TXT "v=DMARC1; p=none"')
    dns.dns = changed
    found = examine(MESSAGE, dns, said(), memory)
    assert (found.spf.result.value, found.dmarc.result.value) == ("fail", "fail")
    dns.known.clear()
    found = examine(MESSAGE, dns, said(), memory)
    assert found.dmarc.policy is not None
    assert found.dmarc.policy.value == "none"


@pytest.mark.parametrize("sender", ["joe@macro.test", "joe@told.test"])
def test_what_is_said_of_one_sender_alone_is_not_kept(sender: str) -> None:
    memory, dns = Memory(), Cached(world())
    kept = len(memory.evaluations)
    for now in (NOW, NOW + 5):
        found = examine(MESSAGE, dns, said(sender), memory, now)
        assert found == examine(MESSAGE, dns, said(sender), None, now)
    assert len(memory.evaluations) == kept + 1  # that of the HELO name
