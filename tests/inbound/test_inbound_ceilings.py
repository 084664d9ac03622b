"""Ceilings per client and in total: each kind of use, its reply, who is exempt, and where it is seen."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest
from tests.ends import Client, Running, Sink, certificate, certificate_section, gateway, run, until

from danelaw.gateway.operations import operations
from danelaw.inbound.ceilings import Ceilings, Rates, Visit
from danelaw.inbound.ledger import (
    CONNECTIONS,
    ERRORS,
    HANDSHAKES,
    MESSAGES,
    NAMES,
    OCTETS,
    RECIPIENTS,
    SECOND,
    Ceiling,
    Ledger,
)
from danelaw.smtp import Reply

STRANGER = "127.0.0.9"
UNTRUSTED = {'networks = ["127.0.0.0/8"]': 'networks = ["127.0.0.1/32"]'}
OURS = '[[domain]]\nname = "x.test"\n'


class Clock:
    """Nanoseconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000 * SECOND

    def __call__(self) -> int:
        return self.now


def only(kind: int, count: int = 4, period: int = 60) -> Rates:
    return Rates(tuple(Ceiling(count, period) if one == kind else None for one in range(7)))


def visiting(ceilings: Ceilings, address: str = "192.0.2.1") -> Visit:
    _, visit, refusal = ceilings.arrive(address, trusted=False)
    assert visit is not None
    assert refusal is None
    return visit


def code(reply: Reply | None) -> int:
    return 0 if reply is None else reply.code


@pytest.mark.parametrize(
    ("kind", "ask", "refused"),
    [
        (MESSAGES, Visit.transaction, 451),
        (RECIPIENTS, Visit.recipient, 452),
        (HANDSHAKES, Visit.handshake, 454),
        (ERRORS, Visit.erred, 421),
    ],
)
def test_each_use_has_its_own_ceiling_and_reply_and_comes_back_with_time(kind: int, ask: object, refused: int) -> None:
    clock, seen = Clock(), []
    ceilings = Ceilings(Ledger.private(), clock, only(kind, 8), reached=lambda *what: seen.append(what))
    one, other = visiting(ceilings), visiting(ceilings, "192.0.2.2")
    assert [code(ask(one)) for _ in range(3)] == [0, 0, refused]  # type: ignore[operator]
    assert code(ask(other)) == 0  # type: ignore[operator]
    assert seen == [(NAMES[kind], "192.0.2.1", True)]
    assert code(ask(one)) == refused  # type: ignore[operator]
    assert seen[1:] == [(NAMES[kind], "192.0.2.1", False)]
    assert [one.client for one in ceilings.lately()] == ["192.0.2.1"]
    clock.now += 60 * SECOND
    assert code(ask(one)) == 0  # type: ignore[operator]
    assert ceilings.lately() == []


def test_too_much_mail_makes_the_next_message_wait() -> None:
    clock = Clock()
    visit = visiting(Ceilings(Ledger.private(), clock, only(OCTETS, 1000)))
    assert visit.transaction() is None
    visit.received(600)
    assert code(visit.transaction()) == 451
    clock.now += 60 * SECOND
    assert visit.transaction() is None


def test_new_connections_are_counted_by_64_and_errors_refuse_the_client_everywhere() -> None:
    clock = Clock()
    rates = Rates(tuple(Ceiling(8, 60) if one in (CONNECTIONS, ERRORS) else None for one in range(7)), 100)
    ceilings = Ceilings(Ledger.private(), clock, rates, refuse_nanoseconds=300 * SECOND)
    first = visiting(ceilings, "2001:db8::1")
    assert ceilings.arrive("2001:db8::2", trusted=False)[2] is None
    assert code(ceilings.arrive("2001:db8::3", trusted=False)[2]) == 421
    assert ceilings.arrive("2001:db8:0:1::3", trusted=False)[2] is None
    assert [code(first.erred()) for _ in range(3)] == [0, 0, 421]
    clock.now += 120 * SECOND
    refusal = ceilings.arrive("2001:db8::4", trusted=False)[2]
    assert refusal is not None
    assert "too many errors" in refusal.text
    assert code(first.transaction()) == 421  # connections that are open already, too
    clock.now += 200 * SECOND
    assert ceilings.arrive("2001:db8::4", trusted=False)[2] is None


def test_the_total_is_not_held_against_the_client_it_refuses() -> None:
    clock = Clock()
    ceilings = Ceilings(Ledger.private(), clock, only(MESSAGES, 8), total=only(MESSAGES, 4, 10))
    one, other = visiting(ceilings), visiting(ceilings, "192.0.2.2")
    assert one.transaction() is None
    refusal = other.transaction()
    assert refusal is not None
    assert refusal.enhanced is not None
    assert refusal.enhanced.to_text() == "4.3.2"
    clock.now += 10 * SECOND
    assert other.transaction() is None
    assert [(one.ceiling, one.client, one.of) for one in ceilings.lately()] == [("messages", "", 4)]


def test_open_connections_and_trust_and_exemption() -> None:
    network = ipaddress.ip_network("198.51.100.0/24")
    ceilings = Ceilings(
        Ledger.private(), Clock(), Rates(open=1), trusted=Rates(open=2), exempt=(network,), total=only(MESSAGES)
    )
    rows = []
    for address, trusted, refused in (
        ("192.0.2.1", False, 0), ("192.0.2.1", False, 421), ("192.0.2.2", True, 0), ("192.0.2.2", True, 0),
        ("192.0.2.2", True, 421), ("198.51.100.9", False, 0), ("198.51.100.9", False, 0),
    ):  # fmt: skip
        row, visit, refusal = ceilings.arrive(address, trusted=trusted)
        rows.append(row)
        assert code(refusal) == refused, address
        assert (visit is None) is address.startswith("198.51.100.")
    for row in rows:
        ceilings.leave(row)
    assert ceilings.arrive("192.0.2.1", trusted=False)[2] is None


def test_a_client_without_ceilings_is_not_counted_at_all() -> None:
    ceilings = Ceilings(Ledger.private(), Clock(), only(MESSAGES))
    assert ceilings.arrive("192.0.2.1", trusted=True)[1] is None


# end to end


async def stranger(running: Running) -> Client:
    client = await Client.connect(running.address, source=STRANGER)
    await client.greeted()
    return client


def test_a_stranger_meets_its_ceilings_and_a_trusted_client_does_not(tmp_path: Path) -> None:
    async def play() -> None:
        limits = '[limits.client]\nmessage_rate = "4/h"\nrecipient_rate = "8/h"\n'
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + OURS + limits, replace=UNTRUSTED) as running:
            async with await stranger(running) as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                for expected in (250, 250, 452):
                    await client.expect(expected, "RCPT TO:<b@x.test>")
                await client.expect(354, "DATA")
                client.send(b"x\r\n.\r\n")
                await client.expect(250)
                refused = await client.expect(451, "MAIL FROM:<a@sender.test>")
                assert "too many messages from your address" in refused.text
            async with await running.client() as own:
                for _ in range(5):
                    await own.message(b"Subject: x\r\n\r\nx\r\n", "b@x.test")
            running.log_flushed()
            assert [line for line in running.lines("ceiling") if STRANGER in line]
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_inbound_ceilings_total{ceiling="messages",scope="client"} 1' in numbers
            top = await operations(running.gateway)["top"]({}, "tester")  # type: ignore[misc]
            assert {"what": f"messages of {STRANGER}", "used": 4, "of": 4} in top["limits"]

    run(play())


def test_errors_of_all_kinds_end_in_a_421_and_the_door_stays_shut(tmp_path: Path) -> None:
    async def play() -> None:
        limits = '[limits.client]\nerror_rate = "8/h"\n'
        async with gateway(tmp_path, OURS + limits, replace=UNTRUSTED) as running:
            async with await stranger(running) as client:
                await client.expect(500, "FOO")
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(550, "RCPT TO:<b@elsewhere.example>")
                await client.expect(550, "RCPT TO:<c@elsewhere.example>")
                assert "too many errors" in (await client.expect(421)).text
                await client.closed()
            async with await Client.connect(running.address, source=STRANGER) as again:
                await again.expect(421)
            async with await running.client() as own:
                await own.expect(250, "NOOP")

    run(play())


def test_handshakes_are_counted_failed_ones_are_errors_and_all_are_put_off_in_total(tmp_path: Path) -> None:
    async def play() -> None:
        limits = (
            '[limits.client]\nhandshake_rate = "8/h"\nerror_rate = "4/h"\n[limits.total]\nconnection_rate = "16/h"\n'
        )
        certificate(tmp_path, "gw.test")
        more = certificate_section(tmp_path) + OURS + limits
        async with gateway(tmp_path, more, replace=UNTRUSTED) as running:
            async with await stranger(running) as client:
                await client.start_tls()
                await client.expect(250, "EHLO client.test")
            async with await stranger(running) as client:
                await client.expect(220, "STARTTLS")
                client.send(b"no handshake at all\r\n")
                await client.closed()
            await until(lambda: not running.gateway.parts.intake.sessions, "the end of all sessions")
            async with await stranger(running) as client:
                await client.expect(454, "STARTTLS")
                await client.expect(500, "FOO")
                await client.expect(421)
            async with await running.client() as own:  # the total counts trusted clients too: this is the fourth
                await own.expect(250, "NOOP")
            async with await Client.connect(running.address) as fifth:
                assert "this gateway" in (await fifth.expect(421)).text

    run(play())


def test_memory_is_not_spent_on_who_was_reached_either() -> None:
    clock = Clock()
    ceilings = Ceilings(Ledger.private(), clock, only(MESSAGES, 1))
    for number in range(2000):
        visit = visiting(ceilings, f"10.0.{number >> 8}.{number & 255}")
        assert [code(visit.transaction()) for _ in range(2)] == [0, 451]
    assert len(ceilings.lately()) <= 500
