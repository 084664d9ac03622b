"""Users log in over real sockets inside TLS, and send; strangers at the same port do not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import Answer, Client, Running, Sink, certificate, certificate_section, gateway, lenient, run, until
from tests.filters.fake_engines import FakeMilter, FakeServer, serving

from danelaw.cli import danelaw
from danelaw.inbound.arrival import Client as SeenClient
from danelaw.inbound.attempt import Admit, Attempt
from danelaw.inbound.steps import Stage, Step, Steps
from danelaw.queue import Filter
from danelaw.sasl import SCRAMKeys, ScryptKey, User, plain_response
from danelaw.smtp import Reply
from danelaw.spool.view import waiting_page

MAIL = b"From: anna@example.org\r\nSubject: x\r\n\r\nhello\r\n"
PASSWORD = "correct horse"


def users(directory: Path, *more: User) -> str:
    """Write the file of users; gives the listener's port 587 settings and `[submission]` around it."""
    anna = User("anna@example.org", ScryptKey.of(PASSWORD, b"0123456789abcdef", log_n=4, p=1))
    bert = User("bert", SCRAMKeys.of(PASSWORD, b"fedcba9876543210", iterations=4096), ("@example.net",))
    text = "".join(user.to_text() + "\n" for user in (anna, bert, *more))
    (directory / "users").write_text(text)
    return f'[submission]\nusers = "{directory}/users"\n'


def sections(directory: Path, submission: str = "", more: str = "") -> str:
    certificate(directory, "gw.test")
    patience = "" if "failure_delay" in submission else 'failure_delay = "0s"\n'
    return certificate_section(directory) + users(directory) + patience + submission + more


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


async def plain(client: Client, user: str = "anna@example.org", password: str = PASSWORD) -> Answer:
    return await client.say(f"AUTH PLAIN {b64(plain_response(user, password))}")


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_a_user_logs_in_and_relays(tmp_path: Path, tls: str) -> None:
    listen = f'tls = "{tls}"\nauth = "required"'

    async def play() -> None:
        async with Sink() as sink:
            config = sections(tmp_path, more=sink.smarthost)
            options = {"context": lenient(), "name": "gw.test"} if tls == "implicit" else {}
            async with (
                gateway(tmp_path, config, listen=listen, replace={'"127.0.0.0/8"': '"10.0.0.0/8"'}) as running,
                await running.client(**options) as client,
            ):
                if tls == "starttls":
                    assert not any("AUTH" in line for line in (await client.expect(250, "EHLO c.test")).lines)
                    await client.expect(538, "AUTH PLAIN")
                    await client.expect(530, "MAIL FROM:<anna@example.org>")
                    await client.start_tls()
                assert "AUTH PLAIN LOGIN" in (await client.expect(250, "EHLO c.test")).lines
                await client.expect(530, "MAIL FROM:<anna@example.org>")
                assert (await plain(client)).code == 235
                await client.expect(503, "AUTH PLAIN")
                ident = await client.message(MAIL, "someone@elsewhere.test", mail=" AUTH=<>")
                taken = (await sink.messages())[0]
                assert b" with ESMTPSA " in taken.data
                assert taken.data.count(b"\r\nDate: ") == 1
                assert f"\r\nMessage-ID: <{ident}@gw.test>\r\n".encode() in taken.data
                assert "user=anna@example.org mechanism=PLAIN" in running.lines("login")[0]
                assert "user=anna@example.org" in running.lines("received")[0]
                shown = running.look(ident)
                assert shown["client"]["user"] == "anna@example.org"
                assert PASSWORD.split()[0] not in "".join(running.log.lines)

    run(play())


REQUIRED = 'auth = "required"'
OUTSIDE = {'"127.0.0.0/8"': '"10.0.0.0/8"'}


class Door(Step):
    """A step that decides who may log in, and remembers what it was asked."""

    name = "door"
    stages = Stage.AUTH | Stage.CONNECT | Stage.MAIL

    def __init__(self, word: Admit | Reply | Exception | None = None, *, for_users: bool = True) -> None:
        self.word = word
        self.for_users = for_users
        self.attempts: list[Attempt] = []
        self.seen: list[str] = []

    async def auth(self, client: SeenClient, attempt: Attempt) -> Admit | Reply | None:
        self.attempts.append(attempt)
        if isinstance(self.word, Exception):
            raise self.word
        return self.word

    async def connect(self, client: SeenClient) -> Reply | None:
        self.seen.append("connect")
        return None

    async def mail(self, client: SeenClient, reverse_path: object) -> Reply | None:
        self.seen.append(f"mail {client.user} {client.trusted}")
        return None


def play(directory: Path, work: Callable[[Running, Client], Awaitable[None]], *, submission: str = "", more: str = "",
         listen: str = REQUIRED, step: Step | None = None) -> None:  # fmt: skip
    """Run `work` with a client inside TLS that has not logged in."""

    async def played() -> None:
        config = sections(directory, submission, more)
        async with gateway(directory, config, listen=listen, replace=OUTSIDE) as running:
            if step is not None:
                intake = running.gateway.parts.intake
                intake.steps = Steps([*intake.steps.all, step])
            async with await running.client() as client:
                await client.start_tls()
                await client.expect(250, "EHLO c.test")
                await work(running, client)

    run(played())


def logins(running: Running, mechanism: str, result: str) -> float:
    return running.gateway.metrics.inbound_logins.cell(mechanism, result).value


async def scram(client: Client, user: str, password: str, mechanism: str = "SCRAM-SHA-256") -> Answer:
    """A client's side of SCRAM, written from RFC 5802 §3 apart from the code under test."""
    bare = f"n={user},r=fyko+d2lbbFgONRv9qkxdawL"
    answer = await client.expect(334, f"AUTH {mechanism} {b64(b'n,,' + bare.encode())}")
    first = base64.b64decode(answer.text).decode()
    fields = dict(part.split("=", 1) for part in first.split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
    key = hmac.digest(salted, b"Client Key", "sha256")
    without = f"c=biws,r={fields['r']}"
    said = f"{bare},{first},{without}".encode()
    signature = hmac.digest(hashlib.sha256(key).digest(), said, "sha256")
    proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
    answer = await client.say(b64(f"{without},p={b64(proof)}".encode()))
    if answer.code != 334:
        return answer
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    assert base64.b64decode(answer.text) == b"v=" + b64(hmac.digest(server_key, said, "sha256")).encode()
    return await client.say("")


def test_every_mechanism_lets_in_and_keeps_out(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        assert (await plain(client, password="wrong")).code == 535
        assert (await scram(client, "bert", "wrong")).code == 535
        assert (await scram(client, "bert", PASSWORD)).code == 235
        for user, password, code in (("anna@example.org", PASSWORD, 235), ("bert", "wrong", 535)):
            async with await running.client() as other:
                await other.start_tls()
                await other.expect(250, "EHLO c.test")
                await other.expect(334, "AUTH LOGIN")
                await other.expect(334, b64(user.encode()))
                await other.expect(code, b64(password.encode()))
        assert logins(running, "plain", "failed") == logins(running, "login", "passed") == 1
        assert logins(running, "scram-sha-256", "passed") == logins(running, "scram-sha-256", "failed") == 1

    play(tmp_path, work, submission='mechanisms = ["PLAIN", "LOGIN", "SCRAM-SHA-256"]\n')


def test_users_may_ask_for_protection_and_strangers_may_not(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        asks = MAIL.replace(b"Subject: x", b"Danelaw-Require: dame")
        number = await client.message(asks, "b@ours.test")
        assert [one["demand"] for one in running.look(number)["recipients"]] == [""]
        await client.expect(250, "MAIL FROM:<anna@example.org>")
        await client.expect(550, "RCPT TO:<b@elsewhere.test.dane.tls.ours.example>")
        await client.expect(250, "RSET")
        assert (await plain(client)).code == 235
        assert (await client.offer(asks, "b@elsewhere.test")).code == 554
        number = await client.message(MAIL, "b@elsewhere.test.dane.tls.ours.example")
        assert [(one["to"], one["demand"]) for one in running.look(number)["recipients"]] == [
            ("b@elsewhere.test", "dane")
        ]

    more = '[[domain]]\nname = "ours.test"\n[demand]\ntag_domain = "tls.ours.example"\n'
    play(tmp_path, work, more=more, listen='auth = "optional"')


def test_a_password_user_and_an_unknown_one_get_the_same_answers(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        known, unknown = await plain(client, password="wrong"), await plain(client, "nobody", "wrong")
        assert known == unknown
        assert known.code == 535
        async with await running.client() as other:
            await other.start_tls()
            await other.expect(250, "EHLO c.test")
            assert await scram(other, "nobody", "wrong") == known
            assert await scram(other, "anna@example.org", PASSWORD) == known

    play(tmp_path, work, submission='mechanisms = ["PLAIN", "SCRAM-SHA-256"]\n')


def test_three_failures_end_the_connection(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        for _ in range(3):
            assert (await plain(client, password="wrong")).code == 535
        assert (await client.answer()).code == 421
        await client.closed()
        assert len(running.lines("login-refused")) == 3
        assert "wrong" not in "".join(running.log.lines)

    play(tmp_path, work)


def test_a_client_that_guesses_is_locked_out(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        for _ in range(2):
            assert (await plain(client, password="wrong")).code == 535
        assert (await plain(client)).code == 454
        assert logins(running, "plain", "locked-out") == 1
        assert running.lines("ceiling")

    play(tmp_path, work, submission='client_failures = "4/h"\n')


def test_guesses_that_are_still_checked_when_the_door_is_shut_stay_outside(tmp_path: Path) -> None:
    door, shut = Door(), asyncio.Event()

    async def late(client: SeenClient, attempt: Attempt) -> Admit:
        door.attempts.append(attempt)
        await shut.wait()
        return Admit()

    door.auth = late  # type: ignore[method-assign]

    async def work(running: Running, client: Client) -> None:
        client.send(f"AUTH PLAIN {b64(plain_response('anna@example.org', PASSWORD))}\r\n".encode())
        await until(lambda: door.attempts, "the attempt")
        logins = running.gateway.parts.intake.logins
        assert logins is not None
        while logins.lockouts.refusal("127.0.0.1", "anna@example.org") is None:
            logins.lockouts.failed("127.0.0.1", "anna@example.org")
        shut.set()
        assert (await client.answer()).code == 454
        await client.expect(530, "MAIL FROM:<anna@example.org>")

    play(tmp_path, work, step=door)


def test_users_may_send_as_themselves_only(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        await plain(client)
        await client.expect(550, "MAIL FROM:<boss@example.org>")
        await client.expect(250, "MAIL FROM:<Anna@EXAMPLE.org>")
        await client.expect(250, "RSET")
        await client.expect(250, "MAIL FROM:<>")
        assert "step=submission" in running.lines("refused")[0]

    play(tmp_path, work, submission='sender = "own"\n')


@pytest.mark.parametrize(
    ("author", "code"),
    [
        (b"From: Anna <anna@example.org>\r\n", 250),
        (b"From: anna@example.org, boss@example.org\r\n", 550),
        (b"From: boss@example.org\r\n", 550),
        (b"From: anna@example.org\r\nFrom: boss@example.org\r\n", 550),
        (b"From: undisclosed:;\r\n", 550),
        (b"", 550),
    ],
)
def test_users_may_write_as_themselves_only(tmp_path: Path, author: bytes, code: int) -> None:
    async def work(running: Running, client: Client) -> None:
        await plain(client)
        answer = await client.offer(author + b"Subject: x\r\n\r\nx\r\n", "b@elsewhere.test", sender="anna@example.org")
        assert answer.code == code

    play(tmp_path, work, submission='sender = "own-author"\n')


def test_the_command_that_sends_can_log_in(tmp_path: Path) -> None:
    (tmp_path / "password").write_text(f"{PASSWORD}\n")
    words = ["send", "--from", "anna@example.org", "--to", "b@elsewhere.test", "--starttls", "--json"]
    words += ["--user", "anna@example.org", "--password-file", str(tmp_path / "password")]

    async def work(running: Running, client: Client) -> None:
        words.extend(["--server", f"127.0.0.1:{running.address[1]}"])
        done = await asyncio.to_thread(CliRunner().invoke, danelaw, words)
        assert done.exit_code == 0, done.output
        assert "user=anna@example.org" in running.lines("received")[0]

    play(tmp_path, work)


def test_a_user_that_sends_too_much_is_put_off_and_others_are_not(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        await plain(client)
        for _ in range(2):
            await client.expect(250, "MAIL FROM:<anna@example.org>")
            for number in range(2):
                await client.expect(250, f"RCPT TO:<b{number}@elsewhere.test>")
            await client.expect(250, "RSET")
        assert (await client.say("MAIL FROM:<anna@example.org>")).text.startswith("4.7.1")
        assert "messages of a user" in running.lines("ceiling")[0]
        async with await running.client() as other:
            await other.start_tls()
            await other.expect(250, "EHLO c.test")
            await plain(other, "bert")
            await other.expect(250, "MAIL FROM:<bert@example.net>")
            for number in range(4):
                await other.expect(250, f"RCPT TO:<b{number}@elsewhere.test>")
            assert (await other.expect(452, "RCPT TO:<b4@elsewhere.test>")).text.startswith("4.7.1")

    play(tmp_path, work, submission="messages_per_hour = 8\nrecipients_per_hour = 16\n")


def test_where_auth_is_optional_strangers_reach_our_domains_and_users_anybody(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        await client.expect(250, "MAIL FROM:<x@sender.test>")
        await client.expect(550, "RCPT TO:<someone@elsewhere.test>")
        await client.expect(250, "RCPT TO:<anna@example.org>")
        await client.expect(250, "RSET")
        await plain(client)
        await client.expect(250, "MAIL FROM:<anna@example.org>")
        await client.expect(250, "RCPT TO:<someone@elsewhere.test>")

    play(tmp_path, work, listen='auth = "optional"', more='[[domain]]\nname = "example.org"\n')


def test_without_auth_the_command_is_unknown(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        await client.expect(500, "AUTH PLAIN")

    play(tmp_path, work, listen='auth = "off"')


@pytest.mark.parametrize(
    ("word", "code", "user"),
    [
        (None, 535, ""),
        (Admit(), 235, "carl"),
        (Admit("carl@example.org"), 235, "carl@example.org"),
        (Reply.of(535, "5.7.8", "this account is closed"), 535, ""),
        (Reply.of(454, "4.7.0", "ask me later"), 454, ""),
        (RuntimeError("a fault"), 454, ""),
    ],
)
def test_a_step_decides_who_may_log_in(
    tmp_path: Path, word: Admit | Reply | Exception | None, code: int, user: str
) -> None:
    door = Door(word)

    async def work(running: Running, client: Client) -> None:
        answer = await plain(client, "carl", "anything")
        assert answer.code == code
        if isinstance(word, Reply):
            assert answer.text == word.to_text()[4:]
        (attempt,) = door.attempts
        assert (attempt.mechanism, attempt.user, attempt.proved) == ("PLAIN", "carl", False)
        assert attempt.password is not None
        assert attempt.password.text == "anything"
        assert bool(running.lines("step-failed")) is isinstance(word, Exception)
        if user:
            await client.expect(250, "MAIL FROM:<x@y.test>")
            assert door.seen == ["connect", f"mail {user} True"]

    play(tmp_path, work, step=door)


def test_a_step_can_stop_a_user_that_has_proved_itself(tmp_path: Path) -> None:
    door = Door(Reply.of(535, "5.7.8", "this account is closed"))

    async def work(running: Running, client: Client) -> None:
        assert (await scram(client, "bert", "wrong")).code == 535
        assert not door.attempts
        assert "closed" in (await scram(client, "bert", PASSWORD)).text
        assert door.attempts == [Attempt("SCRAM-SHA-256", "bert", None, proved=True)]

    play(tmp_path, work, submission='mechanisms = ["SCRAM-SHA-256"]\n', step=door)


def test_steps_about_strangers_are_not_asked_where_only_users_send(tmp_path: Path) -> None:
    door = Door(for_users=False)

    async def work(running: Running, client: Client) -> None:
        await plain(client)
        await client.expect(250, "MAIL FROM:<anna@example.org>")
        assert door.seen == []
        assert len(door.attempts) == 1

    play(tmp_path, work, step=door)


def test_a_date_and_message_id_that_are_there_stay(tmp_path: Path) -> None:
    async def played() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path, sections(tmp_path, more=sink.smarthost), listen=REQUIRED) as running,
        ):
            async with await running.client() as client:
                await client.start_tls()
                await client.expect(250, "EHLO c.test")
                await plain(client)
                mail = b"Date: Thu, 26 Nov 2026 01:00:00 +0000\r\nmessage-ID : <own@c.test>\r\n" + MAIL
                await client.message(mail, "someone@elsewhere.test")
            (taken,) = await sink.messages()
            assert taken.content == mail

    run(played())


def test_a_new_user_can_log_in_without_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.inbound.userbook._LOOK_SECONDS", 0.0)

    async def work(running: Running, client: Client) -> None:
        assert (await plain(client, "carl")).code == 535
        users(tmp_path, User("carl", ScryptKey.of(PASSWORD, b"0123456789abcdef", log_n=4, p=1)))
        assert (await plain(client, "carl")).code == 235

    play(tmp_path, work)


def test_a_user_may_be_a_tenant_and_its_mail_is_found_by_its_name(tmp_path: Path) -> None:
    async def work(running: Running, client: Client) -> None:
        await plain(client)
        ident = await client.message(MAIL, "someone@elsewhere.test")
        assert running.look(ident)["recipients"][0]["tenant"] == "shop"
        page = waiting_page(running.gateway.parts.spool.reader, Filter.from_text("user:ANNA@*"), 0.0, 0, 10)
        assert [message.id_text for message in page.messages] == [ident]
        page = waiting_page(running.gateway.parts.spool.reader, Filter.from_text("user:bert"), 0.0, 0, 10)
        assert not page.messages

    more = '[[tenant]]\nname = "shop"\nusers = ["@example.org"]\n[delivery]\nnext_hop = "[127.0.0.1]:9"\n'
    play(tmp_path, work, more=more)


def test_a_program_on_this_machine_may_log_in_without_tls(tmp_path: Path) -> None:
    async def played() -> None:
        listen = 'tls = "none"\nauth = "required"\nauth_without_tls = true'
        async with (
            gateway(tmp_path, users(tmp_path), listen=listen, replace=OUTSIDE) as running,
            await running.client() as client,
        ):
            assert (await plain(client)).code == 235
            await client.expect(250, "MAIL FROM:<anna@example.org>")

    run(played())


def test_a_login_outside_tls_is_forgotten_inside(tmp_path: Path) -> None:
    async def played() -> None:
        listen = 'auth = "required"\nauth_without_tls = true'
        async with (
            gateway(tmp_path, sections(tmp_path), listen=listen, replace=OUTSIDE) as running,
            await running.client() as client,
        ):
            assert (await plain(client)).code == 235
            await client.start_tls()
            await client.expect(250, "EHLO c.test")
            await client.expect(530, "MAIL FROM:<anna@example.org>")
            assert (await plain(client)).code == 235
            await client.expect(250, "MAIL FROM:<anna@example.org>")

    run(played())


def test_a_client_that_leaves_while_its_password_is_checked_leaves_nothing_behind(tmp_path: Path) -> None:
    door = Door()

    async def never(client: SeenClient, attempt: Attempt) -> None:
        door.attempts.append(attempt)
        await asyncio.Event().wait()

    door.auth = never  # type: ignore[method-assign, assignment]

    async def work(running: Running, client: Client) -> None:
        client.send(f"AUTH PLAIN {b64(plain_response('anna@example.org', PASSWORD))}\r\n".encode())
        await until(lambda: door.attempts, "the attempt")
        client.writer.transport.abort()
        await until(lambda: not running.gateway.parts.intake.sessions, "the end of the session")
        # It has cost as much as one that waits for its answer.
        lockouts = running.gateway.parts.intake.logins.lockouts
        assert lockouts.failed("127.0.0.1", "") == 2 * lockouts.delay > 0

    play(tmp_path, work, step=door, submission='failure_delay = "1s"\n')


@pytest.mark.parametrize(("auth", "strangers"), [("optional", "CQ"), ("required", "")])
def test_milters_of_users_are_told_who_logged_in_and_those_of_strangers_that_it_has_gone(
    tmp_path: Path, auth: str, strangers: str
) -> None:
    def section(name: str, server: FakeServer) -> str:
        clients = "strangers" if name == "strangers" else "trusted"
        return f'[[filter]]\nname = "{name}"\nkind = "milter"\naddress = ["{server.address}"]\nclients = "{clients}"\n'

    async def played() -> None:
        for_strangers, for_users = FakeMilter(), FakeMilter()
        async with serving(for_strangers) as one, serving(for_users) as other:
            config = sections(tmp_path, more=section("strangers", one) + section("users", other))
            async with (
                gateway(tmp_path, config, listen=f'auth = "{auth}"', replace=OUTSIDE) as running,
                await running.client() as client,
            ):
                await client.start_tls()
                await client.expect(250, "EHLO c.test")
                assert (await plain(client)).code == 235
                await client.expect(250, "MAIL FROM:<anna@example.org>")
                assert for_users.letters() == "CHM"
                assert any(b"{auth_authen}\0anna@example.org\0" in macros for macros in for_users.told("D"))
                await until(lambda: for_strangers.letters() == strangers, "the end of the strangers' milter")

    run(played())


def test_a_users_address_can_stay_out_of_the_trace(tmp_path: Path) -> None:
    async def played() -> None:
        async with Sink() as sink:
            config = sections(tmp_path, "hide_client = true\n", more=sink.smarthost)
            async with gateway(tmp_path, config, listen=REQUIRED) as running, await running.client() as client:
                await client.start_tls()
                await client.expect(250, "EHLO private.home.test")
                await plain(client)
                ident = await client.message(MAIL, "someone@elsewhere.test")
                (taken,) = await sink.messages()
                assert taken.data.startswith(b"Received: from gw.test ([unknown])\r\n\tby gw.test with ESMTPSA ")
                assert b"private.home.test" not in taken.data
                assert running.look(ident)["client"]["helo"] == "private.home.test"

    run(played())


@pytest.mark.parametrize("how", ["closes its side", "is told 421"])
def test_a_login_under_way_holds_up_neither_the_line_nor_a_shutdown(tmp_path: Path, how: str) -> None:
    door = Door()

    async def never(client: SeenClient, attempt: Attempt) -> None:
        door.attempts.append(attempt)
        await asyncio.Event().wait()

    door.auth = never  # type: ignore[method-assign, assignment]

    async def played() -> None:
        listen = 'tls = "none"\nauth = "required"\nauth_without_tls = true'
        async with (
            gateway(tmp_path, users(tmp_path), listen=listen, replace=OUTSIDE) as running,
            await running.client() as client,
        ):
            intake = running.gateway.parts.intake
            intake.steps = Steps([*intake.steps.all, door])
            client.send(f"AUTH PLAIN {b64(plain_response('anna@example.org', PASSWORD))}\r\n".encode())
            await until(lambda: door.attempts, "the attempt")
            (session,) = intake.sessions
            if how == "is told 421":
                assert session.shut_down()
                await client.expect(421)
            client.writer.write_eof()
            await client.closed()
            await until(lambda: not intake.sessions, "the end of the session")
            assert session.asking is None or session.asking.cancelled()

    run(played())
