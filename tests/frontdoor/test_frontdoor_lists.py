"""DNS lists and names of clients, over real sockets; DNS is a page of text."""

from __future__ import annotations

from pathlib import Path

from tests.ends import Sink, gateway, run
from tests.frontdoor.door import MESSAGE, STRANGERS, TRUSTED, findings, front, ours

from danelaw.testing import FakeDNS

LISTED = '5.0.0.127.list.test. A 127.0.0.2\n5.0.0.127.list.test. TXT "see https://list.test/"'
REFUSE = '[[dns_list]]\nzone = "list.test"\nname = "The List"\nuse = "refuse"\n'


def test_a_listed_client_is_refused_with_the_lists_reason_but_reaches_postmaster(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, REFUSE, FakeDNS(secure=LISTED)) as (running, sink):
            async with await running.client(source="127.0.0.5") as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                answer = await client.expect(550, "RCPT TO:<b@ours.test>")
                assert answer.text == "5.7.1 127.0.0.5 is listed by The List: see https://list.test/"
                await client.expect(250, "RCPT TO:<postmaster@ours.test>")
            assert "step=dns-list" in running.lines("refused")[0]
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_dns_list_lookups_total{result="listed"} 1.0' in numbers
            async with await running.client(source="127.0.0.6") as client:
                await client.message(MESSAGE, "b@ours.test")
            await sink.messages()

    run(play())


def test_trusted_clients_are_not_looked_up(tmp_path: Path) -> None:
    dns = FakeDNS(insecure="*.list.test. A 127.0.0.2")

    async def play() -> None:
        async with front(tmp_path, REFUSE, dns) as (running, sink):
            async with await running.client(source=TRUSTED) as client:
                await client.message(MESSAGE, "b@ours.test")
            await sink.messages()

    run(play())
    assert dns.asked == []


def test_a_list_that_refuses_us_refuses_nobody_and_the_finding_says_so(tmp_path: Path) -> None:
    async def play() -> None:
        dns = FakeDNS(insecure="*.list.test. A 127.255.255.254")
        async with front(tmp_path, REFUSE, dns) as (running, sink):
            async with await running.client(source="127.0.0.5") as client:
                ident = await client.message(MESSAGE, "b@ours.test")
            await sink.messages()
            (found,) = findings(running, ident)
            assert found[:2] == ("dns-list", "failed")
            assert "127.255.255.254" in found[2]

    run(play())


def test_a_list_that_must_be_asked_defers_when_it_fails(tmp_path: Path) -> None:
    async def play() -> None:
        dns = FakeDNS().fail("list.test", below=True)
        deferring = REFUSE + 'on_failure = "defer"\n'
        async with front(tmp_path, deferring, dns) as (running, _), await running.client() as client:
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(451, "RCPT TO:<b@ours.test>")

    run(play())


SCORED = """
[[dns_list]]
zone = "a.test"
score = 1.5
[[dns_list]]
zone = "b.test"
score = 2
of = "sender"
[[dns_list]]
zone = "good.test"
use = "allow"
[dns_lists]
refuse_score = 3.0
"""


def test_scores_add_up_over_lists_of_clients_and_of_domains(tmp_path: Path) -> None:
    async def play() -> None:
        dns = FakeDNS(
            insecure="*.a.test. A 127.0.0.2\nspammer.test.b.test. A 127.0.0.2\n6.0.0.127.good.test. A 127.0.10.1"
        )
        async with front(tmp_path, SCORED, dns) as (running, sink):
            async with await running.client(source="127.0.0.5") as client:
                await client.expect(250, "MAIL FROM:<a@spammer.test>")
                answer = await client.expect(550, "RCPT TO:<b@ours.test>")
                assert "spammer.test is listed by b.test" in answer.text
                await client.expect(250, "RSET")
                ident = await client.message(MESSAGE, "b@ours.test", sender="a@sender.test")
            async with await running.client(source="127.0.0.6") as client:
                allowed = await client.message(MESSAGE, "b@ours.test", sender="a@spammer.test")
            await sink.messages(2)
            assert [found[1] for found in findings(running, ident)] == ["listed", "not-listed"]
            assert findings(running, ident)[0][2] == "a.test on 127.0.0.5 (127.0.0.2), score 1.5 (DNSSEC: insecure)"
            assert "allowed" in [found[1] for found in findings(running, allowed)]

    run(play())


NAMES = '[client_names]\nenabled = true\nno_name = "refuse"\ngeneric = "defer"\nhelo_own_name = "refuse"\n'


def test_names_are_facts_and_refuse_only_where_asked(tmp_path: Path) -> None:
    async def play() -> None:
        zone = """
            5.0.0.127.in-addr.arpa. PTR mx.sender.test.
            mx.sender.test. A 127.0.0.5
            6.0.0.127.in-addr.arpa. PTR 127-0-0-6.pool.sender.test.
            127-0-0-6.pool.sender.test. A 127.0.0.6
        """
        async with front(tmp_path, NAMES, FakeDNS(secure=zone)) as (running, sink):
            async with await running.client(source="127.0.0.5") as client:
                await client.expect(250, "EHLO mx.sender.test")
                ident = await client.message(MESSAGE, "b@ours.test")
                await client.expect(250, "EHLO gw.test")
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                answer = await client.expect(550, "RCPT TO:<b@ours.test>")
                assert answer.text == "5.7.1 not taken from your address: HELO: gw.test is a name of ours"
                await client.expect(250, "RCPT TO:<abuse@ours.test>")
            async with await running.client(source="127.0.0.6") as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(450, "RCPT TO:<b@ours.test>")
            async with await running.client(source="127.0.0.7") as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                answer = await client.expect(550, "RCPT TO:<b@ours.test>")
                assert answer.text == "5.7.25 not taken from your address: 127.0.0.7 has no name"
            await sink.messages()
            assert findings(running, ident) == [
                ("client-name", "pass", "mx.sender.test leads back (DNSSEC: secure)"),
                ("helo", "pass", "mx.sender.test has the address 127.0.0.5 (DNSSEC: secure)"),
            ]

    run(play())


def test_a_verified_name_stands_in_our_received_field_and_no_other(tmp_path: Path) -> None:
    async def play() -> None:
        zone = """
            5.0.0.127.in-addr.arpa. PTR mx.sender.test.
            mx.sender.test. A 127.0.0.5
            6.0.0.127.in-addr.arpa. PTR mx.sender.test.
            9.0.0.127.in-addr.arpa. PTR relayed.test.
            relayed.test. A 127.0.0.9
        """
        async with front(tmp_path, "[client_names]\nenabled = true\n", FakeDNS(secure=zone)) as (running, sink):
            for source in ("127.0.0.5", "127.0.0.6", "127.0.0.9"):
                async with await running.client(source=source) as client:
                    await client.message(MESSAGE, "b@ours.test")
            traces = {taken.data.split(b"\r\n")[0] for taken in await sink.messages(3)}
            assert traces == {
                b"Received: from client.test (mx.sender.test [127.0.0.5])",
                b"Received: from client.test ([127.0.0.6])",  # the name does not lead back
                b"Received: from client.test ([127.0.0.9])",  # a trusted client's is not looked up
            }

    run(play())


def test_a_silent_dns_is_waited_for_only_so_long_and_is_no_fact(tmp_path: Path) -> None:
    # The gateway's own resolver asks a port where nobody answers.
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, ours(sink) + NAMES, replace=STRANGERS) as running:
            async with await running.client() as client:
                ident = await client.message(MESSAGE, "b@ours.test")
            await sink.messages()
            assert [found[1] for found in findings(running, ident)] == ["temperror", "temperror"]

    run(play())
