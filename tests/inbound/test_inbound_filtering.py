"""The filtering step: what filters find, change and cost a message, by the operator's rules."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.filters.fake_engines import (
    FakeMilter,
    FakeServer,
    closed_port,
    http_reply,
    http_request,
    instream,
    packet,
    serving,
)

from danelaw.address import ForwardPath, ReversePath
from danelaw.config import Config, loads
from danelaw.inbound.arrival import Arrival, Client, Content, Discard, Hold, Refuse, Ruling
from danelaw.inbound.filtering import Filtering
from danelaw.inbound.filters_of import Meter, filter_set
from danelaw.inbound.steps import Stage
from danelaw.message import Header
from danelaw.milter import ProtocolStep
from danelaw.smtp import Body, Envelope, MailFrom, Notify, OriginalRecipient, Recipient, Reply, Ret
from danelaw.telemetry import Metrics

MESSAGE = (
    b"From: a@b.example\r\nX-Spam-Flag: NO\r\nx-spam-status: No, score=-99\r\n\ttests=FORGED\r\nSubject: test\r\n"
    b"\r\nbody\r\n"
)
CLIENT = Client("192.0.2.7", 4711, "client.example", True, None, False, "192.0.2.1:25")


def config(text: str) -> Config:
    return loads('hostname = "mx.example"\n' + text)


def section(name: str, kind: str, server: FakeServer, more: str = "") -> str:
    return f'[[filter]]\nname = "{name}"\nkind = "{kind}"\naddress = ["{server.address}"]\n{more}\n'


def arrival(message: bytes | Path = MESSAGE, *, client: Client = CLIENT) -> Arrival:
    sender = ReversePath.from_text("<anna@sender.example>")
    recipients = tuple(Recipient(ForwardPath.from_text(f"<{name}@here.example>")) for name in ("bob", "eve"))
    size = len(message) if isinstance(message, bytes) else message.stat().st_size
    return Arrival(77, 0.0, client, Envelope(sender, recipients), Content(message, size), sender, list(recipients))


def step(text: str, meter: Meter | None = None) -> Filtering:
    whole = config(text)
    return Filtering(filter_set(whole, meter), whole.filtering, hostname="mx.example", meter=meter)


def whole(subject: Arrival) -> bytes:
    return b"".join(reversed(subject.added)) + b"".join(subject.content.chunks())


def rspamd(answer: dict[str, Any]) -> Callable[..., Awaitable[None]]:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await http_request(reader)
        writer.write(http_reply(json.dumps(answer).encode()))

    return behave


def clamd(answer: bytes, heard: list[bytes] | None = None) -> Callable[..., Awaitable[None]]:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        octets = await instream(reader)
        if heard is not None:
            heard.append(octets)
        writer.write(answer)

    return behave


def spamd(answer: bytes) -> Callable[..., Awaitable[None]]:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.write(answer)

    return behave


def test_clean_mail_passes_and_forged_marks_are_gone() -> None:
    async def run() -> None:
        heard: list[bytes] = []
        async with serving(clamd(b"stream: OK\0", heard)) as server:
            subject = arrival()
            assert await step(section("av", "clamd", server)).message(subject) is None
            assert heard == [b"From: a@b.example\r\nSubject: test\r\n\r\nbody\r\n"]
            assert whole(subject) == heard[0]
            assert subject.content.size == len(heard[0])
            assert [(one.step, one.result) for one in subject.findings] == [("filtering", "removed"), ("av", "clean")]
            trusted = arrival(client=Client("192.0.2.8", 1, trusted=True))
            await step(section("av", "clamd", server, 'clients = "all"')).message(trusted)
            assert whole(trusted) == MESSAGE

    asyncio.run(run())


@pytest.mark.parametrize(
    ("on_found", "ruling"),
    [("refuse", Refuse), ("hold", Hold), ("discard", Discard), ("defer", Refuse), ("tag", None), ("note", None)],
)
def test_a_virus_does_what_the_operator_says(on_found: str, ruling: type | None) -> None:
    async def run() -> None:
        async with serving(clamd(b"stream: Eicar-Signature FOUND\0")) as server:
            subject = arrival()
            result = await step(section("av", "clamd", server, f'on_found = "{on_found}"')).message(subject)
            assert ruling is None if result is None else isinstance(result, ruling or ())
            if on_found == "refuse":
                assert isinstance(result, Refuse)
                assert result.reply.to_text() == "554 5.7.1 a virus was found in the message: Eicar-Signature"
            if on_found == "defer":
                assert isinstance(result, Refuse)
                assert result.reply.code == 451
            if on_found in ("hold", "tag"):
                assert b"X-Virus-Status: Infected (Eicar-Signature)\r\n" in whole(subject)
                assert b"X-Spam-Flag" not in whole(subject)
            assert subject.findings[-1].result == "found"
            assert "Eicar-Signature was found" in subject.findings[-1].reason

    asyncio.run(run())


@pytest.mark.parametrize(
    ("bounds", "ruling", "status"),
    [
        ("", None, "No, score=8"),
        ("tag = 8\n", None, "Yes, score=8 required=8 tests=GTUBE, R_ONE"),
        ("tag = 5\nhold = 7.5\n", Hold, "Yes, score=8 required=5"),
        ("refuse = 8\n", Refuse, ""),
        ("tag = 8.1\n", None, "No, score=8 required=8.1"),
    ],
)
def test_scores_are_weighed_and_added_up(bounds: str, ruling: type | None, status: str) -> None:
    async def run() -> None:
        sa = spamd(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 4.0 / 5.0\r\n\r\nGTUBE")
        rs = rspamd({"action": "no action", "score": 8.0, "symbols": {"R_ONE": {"score": 8.0}}})
        async with serving(sa) as one, serving(rs) as two:
            text = section("sa", "spamd", one) + section("rs", "rspamd", two, "weight = 0.5")
            text += "[filtering]\n" + bounds
            subject = arrival()
            result = await step(text).message(subject)
            assert isinstance(result, ruling) if ruling else result is None
            header = Header.from_bytes(whole(subject))
            if status:
                (field,) = header.all("X-Spam-Status")
                assert field.value.decode().replace("\t", " ").startswith(status)
                assert len(header.all("X-Spam-Flag")) == status.startswith("Yes")
            else:
                assert isinstance(result, Refuse)
                assert result.reply.to_text() == "554 5.7.1 the message was taken for spam"

    asyncio.run(run())


@pytest.mark.parametrize(("policy", "code"), [("accept", None), ("defer", 451), ("refuse", 554)])
def test_a_filter_that_is_down_does_what_the_policy_says(policy: str, code: int | None) -> None:
    async def run() -> None:
        dead = FakeServer(clamd(b""))
        dead.address = await closed_port()
        metrics = Metrics()
        for kind in ("clamd", "rspamd", "spamd", "milter"):
            subject = arrival()
            asked = step(section("it", kind, dead, f'on_failure = "{policy}"'), Meter(metrics=metrics))
            for _ in range(4):
                result = await asked.message(subject)
            assert (result.reply.code if isinstance(result, Refuse) else None) == code
            assert subject.findings[-1].result == "failed"
            assert "left alone after failures" in subject.findings[-1].reason
        assert dict(metrics.filter_requests.samples()) == {("it", "failed"): 16}
        assert dict(metrics.filter_breakers.samples()) == {("it",): 1}

    asyncio.run(run())


def test_what_was_held_before_is_scanned_again_when_it_is_released() -> None:
    async def run() -> None:
        for answer, ruling in ((b"stream: OK\0", None), (b"stream: New-Signature FOUND\0", Hold)):
            async with serving(clamd(answer)) as server:
                subject = arrival()
                result = await step(section("av", "clamd", server)).release(subject)
                assert isinstance(result, ruling) if ruling else result is None
                assert whole(subject) == MESSAGE

    asyncio.run(run())


def test_rspamd_s_edits_are_carried_out_and_cannot_forge() -> None:
    async def run() -> None:
        behave = rspamd(
            {
                "action": "rewrite subject", "score": 7, "subject": "[SPAM] test\r\nBcc: x@y",
                "milter": {"add_headers": {"X-Rspamd": "a\r\n\r\nEvil: b"}, "remove_headers": {"From": 0}},
            }
        )  # fmt: skip
        async with serving(behave) as server:
            subject = arrival()
            assert await step(section("rs", "rspamd", server)).message(subject) is None
            header = Header.from_bytes(whole(subject))
            assert [field.name for field in header] == [
                b"X-Spam-Flag", b"X-Spam-Score", b"X-Spam-Status", b"Subject", b"X-Rspamd",
            ]  # fmt: skip
            assert header.defect is None
            assert header.subject == "[SPAM] test\tBcc: x@y"
            assert whole(subject).endswith(b"\r\n\r\nbody\r\n")
            subject = arrival()
            await step(section("rs", "rspamd", server, "edits = false") + "[filtering]\nfields = false\n").message(
                subject
            )
            assert whole(subject) == b"From: a@b.example\r\nSubject: test\r\n\r\nbody\r\n"

    asyncio.run(run())


def mail(sender: ReversePath, **parameters: Any) -> MailFrom:
    """MAIL, without parameters unless they are given."""
    none = {"size": None, "body": None, "smtputf8": False, "ret": None, "envid": None, "requiretls": False}
    return MailFrom(sender, **none | parameters)  # type: ignore[arg-type]


def test_milters_hear_parameters_and_what_others_refuse() -> None:
    async def run() -> None:
        first = FakeMilter({"E": packet(b"2", b"<new@here.example>\0NOTIFY=NEVER\0") + packet(b"c")})
        second = FakeMilter(
            {"E": packet(b"2", b"<x@here.example>\0NOTIFY=WHENEVER\0") + packet(b"e", b"<o@s.example>\0RET=FULL\0")
             + packet(b"c")}, steps=ProtocolStep.RCPT_REJ
        )  # fmt: skip
        async with serving(first) as one, serving(second) as two:
            asked = step(section("one", "milter", one) + section("two", "milter", two))
            await asked.connect(CLIENT)
            sender = ReversePath.from_text("<anna@sender.example>")
            said = mail(sender, size=77, body=Body.EIGHT_BIT_MIME, smtputf8=True, ret=Ret.HDRS, envid="a b",
                        requiretls=True)  # fmt: skip
            asked.command_refused(CLIENT, "WHAT is this")
            await asked.transaction(CLIENT, said)
            assert first.letters() == second.letters() == "CHUM"
            assert first.told("U") == [b"WHAT is this\0"]
            words = b"SIZE=77\0BODY=8BITMIME\0SMTPUTF8\0RET=HDRS\0ENVID=a+20b\0REQUIRETLS\0"
            assert first.told("M") == [b"<anna@sender.example>\0" + words]
            await asked.recipient(
                CLIENT, sender, Recipient(ForwardPath.from_text("<bob@here.example>"), Notify.NEVER,
                                          OriginalRecipient("rfc822", "b+b@here.example"))
            )  # fmt: skip
            assert first.told("R") == [b"<bob@here.example>\0NOTIFY=NEVER\0ORCPT=rfc822;b+2Bb@here.example\0"]
            # One that the gateway refuses: only who asked for it is told, with the words of the refusal.
            gone = Recipient(ForwardPath.from_text("<gone@here.example>"))
            asked.recipient_refused(CLIENT, gone, Reply.of(550, "5.1.1", "no such mailbox"))
            # One that the first milter refuses: the second is told.
            first.answers["R"] = packet(b"y", b"550 5.7.1 not him\0")
            await asked.recipient(CLIENT, sender, Recipient(ForwardPath.from_text("<eve@here.example>")))
            del first.answers["R"]
            subject = arrival()
            assert await asked.message(subject) is None
            assert first.letters().startswith("CHUMRRT")
            assert [data.partition(b"\0")[0] for data in second.told("R")] == [
                b"<bob@here.example>", b"<gone@here.example>", b"<eve@here.example>"
            ]  # fmt: skip
            macros = b"R{rcpt_mailer}\0error\0{rcpt_host}\x005.1.1\0{rcpt_addr}\0no such mailbox\0"
            assert macros in second.told("D")
            assert {one.forward_path.mailbox.to_text(): one.notify for one in subject.recipients[-2:]} == {
                "new@here.example": Notify.NEVER, "x@here.example": None
            }  # fmt: skip
            assert subject.reverse_path == ReversePath.from_text("<o@s.example>")
            found = [one.reason.partition(":")[0] for one in subject.findings if one.result == "not done"]
            assert found == ["AddRecipient", "ChangeSender"]
            asked.left(CLIENT)

    asyncio.run(run())


def test_what_is_noted_for_milters_is_bounded_and_ends_with_its_message() -> None:
    async def run() -> None:
        fake = FakeMilter(steps=ProtocolStep.RCPT_REJ)
        async with serving(fake) as server:
            asked = step(section("it", "milter", server))
            await asked.connect(CLIENT)
            sender = ReversePath.from_text("<anna@sender.example>")
            gone = Recipient(ForwardPath.from_text("<gone@here.example>"))
            for _ in range(500):
                asked.command_refused(CLIENT, "WHAT")
            await asked.transaction(CLIENT, mail(sender))
            asked.recipient_refused(CLIENT, gone, Reply.of(550, "5.1.1", "no"))
            await asked.transaction(CLIENT, mail(sender))  # the first message did not end
            await asked.recipient(CLIENT, sender, Recipient(ForwardPath.from_text("<bob@here.example>")))
            assert len(fake.told("U")) == 50
            assert [data.partition(b"\0")[0] for data in fake.told("R")] == [b"<bob@here.example>"]
            asked.left(CLIENT)

    asyncio.run(run())


def test_milters_refuse_in_time_and_change_one_after_the_other() -> None:
    async def run() -> None:
        first = FakeMilter(
            {"E": packet(b"h", b"X-First\x001\0") + packet(b"-", b"<eve@here.example>\0") + packet(b"c")}
        )
        second = FakeMilter(
            {"E": packet(b"b", b"new body\r\n") + packet(b"e", b"<other@sender.example>\0")
             + packet(b"+", b"<new@here.example>\0") + packet(b"+", b"no address\0") + packet(b"a")}
        )  # fmt: skip
        async with serving(first) as one, serving(second) as two:
            asked = step(section("one", "milter", one) + section("two", "milter", two))
            assert asked.stages == Stage.CONNECT | Stage.MAIL | Stage.RECIPIENT | Stage.MESSAGE | Stage.RELEASE
            assert await asked.connect(CLIENT) is None
            sender = ReversePath.from_text("<anna@sender.example>")
            assert await asked.transaction(CLIENT, mail(sender)) is None
            first.answers["R"] = packet(b"y", b"550 5.1.1 nobody there\0")
            nobody = Recipient(ForwardPath.from_text("<nobody@here.example>"))
            reply = await asked.recipient(CLIENT, sender, nobody)
            assert reply == Reply.of(550, "5.1.1", "nobody there")
            del first.answers["R"]
            subject = arrival()
            for recipient in subject.recipients:
                assert await asked.recipient(CLIENT, sender, recipient) is None
            assert await asked.message(subject) is None
            assert whole(subject) == b"From: a@b.example\r\nSubject: test\r\nX-First: 1\r\n\r\nnew body\r\n"
            assert subject.reverse_path.to_text() == "<other@sender.example>"
            assert [one.forward_path.to_text() for one in subject.recipients] == [
                "<bob@here.example>", "<new@here.example>",
            ]  # fmt: skip
            assert b"X-First\x001\0" in [told.replace(b" ", b"") for told in second.told("L")]
            assert [one.result for one in subject.findings] == ["removed", "clean", "clean", "not done"]
            asked.left(CLIENT)
            while not (first.letters().endswith("Q") and second.letters().endswith("Q")):
                await asyncio.sleep(0)
            assert one.connections == two.connections == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("answer", "ruling"),
    [
        (packet(b"r"), Refuse),
        (packet(b"d"), Discard),
        (packet(b"q", b"look at it\0") + packet(b"c"), Hold),
        (packet(b"y", b"450 4.2.0 not now\0"), Refuse),
    ],
)
def test_a_milter_s_last_word_becomes_a_ruling(answer: bytes, ruling: type[Ruling]) -> None:
    async def run() -> None:
        async with serving(FakeMilter({"E": answer})) as server:
            result = await step(section("it", "milter", server)).message(arrival())
            assert isinstance(result, ruling)
            if isinstance(result, Hold):
                assert result.reason == "it: look at it"

    asyncio.run(run())


def test_a_client_refused_at_connect_or_mail_is_told_so() -> None:
    async def run() -> None:
        sender = ReversePath.from_text("<>")
        for letter in "CHM":
            async with serving(FakeMilter({letter: packet(b"r")})) as server:
                asked = step(section("it", "milter", server))
                reply = await asked.connect(CLIENT)
                assert (reply is not None) == (letter == "C")
                reply = reply or await asked.transaction(CLIENT, mail(sender))
                assert reply is not None
                assert reply.code == 554
                held = step(section("it", "milter", server, 'on_found = "hold"'))
                assert await held.connect(CLIENT) is None
                assert await held.transaction(CLIENT, mail(sender)) is None
                assert isinstance(await held.message(arrival()), Hold)
                for one in (asked, held):
                    one.left(CLIENT)

    asyncio.run(run())


def test_milters_that_take_too_long_together_fail_by_their_own_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.inbound.filtering._SECONDS", 0.2)

    async def run() -> None:
        async with serving(FakeMilter({"E": b"silence"})) as one, serving(FakeMilter()) as two:
            text = section("slow", "milter", one, 'on_failure = "accept"')
            text += section("late", "milter", two, 'on_failure = "refuse"')
            subject = arrival()
            result = await step(text).message(subject)
            assert isinstance(result, Refuse)
            assert result.reply.code == 554
            assert [one.result for one in subject.findings] == ["removed", "failed", "failed"]

    asyncio.run(run())


def test_a_large_message_keeps_its_body_in_the_file(tmp_path: Path) -> None:
    async def run() -> None:
        file = tmp_path / "large"
        body = b"0123456789abcdef\r\n" * 200_000
        file.write_bytes(MESSAGE.replace(b"body\r\n", body))
        heard: list[bytes] = []
        async with serving(clamd(b"stream: OK\0", heard)) as one, serving(FakeMilter()) as two:
            subject = arrival(file)
            text = section("av", "clamd", one) + section("it", "milter", two)
            assert await step(text).message(subject) is None
            assert not subject.content.in_memory
            expected = b"From: a@b.example\r\nSubject: test\r\n\r\n" + body
            assert heard == [expected]
            assert whole(subject) == expected
            assert subject.content.size == len(expected)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ('[[filter]]\nname = "A b"\nkind = "clamd"\naddress = ["/x"]', "no name"),
        ('[[filter]]\nname = "a"\nkind = "milter"\naddress = ["127.0.0.1"]', "no server"),
        ('[[filter]]\nname = "a"\nkind = "clamd"\naddress = ["unix:x"]', "no path of a socket"),
        ('[[filter]]\nname = "a"\nkind = "clamd"\naddress = []', "empty"),
        ('[[filter]]\nname = "a"\nkind = "clamd"\naddress = ["/x"]\n' * 2, "appears twice"),
        ("[filtering]\ntag = 5\nhold = 4", "not in order"),
        ('[filtering]\nremove = ["*"]', "no name of a field"),
    ],
)
def test_configuration_that_cannot_be_meant_is_refused(text: str, wrong: str) -> None:
    from danelaw.config import ConfigError

    with pytest.raises(ConfigError, match=wrong):
        config(text)
