"""What senders are told, and what they are not: failures, delays, lifetimes, DSN parameters, notices about notices."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest
from tests.ends import OFFERS, Sink, Taken, gateway, run, until

from danelaw.dsn import redacted
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Behaviour, Host, Scenario

REFUSES = {"gone": "550 5.1.1 no such user"}


def answer(verb: str, line: str, connection: int) -> str | None:
    name = line.partition("<")[2].partition("@")[0]
    return REFUSES.get(name) if verb == "RCPT" else None


def notices(sink: Sink) -> list[Taken]:
    return [one for one in sink.taken if one.mail.startswith("MAIL FROM:<>")]


def fields(notice: Taken) -> str:
    return next(part.as_string() for part in parts(notice) if part.get_content_type().endswith("delivery-status"))


def parts(notice: Taken) -> list[email.message.EmailMessage]:
    parsed = email.message_from_bytes(notice.data, policy=email.policy.SMTP)
    assert parsed.get_content_type() == "multipart/report"
    return list(parsed.iter_parts())  # type: ignore[attr-defined]


def test_a_refused_recipient_is_told_to_the_sender(tmp_path: Path) -> None:
    async def play() -> None:
        bounce = '[queue]\nbounce_from = "postmaster@shop.test"\n'
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost + bounce) as running:
            message = await running.send(
                "gone@x.test", mail=" RET=HDRS ENVID=QQ+2B1", rcpt=" NOTIFY=FAILURE ORCPT=rfc822;first+2Blast@y.test"
            )
            await running.reaches(message, "returned")
            (notice,) = await sink.messages()
            assert notice.mail.startswith("MAIL FROM:<>")
            assert notice.recipients[0].startswith("RCPT TO:<anna@sender.test>")
            assert "NOTIFY=NEVER" in notice.recipients[0]
            assert b"From: Mail delivery <postmaster@shop.test>" in notice.data
            said = fields(notice)
            for words in ("Original-Envelope-Id: QQ+1", "Action: failed", "Status: 5.1.1",
                          "Original-Recipient: rfc822;first+last@y.test", "550 5.1.1 no such user"):  # fmt: skip
                assert words in said, said
            assert parts(notice)[2].get_content_type() == "text/rfc822-headers"

    run(play())


@pytest.mark.parametrize(("notify", "told"), [("NEVER", 0), ("SUCCESS", 0), ("DELAY", 0), ("FAILURE", 1), ("", 1)])
def test_failures_are_told_only_where_wanted(tmp_path: Path, notify: str, told: int) -> None:
    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost) as running:
            message = await running.send("gone@x.test", rcpt=f" NOTIFY={notify}" if notify else "")
            await running.reaches(message, "returned")
            await running.reaches(await running.send("fine@x.test"), "delivered")
            await until(lambda: running.gateway.parts.engine.busy == 0, "the end of deliveries")
            assert len(notices(sink)) == told

    run(play())


def test_parameters_travel_on_to_a_hop_that_knows_dsn(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            rcpt = " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b@y.test"
            await running.send("a@x.test", mail=" RET=FULL ENVID=A+3DB", rcpt=rcpt)
            (taken,) = await sink.messages()
            assert "RET=FULL" in taken.mail
            assert "ENVID=A+3DB" in taken.mail
            assert "NOTIFY=SUCCESS,DELAY" in taken.recipients[0]
            assert "ORCPT=rfc822;b@y.test" in taken.recipients[0]

    run(play())


def test_a_hop_without_dsn_makes_success_a_relayed_notice(tmp_path: Path) -> None:
    async def play() -> None:
        offers = tuple(word for word in OFFERS if word != "DSN")
        async with Sink(offers=offers) as sink, gateway(tmp_path, sink.smarthost) as running:
            await running.send("a@x.test", mail=" RET=HDRS ENVID=1", rcpt=" NOTIFY=SUCCESS")
            taken = await sink.messages(2)
            assert not any(word in taken[0].mail + taken[0].recipients[0] for word in ("RET=", "ENVID=", "NOTIFY="))
            assert "Action: relayed" in fields(taken[1])
            await running.send("b@x.test", rcpt=" NOTIFY=FAILURE")
            await sink.messages(3)
            await until(lambda: running.gateway.parts.engine.busy == 0, "the end of deliveries")
            assert len(notices(sink)) == 1

    run(play())


ROUTES = """
[[route]]
domain = "sender.test"
next_hop = "{hop}"
[delivery]
next_hop = "[127.0.0.1]:9"
[queue]
"""


def test_a_lifetime_ends_wherever_the_message_stands(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, ROUTES.format(hop=sink.hop) + 'lifetime = "2s"\n') as running:
            message = await running.send("a@x.test", "b@x.test")
            notice = (await sink.messages())[0]
            await running.reaches(message, "returned")
            said = fields(notice)
            assert said.count("Status: 5.4.7") == 2
            assert "a@x.test" in said
            assert "connection refused" in parts(notice)[0].get_content()
            assert len(notices(sink)) == 1

    run(play())


@pytest.mark.parametrize(("notify", "told"), [("", 1), ("DELAY", 1), ("FAILURE", 0), ("NEVER", 0)])
def test_a_delay_is_told_once_where_wanted(tmp_path: Path, notify: str, told: int) -> None:
    async def play() -> None:
        more = ROUTES.format(hop="{hop}") + 'warn_after = "1s"\n'
        async with Sink() as sink, gateway(tmp_path, more.format(hop=sink.hop)) as running:
            message = await running.send("a@x.test", rcpt=f" NOTIFY={notify}" if notify else "")
            await running.tried(message)
            engine = running.gateway.parts.engine
            late = engine._clock
            engine._clock = lambda: late() + 10
            if told:
                notice = (await sink.messages())[0]
                assert "Action: delayed" in fields(notice)
                assert "Will-Retry-Until" in fields(notice)
            spool = running.gateway.parts.spool
            await until(lambda: _notified(spool, message), "the mark that the sender was told")
            assert len(notices(sink)) == told
            assert running.look(message)["state"] == "waiting"

    run(play())


def _notified(spool: object, message: str) -> bool:
    from danelaw.queue import id_from_text
    from danelaw.spool.view import find_message

    return find_message(spool.reader, id_from_text(message))[0].notified  # type: ignore[attr-defined]


def test_a_notice_that_fails_is_logged_and_nobody_is_told(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost) as running:
            message = await running.send("gone@x.test", sender="")
            await running.reaches(message, "returned")
            assert running.lines("double-bounce")
            message = await running.send("gone@x.test", sender="gone@y.test")
            await running.reaches(message, "returned")
            await until(lambda: len(running.lines("double-bounce")) == 2, "the second double bounce")
            assert not sink.taken

    run(play())


NOWHERE = (
    Scenario(domain="missing.lab", mx="missing", hosts=()),
    Scenario(domain="null.lab", mx="null", hosts=()),
)


def test_domains_that_take_no_mail_are_told_at_once(tmp_path: Path) -> None:
    back = Scenario(domain="back.lab")

    async def play() -> None:
        async with Rehearsal((*NOWHERE, back), tmp_path) as rehearsal:
            for scenario, status in zip(NOWHERE, (b"Status: 5.1.2", b"Status: 5.1.10"), strict=True):
                message = await rehearsal.send(scenario, sender="anna@back.lab")
                assert (await rehearsal.result(scenario, message)).outcome == "returned"
                count = len(rehearsal.lab.received("back.lab"))
                await until(lambda before=count: len(rehearsal.lab.received("back.lab")) >= max(1, before), "a notice")
                await until(
                    lambda wanted=status: any(wanted in one.data for one in rehearsal.lab.received("back.lab")),
                    f"a notice with {status!r}",
                )

    run(play())


REQUIRES = Scenario(domain="strict.lab", demand="requiretls", hosts=(Host(behaviour=Behaviour()),))
BACK = (
    Scenario(domain="able.lab", hosts=(Host(behaviour=Behaviour(requiretls=True)),)),
    Scenario(domain="unable.lab", hosts=(Host(behaviour=Behaviour()),)),
)


def test_requiretls_notices_carry_headers_only_and_are_redacted_where_the_way_back_lacks_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with Rehearsal((REQUIRES, *BACK), tmp_path) as rehearsal:
            body = "Message-ID: <secret-id@s.test>\r\nSubject: secret subject\r\n\r\nsecret body\r\n"
            for back in BACK:
                message = await rehearsal.send(REQUIRES, body, sender=f"anna@{back.domain}")
                assert (await rehearsal.result(REQUIRES, message)).outcome == "returned"
                await until(lambda domain=back.domain: rehearsal.lab.received(domain), f"a notice at {back.domain}")
            (able,), (unable,) = (rehearsal.lab.received(back.domain) for back in BACK)
            assert "REQUIRETLS" in able.mail_parameters
            assert b"secret subject" in able.data
            assert b"secret body" not in able.data
            assert "REQUIRETLS" not in unable.mail_parameters
            assert b"secret" not in unable.data
            for words in (b"Status: 5.7.30", b"anna@strict.lab", b"multipart/report", b"NOT delivered"):
                assert words in unable.data, unable.data.decode()
            parsed = email.message_from_bytes(unable.data, policy=email.policy.SMTP)
            assert [part.get_content_type() for part in parsed.iter_parts()] == [  # type: ignore[attr-defined]
                "text/plain",
                "message/delivery-status",
            ]

    run(play())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"From: m@x.test\r\nSubject: secret\r\nX-Copy: secret\r\n\r\nsecret\r\n",
        b"From: m@x.test\r\nContent-Type: multipart/report; boundary=x\r\n\r\nsecret",
        b"From: m@x.test\r\nContent-Type: multipart/report; boundary=x\r\n\r\n--x\r\n\r\nsecret\r\n--x--\r\n",
        b"no header at all: secret",
    ],
)
def test_what_is_no_report_keeps_its_sender_and_nothing_else(content: bytes) -> None:
    found = redacted(content)
    assert b"secret" not in found
    assert found.startswith(b"From: m@x.test\r\n") is content.startswith(b"From")
    assert b"\r\n\r\nSomebody answered" in found


def test_the_sender_of_internationalised_mail_is_told(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost) as running:
            for sender in ("bücher@sender.test", "anna@sender.test"):
                before = len(sink.taken)
                await running.reaches(await running.send("gone@x.test", sender=sender, mail=" SMTPUTF8"), "returned")
                notice = (await sink.messages(before + 1))[-1]
                assert (" SMTPUTF8" in notice.mail) is not sender.isascii()
                assert f"<{sender}>" in notice.recipients[0]
                assert "Status: 5.1.1" in fields(notice)

    run(play())


EIGHT_BIT = "Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nFrom: Anna <anna@sender.test>\r\n\r\nGrüße aus Köln\r\n".encode()
SEVEN_BIT_HOP = ("PIPELINING", "DSN", "ENHANCEDSTATUSCODES")
ASIDE = '[[route]]\ndomain = "x.test"\nnext_hop = "{there}"\n[delivery]\nnext_hop = "{back}"\n'


@pytest.mark.parametrize(
    ("body", "returned"),
    [
        (EIGHT_BIT, "text/rfc822-headers"),
        (b"Subject: plain\r\n\r\nplain\r\n", "message/rfc822"),
        (b"Subject: gr\xfc\xdfe\r\n\r\nlatin\r\n", "text/rfc822-headers"),
    ],
    ids=["8-bit body", "ASCII", "header in Latin-1"],
)
def test_a_notice_about_8_bit_mail_reaches_a_sender_behind_a_7_bit_hop(
    tmp_path: Path, body: bytes, returned: str
) -> None:
    async def play() -> None:
        async with Sink(answer) as there, Sink(offers=SEVEN_BIT_HOP) as back:
            ways = ASIDE.format(there=there.hop, back=back.hop)
            async with gateway(tmp_path, ways) as running:
                message = await running.send("gone@x.test", body=body, mail=" BODY=8BITMIME")
                await running.reaches(message, "returned")
                (notice,) = await back.messages()
                assert notice.data.isascii()
                assert "BODY=" not in notice.mail
                assert "Status: 5.1.1" in fields(notice)
                assert parts(notice)[2].get_content_type() == returned
                if returned == "text/rfc822-headers":
                    assert b"Subject: " in parts(notice)[2].get_payload(decode=True)
                assert not running.lines("double-bounce")
                await until(lambda: not running.gateway.parts.spool.queues(), "an empty queue")
                assert len(back.taken) == 1

    run(play())


def test_over_an_8_bit_hop_the_whole_message_comes_back(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(answer) as sink, gateway(tmp_path, sink.smarthost) as running:
            await running.reaches(await running.send("gone@x.test", body=EIGHT_BIT, mail=" BODY=8BITMIME"), "returned")
            (notice,) = await sink.messages()
            assert EIGHT_BIT in notice.data
            assert "BODY=8BITMIME" in notice.mail

    run(play())


def test_8_bit_mail_with_an_empty_sender_that_is_no_notice_is_not_rewritten(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(offers=SEVEN_BIT_HOP) as sink, gateway(tmp_path, sink.smarthost) as running:
            message = await running.send("a@x.test", body=EIGHT_BIT, sender="", mail=" BODY=8BITMIME")
            await running.reaches(message, "returned")
            assert running.lines("notice-not-in-seven-bits")
            assert running.lines("double-bounce")
            assert not sink.taken

    run(play())
