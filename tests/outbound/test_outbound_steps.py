"""Policy steps beside deliveries, over real sockets: what they may choose, and what they may not."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from tests.ends import Running, Sink, certificate, gateway, run, until

from danelaw.outbound.outcome import RecipientOutcome
from danelaw.outbound.steps import (
    Amendment,
    Carried,
    DeliveryStep,
    Directions,
    End,
    Hold,
    PendingDelivery,
    Return,
    Then,
    TriedDelivery,
    Wait,
    Way,
)
from danelaw.queue import Filter, RecipientState, id_from_text
from danelaw.spool.acts import Act, perform
from danelaw.tlspolicy import SenderDemand

Before = Callable[[PendingDelivery], Directions | None]
After = Callable[[TriedDelivery], Amendment | None]


class Says(DeliveryStep):
    """A step that says what it is told to, and remembers what it was asked."""

    name = "says"

    def __init__(self, before: Before = lambda pending: None) -> None:
        self.says = before
        self.asked: list[PendingDelivery] = []
        self.tries: list[int] = []

    async def before(self, pending: PendingDelivery) -> Directions | None:
        self.asked.append(pending)
        self.tries.append(pending.tries)
        return self.says(pending)


class Judges(DeliveryStep):
    """A step that is asked after a try only."""

    name = "judges"

    def __init__(self, after: After) -> None:
        self.says = after
        self.asked: list[TriedDelivery] = []

    async def after(self, tried: TriedDelivery) -> Amendment | None:
        self.asked.append(tried)
        return self.says(tried)


def install(running: Running, *steps: DeliveryStep) -> None:
    running.gateway.parts.workshop.steps.install(steps)


def recipient(found: dict[str, Any], number: int = 0) -> dict[str, Any]:
    return next(one for one in found["recipients"] if one["number"] == number)  # type: ignore[no-any-return]


def played(tmp_path: Path, play: Callable[[Running, Sink], Awaitable[None]], sink: Sink | None = None) -> None:
    async def whole() -> None:
        async with sink or Sink() as hop, gateway(tmp_path, hop.smarthost) as running:
            await play(running, hop)

    run(whole())


def test_a_step_that_says_nothing_changes_nothing(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        before, after = Says(), Judges(lambda tried: None)
        install(running, before, after)
        found = await running.reaches(await running.send("a@x.test", body=b"Subject: s\r\n\r\nbody\r\n"), "delivered")
        [pending], [tried] = before.asked, after.asked
        assert (before.tries, pending.key.next_hop) == ([0], sink.hop)
        assert b"".join(pending.octets()).endswith(b"Subject: s\r\n\r\nbody\r\n")
        assert [one.forward_path for one in pending.recipients] == ["a@x.test"]
        assert tried.ends[0].state is RecipientState.DELIVERED
        assert tried.attempts[0].protection == "clear text"
        assert found["attempts"][0]["outcome"] == "delivered"

    played(tmp_path, play)


def test_mail_directed_elsewhere_is_delivered_from_the_queue_of_that_next_hop(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        async with Sink() as other:
            step = Says(lambda pending: Directions(next_hop=other.hop, job="move", priority=1, because="nearer"))
            install(running, step)
            found = await running.reaches(await running.send("a@x.test", "b@x.test"), "delivered")
            assert [len(one.recipients) for one in other.taken] == [2]
            assert sink.connections == 0
            assert found["attempts"][-1]["destination"] == other.hop
            assert [one.key.job for one in step.asked] == ["", "move"]
            assert {one.key.next_hop for one in step.asked[:1]} == {sink.hop}

    played(tmp_path, play)


def test_mail_that_is_sent_in_circles_waits_in_the_end(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        hops = ("[127.0.0.1]:9", "[127.0.0.1]:10")
        step = Says(lambda pending: Directions(next_hop=hops[pending.key.next_hop == hops[0]]))
        install(running, step)
        found = await running.tried(await running.send("a@x.test"), 6)
        assert len(step.asked) == 6
        assert found["attempts"][0]["reason"] == "put into the queue [127.0.0.1]:9 (says)"
        assert recipient(found)["state"] == "waiting"
        assert recipient(found)["tries"] == 1
        assert "moved 5 times and never tried" in recipient(found)["reason"]
        assert recipient(found)["next_try"] > running.gateway.clock() + 60

    played(tmp_path, play)


@pytest.mark.parametrize(
    ("end", "state", "reason"),
    [
        (Wait(4e9, "not before the year 2096"), "waiting", "not before the year 2096"),
        (Return("5.7.1", "not to them"), "returned", "not to them"),
        (Hold("look at it first"), "held", "look at it first"),
    ],
)
def test_a_step_ends_a_delivery_before_it_begins(tmp_path: Path, end: End, state: str, reason: str) -> None:
    async def play(running: Running, sink: Sink) -> None:
        # The notice about the returned message goes out.
        step = Says(lambda pending: Directions(end=end) if pending.message.reverse_path else None)
        install(running, step)
        found = await running.tried(await running.send("a@x.test"))
        assert recipient(found)["state"] == state
        assert recipient(found)["reason"] == reason
        assert found["attempts"][0]["reason"] == f"{reason} (says)"
        assert found["attempts"][0]["protection"] == "nothing sent"
        if state == "waiting":
            assert recipient(found)["tries"] == 0
            assert recipient(found)["next_try"] == found["expires_at"], "never beyond the lifetime"
        if state == "returned":
            [notice] = await sink.messages()
            assert b"not to them" in notice.data
            assert b"Status: 5.7.1" in notice.data
        else:
            assert sink.connections == 0

    played(tmp_path, play)


def test_a_step_that_carries_by_itself_says_what_became_of_each(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        ends = {
            0: RecipientOutcome(0, RecipientState.DELIVERED, "2.0.0", "put into the case"),
            1: RecipientOutcome(1, RecipientState.FAILED, "5.1.1", "", "no such case"),
        }
        after = Judges(lambda tried: None)
        install(
            running,
            Says(lambda pending: Directions(end=Carried("crm", ends)) if pending.message.reverse_path else None),
            after,
        )
        message = await running.send("a@x.test", "b@x.test", "c@x.test")
        found = await running.tried(message, 3)
        assert [one["state"] for one in found["recipients"]] == ["delivered", "returned", "waiting"]
        assert recipient(found, 2)["reason"] == "crm said nothing of it"
        by_outcome = {one["outcome"]: one for one in found["attempts"]}
        assert (by_outcome["delivered"]["host"], by_outcome["delivered"]["protection"]) == ("crm", "handed over")
        assert by_outcome["returned"]["protection"] == "nothing sent"
        assert after.asked[0].ends[1].state is RecipientState.FAILED
        [line] = running.lines("delivered")[:1]
        assert "handed over" in line
        metrics = running.gateway.metrics
        assert dict(metrics.outbound_recipients.samples())["delivered", "handed over"] == 1
        assert b"no such case" in (await sink.messages())[0].data

    played(tmp_path, play)


class Slow(DeliveryStep):
    name = "slow"
    seconds = 0.05

    async def before(self, pending: PendingDelivery) -> Directions | None:
        await asyncio.sleep(60)
        return None


class Broken(DeliveryStep):
    name = "broken"

    async def before(self, pending: PendingDelivery) -> Directions | None:
        raise RuntimeError("a\nbug")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Slow(), "step slow did not end within 0.05 s"),
        (Broken(), "step broken failed: RuntimeError: a\nbug"),
        (Says(lambda pending: Directions(next_hop="not a hop")), "is not a next hop"),
        (Says(lambda pending: Directions(demand=SenderDemand.REQUIRETLS)), "REQUIRETLS is the sender's to demand"),
        (Says(lambda pending: Directions(demand=SenderDemand.TLS_REQUIRED_NO)), "is the sender's to say"),
        (Says(lambda pending: Directions(way=Way(certificate="none"))), "no [[client_certificate]] is called 'none'"),
        (Says(lambda pending: Directions(way=Way(local=("::1", "::2")))), "more than one local address"),
        (Says(lambda pending: Directions(way=Way(local=("here",)))), "is no address"),
        (Says(lambda pending: Directions(way=Way(helo="-"))), "the name for EHLO is none"),
        (Says(lambda pending: Directions(most_recipients=0)), "a transaction needs a recipient"),
        (Says(lambda pending: Directions(context="x" * 65537)), "larger than 65536 octets"),
        (Says(lambda pending: Directions(end=Return("4.7.1", "later"))), "status of class 5"),
        (Says(lambda pending: Directions(end=Return("no", "later"))), "is no enhanced status code"),
        (Says(lambda pending: Directions(job="x" * 65)), "at most 64 printable characters"),
        (Says(lambda pending: Directions(priority=2)), "a priority is -1, 0 or 1"),
        (Says(lambda pending: "yes"), "it gave 'yes'"),  # type: ignore[arg-type,return-value]
    ],
)
def test_where_a_step_fails_the_mail_waits_and_nothing_is_sent(tmp_path: Path, step: DeliveryStep, reason: str) -> None:
    async def play(running: Running, sink: Sink) -> None:
        install(running, step)
        found = await running.tried(await running.send("a@x.test"))
        assert recipient(found)["state"] == "waiting"
        assert reason in recipient(found)["reason"]
        assert recipient(found)["tries"] == 1
        assert sink.connections == 0
        [line] = running.lines("step-broken")
        assert step.name in line
        assert dict(running.gateway.metrics.delivery_steps.samples())[step.name, "before", "failed"] == 1
        install(running)
        assert len(running.lines("delivered")) == 0

    played(tmp_path, play)


def test_mail_that_must_be_verified_cannot_be_carried_by_a_step(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        carry = Carried("anything", {0: RecipientOutcome(0, RecipientState.DELIVERED, "2.0.0")})
        install(running, Says(lambda pending: Directions(demand=SenderDemand.VERIFIED, end=carry)))
        found = await running.tried(await running.send("a@x.test"))
        assert "through verified TLS only cannot be carried by a step itself" in recipient(found)["reason"]

    played(tmp_path, play)


def test_a_demand_of_a_step_is_kept_to_and_told(tmp_path: Path) -> None:
    """An address cannot be verified: the mail waits, in a queue of its own, and its notice returns no body."""

    async def play(running: Running, sink: Sink) -> None:
        step = Says(lambda pending: Directions(demand=SenderDemand.VERIFIED, because="contract"))
        install(running, step)
        message = await running.send("a@x.test", body=b"Subject: s\r\n\r\nsecret words\r\n")
        found = await running.tried(message, 2)
        assert recipient(found)["demand"] == "verified"
        assert "(says: contract)" in found["attempts"][0]["reason"]
        assert "an address has no name to verify" in found["attempts"][1]["reason"]
        assert sink.connections == 0
        install(running, Says(lambda pending: None), Judges(returned_at_once))
        await release(running, message)
        await running.reaches(message, "returned")
        [notice] = await sink.messages()
        words = b" ".join(notice.data.split())
        assert b"only through TLS with a server proved to be the recipient's" in words
        assert b"secret words" not in words

    played(tmp_path, play)


def returned_at_once(tried: TriedDelivery) -> Amendment | None:
    return Amendment(then=Then.RETURN) if tried.message.reverse_path else None


async def release(running: Running, message: str) -> None:
    """As `danelaw queue retry` does."""
    engine = running.gateway.parts.engine
    act = Act("retry", Filter.from_text(f"id:{message}"), "test", "")
    for step in perform(running.gateway.parts.spool, act, running.gateway.clock(), engine.scheduler):
        for key in step.keys:
            engine.requeued(key)


def test_a_context_is_passed_on_and_kept(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        first = Says(lambda pending: Directions(context='{"n":1}'))
        second = Says(lambda pending: None)
        after = Judges(lambda tried: Amendment(context=json.dumps({"n": json.loads(tried.message.context)["n"] + 1})))
        install(running, first, second, after)
        found = await running.reaches(await running.send("a@x.test"), "delivered")
        assert second.asked[0].message.context == '{"n":1}'
        assert found["context"] == {"n": 2}

    played(tmp_path, play)


def test_a_context_is_kept_where_no_host_could_be_used(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        after = Judges(lambda tried: Amendment(context='{"down":true}'))
        install(running, Says(lambda pending: Directions(next_hop="[127.0.0.1]:9")), after)
        message = await running.send("a@x.test")
        await until(lambda: running.look(message)["context"] == {"down": True}, "the context")
        assert after.asked[0].host_down
        assert running.look(message)["queues"][0]["failures"] == 1, "the queue sleeps all the same"

    played(tmp_path, play)


def test_few_recipients_at_a_time_reach_everybody(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        step = Says(lambda pending: Directions(most_recipients=2))
        install(running, step)
        found = await running.reaches(await running.send(*(f"r{n}@x.test" for n in range(5))), "delivered")
        assert [len(one.recipients) for one in sink.taken] == [2, 2, 1]
        assert sum(len(one.recipients) for one in sink.taken) == 5
        assert {one["tries"] for one in found["recipients"]} == {1}

    played(tmp_path, play)


def test_connections_are_shared_only_under_equal_ways(tmp_path: Path) -> None:
    ways = [Way(), Way(helo="a.test"), Way(helo="b.test"), Way(local=("127.0.0.7",)), Way(helo="a.test")]

    async def play(running: Running, sink: Sink) -> None:
        def way_of(pending: PendingDelivery) -> Directions:
            return Directions(way=ways[int(pending.recipients[0].forward_path[1])])

        install(running, Says(way_of))
        for number in range(len(ways)):
            await running.reaches(await running.send(f"r{number}@x.test"), "delivered")
        assert [one.connection for one in sink.taken] == [1, 2, 3, 4, 2]
        assert [line.split()[1] for line in sink.said("EHLO")] == ["gw.test", "a.test", "b.test", "gw.test"]

    played(tmp_path, play)


def test_a_way_that_leads_nowhere_does_not_put_the_others_of_the_queue_to_sleep(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        way = Way(local=("203.0.113.77",))  # none of this machine's
        step = Says(lambda pending: Directions(way=way) if "bad" in pending.recipients[0].forward_path else None)
        install(running, step)
        bad = await running.send("bad@x.test")
        found = await running.tried(bad)
        assert recipient(found)["state"] == "waiting"
        assert found["queues"][0]["asleep_until"] is None
        await running.reaches(await running.send("good@x.test"), "delivered")
        assert recipient(running.look(bad))["tries"] == 1

    played(tmp_path, play)


def for_clients(directory: Path, name: str) -> None:
    """Write a certificate that vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    about = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(about)
        .issuer_name(about)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (directory / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (directory / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def test_a_client_certificate_is_shown_where_a_step_names_it(tmp_path: Path) -> None:
    certificate(tmp_path, "sink.test")
    for_clients(tmp_path, "partner")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "sink.test.pem", tmp_path / "sink.test.key")
    context.load_verify_locations(tmp_path / "partner.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # later versions tell a client of it only after the handshake
    section = f"""[[client_certificate]]
name = "partner"
chain = "{tmp_path}/partner.pem"
key = "{tmp_path}/partner.key"
"""

    async def whole() -> None:
        async with Sink(context=context) as sink, gateway(tmp_path, sink.smarthost + section) as running:
            install(running, Says(lambda pending: Directions(way=Way(certificate="partner"))))
            found = await running.reaches(await running.send("a@x.test"), "delivered")
            assert found["attempts"][-1]["protection"] == "encrypted only"
            assert sink.taken[0].tls
            install(running)
            await running.reaches(await running.send("b@x.test"), "delivered")
            assert not sink.taken[1].tls, "nothing is shown unless a step says so, and nobody demands TLS"

    run(whole())


def test_the_family_of_the_local_address_is_the_one_that_is_used(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        install(running, Says(lambda pending: Directions(way=Way(local=("::1",)))))
        found = await running.tried(await running.send("a@x.test"))
        assert found["attempts"][0]["reason"] == "the host has no address this gateway may use"
        assert sink.connections == 0

    played(tmp_path, play)


# after a try


def refusing(code: str) -> Sink:
    """Refuses whoever is called bad."""
    return Sink(lambda verb, line, connection: code if verb == "RCPT" and "bad" in line else None)


def test_a_step_sees_the_bounce_class_and_every_try(tmp_path: Path) -> None:
    sink = refusing("550 5.1.1 no such user")

    async def play(running: Running, sink: Sink) -> None:
        after = Judges(lambda tried: None)
        install(running, after)
        await running.reaches(await running.send("bad@x.test"), "returned")
        [tried] = [one for one in after.asked if one.message.reverse_path]
        assert tried.ends[0].bounce == "bad-mailbox"
        assert tried.ends[0].reply == "550 5.1.1 no such user"
        assert [one.outcome for one in tried.attempts] == ["returned"]

    played(tmp_path, play, sink)


def test_what_failed_can_be_tried_again_at_a_time_of_the_steps_choice(tmp_path: Path) -> None:
    sink = refusing("550 5.7.1 you look like spam")

    async def play(running: Running, sink: Sink) -> None:
        at = running.gateway.clock() + 7200
        install(running, Judges(lambda tried: Amendment(then=Then.RETRY, at=at, because="they know us")))
        found = await running.tried(await running.send("bad@x.test", "good@x.test"))
        assert [one["state"] for one in found["recipients"]] == ["waiting", "delivered"]
        assert recipient(found)["next_try"] == at
        assert recipient(found)["reason"].endswith("(judges: they know us)")
        [line] = running.lines("amended")
        assert "bad@x.test" in line
        assert "good@x.test" not in line

    played(tmp_path, play, sink)


def test_a_time_beyond_the_lifetime_is_its_end(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        install(running, Judges(lambda tried: Amendment(at=4e9)))
        found = await running.tried(await running.send("bad@x.test"))
        assert recipient(found)["next_try"] == found["expires_at"]

    played(tmp_path, play, refusing("451 4.2.0 later"))


def test_what_would_be_tried_again_can_be_returned_with_words_of_the_step(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        after = Judges(
            lambda tried: (
                Amendment(then=Then.RETURN, text="call\n+44 1632 960001", bounce="quota")
                if tried.message.reverse_path
                else None
            )
        )
        install(running, after)
        await running.reaches(await running.send("bad@x.test"), "returned")
        [notice] = await sink.messages()
        words = b" ".join(notice.data.split())
        assert b"call +44 1632 960001" in words
        assert b"Status: 5.2.0" in words

    played(tmp_path, play, refusing("451 4.2.0 later"))


def test_what_failed_can_be_held_and_only_for_some(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        after = Judges(
            lambda tried: Amendment(then=Then.HOLD, recipients=frozenset({1, 7}), because="a person should look")
        )
        install(running, after)
        found = await running.tried(await running.send("bad0@x.test", "bad1@x.test", "good@x.test"))
        assert [one["state"] for one in found["recipients"]] == ["returned", "held", "delivered"]
        assert "a person should look" in found["held"]["holds"][0]["reason"]

    played(tmp_path, play, refusing("550 5.1.1 no"))


def test_who_was_reached_stays_reached_whatever_a_step_says(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        for then in Then:
            install(running, Judges(lambda tried, then=then: Amendment(then=then, at=1.0)))  # type: ignore[misc]
            await running.reaches(await running.send("good@x.test"), "delivered")
        assert len(sink.taken) == len(Then)

    played(tmp_path, play)


def test_mail_of_a_next_hop_that_is_down_can_be_returned_at_once(tmp_path: Path) -> None:
    async def whole() -> None:
        async with gateway(tmp_path, '[delivery]\nnext_hop = "[127.0.0.1]:9"\n') as running:
            install(running, Judges(lambda tried: Amendment(then=Then.RETURN, because="urgent or never")))
            found = await running.reaches(await running.send("a@x.test"), "returned")
            assert "urgent or never" in recipient(found)["reason"]

    run(whole())


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (lambda tried: Amendment(bounce="no-such-class"), "there is no bounce class"),
        (lambda tried: Amendment(context="x" * 65537), "larger than 65536 octets"),
        (lambda tried: 1 / 0, "ZeroDivisionError"),
        (lambda tried: "no", "it gave 'no'"),
    ],
)
def test_where_a_step_fails_after_a_try_its_outcome_stands(tmp_path: Path, says: After, words: str) -> None:
    async def play(running: Running, sink: Sink) -> None:
        install(running, Judges(says))
        await running.reaches(await running.send("good@x.test"), "delivered")
        await running.reaches(await running.send("bad@x.test"), "returned")
        assert all(words in line for line in running.lines("step-broken"))
        assert len(running.lines("step-broken")) >= 2

    played(tmp_path, play, refusing("550 5.1.1 no"))


def test_a_message_on_the_short_way_is_judged_too(tmp_path: Path) -> None:
    async def play(running: Running, sink: Sink) -> None:
        await running.reaches(await running.send("a@x.test"), "delivered")
        after = Judges(lambda tried: Amendment(context='{"seen":1}'))
        install(running, after)
        found = await running.reaches(await running.send("b@x.test"), "delivered")
        assert found["context"] == {"seen": 1}
        assert [one.connection for one in sink.taken] == [1, 1]

    played(tmp_path, play)


def test_a_gateway_that_stops_ends_a_step_and_keeps_the_mail(tmp_path: Path) -> None:
    class Endless(DeliveryStep):
        name = "endless"

        def __init__(self) -> None:
            self.begun = self.ended = False

        async def before(self, pending: PendingDelivery) -> Directions | None:
            self.begun = True
            try:
                await asyncio.sleep(3600)
            finally:
                self.ended = True
            return None

    async def whole() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            step = Endless()
            install(running, step)
            message = await running.send("a@x.test")
            await until(lambda: step.begun, "the question")
            running.gateway.parts.engine.abort(list(running.gateway.parts.engine.scheduler.flying))
            await until(lambda: step.ended, "its end")
            install(running)
            await running.reaches(message, "delivered")
            assert id_from_text(message)

    run(whole())
