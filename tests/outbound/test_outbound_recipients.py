"""What becomes of each recipient over several hosts and connections, when next hops do what they like."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from tests.ends import CLOSE, Running, Sink, gateway, run, until

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.catalogue.base import NO_TLSA
from danelaw.lab.certificates import Authorities
from danelaw.lab.lab import server_context
from danelaw.lab.scenario import Behaviour, Certificate, Chain, Host, Issuer, Scenario, StartTLS


def two_hosts(domain: str, first: Behaviour) -> Scenario:
    hosts = (Host(name="mx1", preference=10, behaviour=first), Host(name="mx2", preference=20))
    return Scenario(domain=domain, hosts=hosts)


MISBEHAVIOUR = (
    two_hosts("rcpt-later.lab", Behaviour(replies=(("RCPT", "451 4.2.0 later"),))),
    two_hosts("mail-later.lab", Behaviour(replies=(("MAIL", "451 4.3.0 later"),))),
    two_hosts("data-later.lab", Behaviour(replies=(("DATA", "451 4.3.0 later"),))),
    two_hosts("dot-later.lab", Behaviour(replies=(("DOT", "452 4.3.1 full"),))),
    two_hosts("rcpt-421.lab", Behaviour(replies=(("RCPT", "421 4.3.2 going down"),))),
    two_hosts("gone-at-mail.lab", Behaviour(drop_at="MAIL")),
    two_hosts("gone-at-data.lab", Behaviour(drop_at="DATA")),
    two_hosts("greeting-554.lab", Behaviour(replies=(("GREETING", "554 5.3.2 go away"),))),
    two_hosts("no-room.lab", Behaviour(offers=("PIPELINING", "SIZE 10"))),
    two_hosts("gone-after-dot.lab", Behaviour(drop_at="DOT")),
)


def test_the_next_host_is_asked_unless_the_message_may_have_arrived(tmp_path: Path) -> None:
    async def play() -> None:
        async with Rehearsal(MISBEHAVIOUR, tmp_path) as rehearsal:
            results = await asyncio.gather(*(rehearsal.play(scenario) for scenario in MISBEHAVIOUR))
            for scenario, result in zip(MISBEHAVIOUR, results, strict=True):
                received = rehearsal.lab.received(scenario.domain)
                if scenario.domain == "gone-after-dot.lab":
                    assert result.outcome == "waiting", result
                    assert "may arrive twice" in result.reason
                    assert not received
                else:
                    assert (result.outcome, result.protection) == ("delivered", "DANE"), result
                    assert [one.host for one in received] == [f"mx2.{scenario.domain}"]
                    assert len(result.attempts) == 2

    run(play())


def test_every_host_is_tried_however_many_are_dead(tmp_path: Path) -> None:
    dead = tuple(Host(name=f"mx{number}", preference=number, v4="dead") for number in range(1, 13))
    scenario = Scenario(domain="thirteenth.lab", hosts=(*dead, Host(name="mx13", preference=13)))

    async def play() -> None:
        async with Rehearsal((scenario,), tmp_path) as rehearsal:
            result = await rehearsal.play(scenario)
            assert (result.outcome, result.protection) == ("delivered", "DANE"), result
            assert [one.host for one in rehearsal.lab.received(scenario.domain)] == ["mx13.thirteenth.lab"]

    run(play())


def test_each_recipient_has_its_own_end(tmp_path: Path) -> None:
    replies = {"gone": "550 5.1.1 no such user", "full": "452 4.2.2 mailbox full"}
    settled: list[bool] = []

    def answer(verb: str, line: str, connection: int) -> str | None:
        name = line.partition("<")[2].partition("@")[0]
        return replies.get(name) if verb == "RCPT" and not (name == "full" and settled) else None

    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost + QUICK) as running:
            message = await running.send("good@x.test", "gone@x.test", "full@x.test")
            await sink.messages(2)
            await until(lambda: "delivered" in states(running, message), "the first result on disk")
            assert states(running, message) == ["delivered", "returned", "waiting"]
            settled.append(True)
            await until(lambda: states(running, message)[2] == "delivered", "the last recipient")
            notices = [one for one in sink.taken if one.mail.startswith("MAIL FROM:<>")]
            assert len(notices) == 1
            assert b"gone@x.test" in notices[0].data
            assert b"full@x.test" not in notices[0].data.partition(b"message/rfc822")[0]
            counts = [sum(f"<{name}@" in line for one in sink.taken for line in one.recipients)
                      for name in ("good", "gone", "full")]  # fmt: skip
            assert counts == [1, 0, 1]

    run(play())


QUICK = '[queue]\nretry_first = "100ms"\nretry_longest = "200ms"\n'


def states(running: Running, message: str) -> list[str]:
    return [recipient["state"] for recipient in running.look(message)["recipients"]]


@pytest.mark.parametrize("how", ["closes", "says 421", "is gone"])
def test_a_kept_connection_that_ends_is_opened_anew_at_once(tmp_path: Path, how: str) -> None:
    def answer(verb: str, line: str, connection: int) -> str | None:
        if connection == 1 and verb == "MAIL" and sink.taken:
            return CLOSE if how == "closes" else "421 4.4.2 idle for too long"
        return None

    sink = Sink(answer)

    async def play() -> None:
        async with sink, gateway(tmp_path, sink.smarthost) as running:
            first = await running.send("a@x.test")
            await running.reaches(first, "delivered")
            if how == "is gone":
                for writer in sink.open:
                    writer.transport.abort()
            second = await running.send("b@x.test")
            found = await running.reaches(second, "delivered")
            assert len(found["attempts"]) == 1, found["attempts"]
            assert sink.connections == 2

    run(play())


def test_a_connection_serves_so_many_messages_and_no_more(tmp_path: Path) -> None:
    async def play() -> None:
        more = "messages_per_connection = 2\nconnections_per_destination = 1\n"
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + more) as running:
            for number in range(5):
                await running.reaches(await running.send(f"u{number}@x.test"), "delivered")
            assert [one.connection for one in sink.taken] == [1, 1, 2, 2, 3]
            await until(lambda: len(sink.open) == 1, "used connections closed")
            await until(lambda: len(running.gateway.parts.door.sweep) == 1, "used ones forgotten")

    run(play())


def test_idle_connections_are_closed_and_forgotten(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + 'idle = "1s"\n') as running:
            await running.reaches(await running.send("a@x.test"), "delivered")
            await until(lambda: not sink.open, "the idle connection closed")
            await until(lambda: len(running.gateway.parts.door.sweep) == 0, "nothing watched")
            assert sink.said("QUIT")

    run(play())


@pytest.mark.parametrize("fault", ["454", "closes", "no TLS"])
def test_where_nobody_demands_tls_its_failure_is_followed_by_clear_text(tmp_path: Path, fault: str) -> None:
    def answer(verb: str, line: str, connection: int) -> str | None:
        if verb == "STARTTLS":
            return {"454": "454 4.7.0 not now", "closes": CLOSE, "no TLS": None}[fault]
        return None

    async def play() -> None:
        import ssl

        broken = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # without a certificate every handshake fails
        async with Sink(answer, context=broken) as sink, gateway(tmp_path, sink.smarthost) as running:
            found = await running.reaches(await running.send("a@x.test"), "delivered")
            assert found["attempts"][-1]["protection"] == "clear text"
            assert sink.taken[0].connection == (1 if fault == "454" and sink.connections == 1 else 2)

    run(play())


def test_opportunistic_tls_is_used_where_offered(tmp_path: Path) -> None:
    async def play() -> None:
        shown = Authorities(time.time()).self_signed(("sink.test",))
        context = server_context(shown, tmp_path)
        async with Sink(context=context) as sink, gateway(tmp_path, sink.smarthost) as running:
            found = await running.reaches(await running.send("a@x.test"), "delivered")
            assert found["attempts"][0]["protection"] == "encrypted only"
            assert sink.taken[0].tls

    run(play())


ANCHORED = Scenario(
    domain="anchored.lab",
    hosts=(Host(tlsa=("2 0 1",), certificate=Certificate(issuer=Issuer.PRIVATE, chain=Chain.FULL)),),
)


def test_a_kept_connection_is_judged_anew_and_never_used_under_another_requirement(tmp_path: Path) -> None:
    async def play() -> None:
        async with Rehearsal((ANCHORED, *_WAIVED), tmp_path) as rehearsal:
            assert (await rehearsal.play(ANCHORED)).protection == "DANE"
            sessions = rehearsal.lab.journal.sessions
            assert (await rehearsal.play(ANCHORED)).protection == "DANE"
            assert rehearsal.lab.journal.sessions == sessions  # kept
            courier = rehearsal.gateway.parts.engine._courier
            courier.clock = lambda: time.time() + 400 * 86400
            late = await rehearsal.play(ANCHORED)
            assert late.outcome == "waiting"
            assert "expired" in late.reason
            assert len(rehearsal.lab.received("anchored.lab")) == 2

    run(play())


_WAIVED = (
    Scenario(domain="waived.lab", demand="tls-required-no"),
    Scenario(domain="clear.lab", hosts=(Host(tlsa=(), behaviour=Behaviour(starttls=StartTLS.ABSENT)),)),
)


def test_the_senders_waiver_and_the_overrides_reach_the_connection(tmp_path: Path) -> None:
    from danelaw.tlspolicy import Override

    broken = Scenario(domain="broken.lab", hosts=(Host(tlsa=("3 1 1 old",)),))
    plain, strict, pinned = (Scenario(domain=f"{name}.lab", hosts=(NO_TLSA,)) for name in ("plain", "strict", "pin"))
    waived = Scenario(domain="waived.lab", hosts=(Host(tlsa=("3 1 1 old",)),), demand="tls-required-no")

    async def play() -> None:
        async with Rehearsal((broken, plain, strict, pinned, waived), tmp_path) as rehearsal:
            store = rehearsal.gateway.parts.overrides
            waiting = await rehearsal.play(broken)
            assert waiting.outcome == "waiting"
            assert (await rehearsal.play(waived)).outcome == "delivered"

            async def under(scenario: Scenario, tls: str, **words: object) -> tuple[str, str]:
                now = time.time()
                store.add(Override.of(scenario.domain, tls, **words), now)  # type: ignore[arg-type]
                for key in {row.key for row in rehearsal.gateway.parts.spool.queues()}:
                    rehearsal.gateway.parts.engine.requeued(key)
                result = await rehearsal.play(scenario)
                return result.outcome, result.protection

            assert await under(broken, "encrypt") == ("delivered", "encrypted only")
            # The message that waited goes too.
            await until(lambda: len(rehearsal.lab.received("broken.lab")) == 2, "the waiting message")
            assert await under(plain, "none") == ("delivered", "clear text")
            assert await under(plain, "verify") == ("delivered", "public CA (your setting)")
            assert await under(plain, "may") == ("delivered", "encrypted only")
            assert await under(strict, "dane-require") == ("waiting", "nothing sent")
            assert await under(pinned, "fingerprint", fingerprints=("0" * 64,)) == ("waiting", "nothing sent")

    run(play())


def test_an_override_set_by_another_process_counts_within_a_second_and_ends_in_time(tmp_path: Path) -> None:
    from danelaw.state import FILE_NAME, OverrideStore, StateDatabase
    from danelaw.tlspolicy import Override

    plain = Scenario(domain="plain.lab", hosts=(NO_TLSA,), signed=False)

    async def play() -> None:
        async with Rehearsal((plain,), tmp_path) as rehearsal:
            assert (await rehearsal.play(plain)).protection == "encrypted only"
            other = StateDatabase(tmp_path / "spool" / FILE_NAME)
            try:
                ends = time.time() + 4
                OverrideStore(other).add(Override.of("plain.lab", "none", expires=ends), time.time())
            finally:
                other.close()
            courier = rehearsal.gateway.parts.engine._courier
            courier.clock = lambda: time.time() + 1.1
            assert (await rehearsal.play(plain)).protection == "clear text"
            courier.clock = lambda: time.time() + 5
            assert (await rehearsal.play(plain)).protection == "encrypted only"

    run(play())


def test_what_the_next_hop_cannot_take_is_told_in_our_words(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(offers=("PIPELINING", "8BITMIME")) as sink, gateway(tmp_path, sink.smarthost) as running:
            message = await running.send("bücher@x.test", mail=" SMTPUTF8")
            found = await running.reaches(message, "returned")
            recipient = found["recipients"][0]
            assert "does not take internationalised mail" in recipient["reason"]
            assert recipient["reply"] == ""
            notice = (await sink.messages())[0]
            assert b"Status: 5.6.7" in notice.data
            assert b"Diagnostic-Code: smtp" not in notice.data

    run(play())
