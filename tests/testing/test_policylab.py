"""A lab is a gateway: what a client is told, what is stored, what follows from a try, and what scripts are answered."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tests.ends import Client, Sink, gateway, run, stuffed

from danelaw.dnsdata import DNSSECStatus
from danelaw.errors import DanelawError
from danelaw.testing import PolicyLab

MESSAGE = b"From: Anna <a@sender.test>\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nbody\r\n..dots\r\n"


def lab_of(tmp_path: Path, text: str, config: str | None = None) -> PolicyLab:
    folder = tmp_path / "policy"
    folder.mkdir(exist_ok=True)
    (folder / "inbound.py").write_text("from danelaw.policy import *\n" + textwrap.dedent(text))
    return PolicyLab(folder, config)


EVERY_STEP = """
@hook.connect
def place(ctx: ConnectContext):
    ctx.notes["from"] = ctx.client.address
    if ctx.client.within("203.0.113.0/24"):
        return Reject("not from there", 554, "5.7.1")

@hook.helo
def named(ctx: HeloContext):
    if ctx.client.helo == "localhost":
        return Reject("tell me your own name")

@hook.mail_from
async def sender(ctx: MailContext):
    if ctx.reverse_path.domain == "bad.test":
        return Defer("not today")

@hook.rcpt_to
def elsewhere(ctx: RecipientContext):
    if ctx.recipient.localpart == "old":
        return Reject("closed", 550, "5.1.1")
    if ctx.recipient.localpart == "sales":
        return Redirect(("anna@example.org", "bert@example.org"))
    if ctx.recipient.domain == "served.test":
        return Accept(relay=True)

@hook.end_of_data
def words(ctx: MessageContext):
    match ctx.mail.subject:
        case "no": return Reject("no", 554, "5.7.1")
        case "hold": return Hold("somebody must look")
        case "drop": return Discard("nobody wants it")
        case "copy":
            journal = Copy(("archive@example.org",), handling=Handling(job="journal"))
            return Queue((Copy(tuple(ctx.recipients)), journal))
    ctx.mail.set("Subject", "[external] " + ctx.mail.subject)
    ctx.tags.add("external")
"""


def test_every_step_has_its_say(tmp_path: Path) -> None:
    with lab_of(tmp_path, EVERY_STEP) as lab:
        assert lab.connect("203.0.113.7").greeting.code == 554
        client = lab.connect("192.0.2.1")
        assert client.ehlo("localhost").text == "tell me your own name"
        assert client.mail("a@sender.test").code == 503
        client.ehlo("mail.sender.test")
        assert client.mail("a@bad.test").code == 451
        assert client.mail("a@sender.test").code == 250
        assert client.rcpt("old@example.org").code == 550
        assert str(client.rcpt("x@elsewhere.test")).startswith("550 5.7.1 relaying denied")
        assert client.rcpt("x@served.test").code == 250
        assert client.rcpt("sales@example.org").code == 250
        fate = client.data(MESSAGE)
        assert fate.verdict == "accepted"
        assert fate.recipients == ("x@served.test", "anna@example.org", "bert@example.org")
        assert fate.mail.subject == "[external] hello"
        assert fate.message.octets.endswith(b"\r\n\r\nbody\r\n..dots\r\n")
        assert fate.notes == {"from": "192.0.2.1"}
        assert fate.tags == {"external"}
        assert fate.message.next_hops == ("served.test", "[10.0.0.5]:25")
        assert client.quit().code == 221
        with pytest.raises(AssertionError, match="closed"):
            client.ehlo()


@pytest.mark.parametrize(
    ("subject", "verdict", "code"),
    [("no", "rejected", 554), ("hold", "held", 250), ("drop", "discarded", 250), ("other", "accepted", 250)],
)
def test_a_fate_is_one_word(tmp_path: Path, subject: str, verdict: str, code: int) -> None:
    with lab_of(tmp_path, EVERY_STEP) as lab:
        fate = lab.send(f"Subject: {subject}\nFrom: a@sender.test\n\nbody\n")
        assert (fate.verdict, fate.reply.code) == (verdict, code)
        assert fate.held == ("words: somebody must look" if verdict == "held" else "")
        assert len(fate.messages) == (verdict in ("held", "accepted"))


def test_copies_keep_what_hooks_noted(tmp_path: Path) -> None:
    with lab_of(tmp_path, EVERY_STEP) as lab:
        fate = lab.send("Subject: copy\nFrom: a@sender.test\n\nbody\n")
        first, second = fate.messages
        assert (first.recipients, second.recipients) == (("b@example.org",), ("archive@example.org",))
        assert second.job == "journal"
        assert first.notes == second.notes == {"from": "192.0.2.1"}
        assert second.kept["policy"] == lab.policy.version


def test_the_same_dialogue_with_a_gateway_on_sockets_comes_to_the_same(tmp_path: Path) -> None:
    lines = [
        "EHLO localhost", "MAIL FROM:<a@sender.test>", "EHLO client.test", "NOOP", "MAIL FROM:<a@bad.test>", "XYZ",
        "MAIL FROM:<a@sender.test>", "RCPT TO:<old@example.org>", "RCPT TO:<sales@example.org>",
        "RCPT TO:<b@example.org>",
    ]  # fmt: skip

    async def play() -> tuple[list[tuple[int, str]], bytes]:
        async with Sink() as sink:
            config = f'[policy]\ndirectory = "{tmp_path / "policy"}"\n[delivery]\nnext_hop = "{sink.hop}"\n'
            async with gateway(tmp_path, config) as running:
                async with await Client.connect(running.address) as client:
                    told = [await client.answer(), *[await client.say(line) for line in lines]]
                    await client.expect(354, "DATA")
                    client.send(stuffed(MESSAGE) + b".\r\n")
                    told += [await client.answer(), await client.say("QUIT")]
                (got,) = await sink.messages(1)
                return [(one.code, one.lines[-1]) for one in told], got if isinstance(got, bytes) else got.data

    with lab_of(tmp_path, EVERY_STEP, lab_like_the_gateway()) as lab:
        told, got = run(play())
        client = lab.connect("127.0.0.1")
        said = [client.greeting, *[client.say(line) for line in lines]]
        fate = client.data(MESSAGE)
        said += [fate.reply, client.quit()]
        found = [(one.code, one.to_text()[4:]) for one in said]
        assert [code for code, _ in found] == [code for code, _ in told]
        for (code, mine), (_, theirs) in zip(found, told, strict=True):
            if code not in (220, 250):  # names, ids, lists of extensions
                assert mine == theirs
        assert fate.message.octets.partition(b"From: Anna")[2] == got.partition(b"From: Anna")[2]
        assert fate.recipients == ("anna@example.org", "bert@example.org", "b@example.org")


def lab_like_the_gateway() -> str:
    return """
hostname = "gw.test"
[[listen]]
address = "127.0.0.1:25"
[relay]
networks = ["127.0.0.0/8"]
"""


def test_who_speaks_and_how_is_up_to_the_test(tmp_path: Path) -> None:
    text = """
    @hook.auth
    def door(ctx: AuthContext):
        return Accept() if (ctx.user, ctx.password) == ("anna", "secret") else None

    @hook.end_of_data
    def who(ctx: MessageContext):
        client = ctx.client
        tls = client.tls.version if client.tls else "clear"
        ctx.notes["who"] = f"{client.user} {client.trusted} {tls} {client.extended}"
    """
    with lab_of(tmp_path, text) as lab:
        assert lab.send(MESSAGE).notes["who"] == " False clear True"
        assert lab.send(MESSAGE, address="10.1.2.3").notes["who"] == " True clear True"
        assert lab.send(MESSAGE, user="bert", tls=True, to="x@elsewhere.test").notes["who"] == "bert True TLSv1.3 True"
        client = lab.connect()
        client.ehlo()
        assert client.auth("anna", "wrong").code == 535
        assert client.auth("anna", "secret").code == 235
        assert (
            client.send(MESSAGE, sender="anna@example.org", to="x@elsewhere.test").notes["who"]
            == "anna True clear True"
        )
        client = lab.connect()
        client.helo("old.test")
        assert client.send(MESSAGE, sender="", to="b@example.org").notes["who"] == " False clear False"


def test_who_sent_it_is_found_out_by_signed_and_unsigned_dns(tmp_path: Path) -> None:
    text = """
    @hook.end_of_data
    async def look(ctx: MessageContext):
        ctx.notes["spf"], ctx.notes["dmarc"] = ctx.origin.spf, ctx.origin.dmarc
        try:
            ctx.notes["mx"] = (await ctx.library.dns.lookup(ctx.reverse_path.domain, "MX")).status
        except LibraryError as error:
            ctx.notes["mx"] = error.reason
    """
    with lab_of(tmp_path, text) as lab:
        lab.dns.add(
            'sender.test. MX 10 mx.sender.test.\\nsender.test. TXT "v=spf1 ip4:192.0.2.1 -all"'.replace("\\n", "\n")
        )
        lab.dns.add('_dmarc.sender.test. TXT "v=DMARC1; p=none"')
        lab.dns.add("plain.test. MX 10 mx.plain.test.", DNSSECStatus.INSECURE)
        lab.dns.fail("bogus.test", DNSSECStatus.BOGUS)
        assert lab.send(MESSAGE).notes == {"spf": "pass", "dmarc": "pass", "mx": "secure"}
        assert lab.send(MESSAGE, address="192.0.2.2").notes["dmarc"] == "fail"
        assert lab.send(MESSAGE, sender="a@plain.test").notes["mx"] == "insecure"
        assert "bogus" in lab.send(MESSAGE, sender="a@bogus.test").notes["mx"].lower()


def test_what_the_library_answers_is_written_down_and_what_is_not_is_missing(tmp_path: Path) -> None:
    text = """
    @hook.end_of_data
    async def ask(ctx: MessageContext):
        key = ctx.library.secrets.get("api")
        answer = await ctx.library.http.get("https://api.example.org/v1", query={"ip": ctx.client.address})
        ctx.notes["score"] = answer.json()["score"]
        ctx.library.log.event("asked", key=len(key))
        ctx.library.measures.count("asked")
        await ctx.library.state.counter("seen").add(ctx.client.address, expires=60)
        if answer.json()["score"] > 5:
            try:
                await ctx.library.http.get("https://nobody.example.org/")
            except LibraryError:
                pass
    """
    with lab_of(tmp_path, text) as lab:
        lab.secrets["api"] = "s3cret"
        lab.http["https://api.example.org/v1?ip=192.0.2.1"] = {"score": 3}
        assert lab.send(MESSAGE).notes["score"] == 3
        assert lab.log == [("event", "asked", {"key": 6})]
        assert lab.counters == {"asked": 1.0}
        assert lab.missing == []
        count = lab.library.state.counter("seen")
        assert lab.run(count.get("192.0.2.1")) == 1
        lab.clock.advance(61)
        assert lab.run(count.get("192.0.2.1")) == 0
        lab.http["https://api.example.org/v1?ip=192.0.2.1"] = {"score": 7}  # later answers are heard, too
        lab.send(MESSAGE)
        assert [one.partition("//")[2] for one in lab.missing] == ["nobody.example.org/"]
        assert [call.name for call in lab.asked("ask")[0].calls][:2] == ["secrets.get", "http.get"]


def test_a_hook_that_fails_defers_and_is_among_the_failures(tmp_path: Path) -> None:
    with lab_of(tmp_path, "@hook.end_of_data\ndef broken(ctx: MessageContext):\n    return 1 / 0\n") as lab:
        fate = lab.send(MESSAGE)
        assert fate.verdict == "deferred"
        assert [one.reason for one in lab.failures] == ["inbound.py:4: ZeroDivisionError: division by zero"]
        for _ in range(10):
            lab.send(MESSAGE)
        assert lab.send(MESSAGE).calls[0].outcome == "resting"
        lab.clock.advance(31)
        assert lab.send(MESSAGE).calls[0].outcome == "failed"


def test_findings_of_other_steps_and_rules_of_the_configuration_are_there(tmp_path: Path) -> None:
    text = """
    @hook.end_of_data
    def infected(ctx: MessageContext):
        if any(one.result == "infected" for one in ctx.found("clamav")):
            return Reject("infected", 554, "5.7.1")
        ctx.notes["tags"] = sorted(ctx.tags)
    """
    with lab_of(tmp_path, text) as lab:
        lab.configure(
            lab_like_the_gateway() + '[[domain]]\nname = "example.org"\n[[rule]]\nname = "images"\n'
            'when = { attachment = ["*.iso"] }\naction = "hold"\n'
            '[[rule]]\nname = "mark"\naction = "none"\ntag = ["seen"]\n'
        )
        assert lab.send(MESSAGE).notes["tags"] == ["seen"]
        with_image = (
            'Subject: x\nFrom: a@sender.test\nContent-Type: x/y; name="a.iso"\nContent-Disposition: attachment\n\nx\n'
        )
        assert lab.send(with_image).held == "rules_message: rule images"
        lab.finds("clamav", "infected", "Eicar")
        assert lab.send(MESSAGE).verdict == "rejected"
        lab.finds_nothing()
        assert lab.send(MESSAGE).verdict == "accepted"
        with pytest.raises(AssertionError, match="before anybody connects"):
            lab.configure(lab_like_the_gateway())


def test_deliveries_follow_hooks_and_what_next_hops_say(tmp_path: Path) -> None:
    text = """
    @hook.pre_delivery
    def way(ctx: DeliveryContext):
        who = ctx.recipients[0].address.localpart
        if who == "relay" and ctx.next_hop != "[relay.test]:2525":
            return Route(next_hop="[relay.test]:2525")
        if who == "own":
            return Route(helo="out.example.org", local_address="192.0.2.9", demand="encrypted")
        if who == "box":
            return Carry(Maildir("/var/mail/{user}"))
        if who == "no":
            return Reject("not there", 550, "5.7.1")
        if who == "later":
            return Defer("not before noon", seconds=3600)

    @hook.post_delivery
    def after(ctx: AttemptContext):
        ctx.notes["tries"] = ctx.recipients[0].tries + 1
        if "greylist" in ctx.results[0].reply:
            return Amend(retry_in=90)
        if "full" in ctx.results[0].reply:
            return Amend(fail=True, text="ask them to make room")
    """
    with lab_of(tmp_path, text) as lab:
        lab.hop("[10.0.0.5]:25", "451 4.7.1 greylisted, come again", "452 4.2.2 mailbox full")
        fate = lab.send(MESSAGE)
        tried = lab.deliver(fate)
        assert (tried.outcome, tried.end.again_in, tried.end.tries) == ("waiting", 90.0, 1)
        assert fate.notes["tries"] == 1
        tried = lab.deliver(fate)
        assert (tried.outcome, tried.end.notice) == ("returned", "ask them to make room")
        tried = lab.deliver(lab.send(MESSAGE, to="relay@example.org"))
        assert (tried.outcome, tried.moved_to, tried.next_hop) == (
            "delivered",
            ("[relay.test]:2525",),
            "[relay.test]:2525",
        )
        lab.hop("[10.0.0.5]:25", {"two@example.org": "550 5.1.1 nobody here"})
        tried = lab.deliver(lab.send(MESSAGE, to=["one@example.org", "two@example.org"]))
        assert {who: end.outcome for who, end in tried.ends.items()} == {
            "one@example.org": "delivered", "two@example.org": "returned",
        }  # fmt: skip
        lab.hop("[10.0.0.5]:25", "no route to host")
        assert lab.deliver(lab.send(MESSAGE)).end.reason == "no route to host"
        assert lab.deliver(lab.send(MESSAGE, to="no@example.org")).outcome == "returned"
        assert lab.deliver(lab.send(MESSAGE, to="later@example.org")).end.again_in == 3600
        assert lab.deliver(lab.send(MESSAGE, to="box@example.org")).outcome == "delivered"
        assert lab.carried[0][2].endswith(MESSAGE.partition(b"\r\n\r\n")[2])


def test_timers_reports_and_disconnects_are_asked(tmp_path: Path) -> None:
    text = """
    @hook.disconnect
    def gone(ctx: DisconnectContext):
        ctx.library.log.event("gone", messages=ctx.messages)

    @hook.report
    def heard(ctx: ReportContext):
        ctx.library.log.event(ctx.kind, who=ctx.reporter, address=str(ctx.facts["address"]))

    @hook.timer(every=60)
    async def tick(ctx: TimerContext):
        ctx.library.log.event("tick", at=ctx.now)
    """
    with lab_of(tmp_path, text) as lab:
        lab.send(MESSAGE)
        lab.report("arf", "isp.test", address="b@example.org")
        lab.timer("tick")
        assert [line[1] for line in lab.log] == ["gone", "arf", "tick"]
        assert lab.log[0][2] == {"messages": 1}
        with pytest.raises(AssertionError, match="no timer hook"):
            lab.timer("tock")


def test_large_mail_and_endless_loops(tmp_path: Path) -> None:
    text = """
    @hook.end_of_data
    def spin(ctx: MessageContext):
        ctx.notes["size"] = ctx.size
        while ctx.mail.subject == "loop":
            pass
    """
    with lab_of(tmp_path, text) as lab:
        large = b"Subject: x\nFrom: a@sender.test\n\n" + b"x" * 70 * 1024 + b"\n" + (b"y" * 70 + b"\n") * 20_000
        assert lab.send(large.replace(b"x" * 70 * 1024, b"x" * 500)).notes["size"] > 1_400_000
        assert lab.send("Subject: loop\nFrom: a@sender.test\n\nx\n").verdict == "deferred"
        assert "without waiting" in lab.failures[0].reason


def test_mistakes_of_a_test_are_named(tmp_path: Path) -> None:
    with lab_of(tmp_path, EVERY_STEP) as lab:
        (tmp_path / "policy" / "tests").mkdir()
        (tmp_path / "policy" / "tests" / "mail.eml").write_bytes(MESSAGE)
        assert lab.message("mail.eml") == MESSAGE
        with pytest.raises(FileNotFoundError, match="neither in"):
            lab.message("other.eml")
        with pytest.raises(AssertionError, match="there is no listener"):
            lab.connect(listener="127.0.0.1:587")
        with pytest.raises(AssertionError, match=r"nothing was stored: rejected, 554 5\.7\.1 no"):
            assert lab.send("Subject: no\nFrom: a@sender.test\n\nx\n").mail
    with pytest.raises(DanelawError):
        PolicyLab(tmp_path / "policy", "hostname = 1")
    with pytest.raises(DanelawError, match="is no directory"):
        PolicyLab(tmp_path / "nowhere")
