"""Recipes for mail of our own, each over real sockets."""

from __future__ import annotations

import base64
from pathlib import Path

from tests.ends import Client, Sink, gateway, run, until
from tests.feedback.feedback_samples import ARF, DSN
from tests.recipes.kitchen import exchanged, mail, recipe

from danelaw.config import load
from danelaw.feedback import VERP

USERS = {
    '[[listen]]\naddress = "127.0.0.1:0"\n': '[[listen]]\naddress = "127.0.0.1:0"\ntls = "none"\nauth = "required"\n'
    "auth_without_tls = true\n"
}
ANYBODY = """from danelaw.policy import Accept, AuthContext, hook


@hook.auth
def anybody(ctx: AuthContext) -> Accept:
    return Accept()
"""


def test_outbound_relay(tmp_path: Path) -> None:
    def unknown(verb: str, line: str, connection: int) -> str | None:
        return "550 5.1.1 nobody of that name" if "<nobody" in line else None

    async def play() -> None:
        more = recipe("outbound-relay", tmp_path, more={"anybody.py": ANYBODY})
        exchanged(
            tmp_path,
            "outbound_relay.py",
            {"RECIPIENTS_PER_HOUR = 200": "RECIPIENTS_PER_HOUR = 3", "MOST_REFUSED = 50": "MOST_REFUSED = 2"},
        )
        async with Sink(unknown) as sink, gateway(tmp_path / "g", sink.smarthost + more, replace=USERS) as running:
            blocked = running.gateway.parts.workshop.shared.set("blocked-users", kept=True)

            async def logged_in(client: Client, name: str) -> None:
                word = base64.b64encode(f"\0{name}\0secret".encode()).decode()
                await client.expect(235, f"AUTH PLAIN {word}")

            async with await running.client() as anna:
                await logged_in(anna, "anna")
                await anna.message(mail(), "a@x.test", "b@x.test", "c@x.test")
                await anna.expect(250, "MAIL FROM:<anna@example.org>")
                await anna.expect(452, "RCPT TO:<d@x.test>")
                assert not await blocked.contains("blocked", "anna")
                await anna.expect(550, "RCPT TO:<e@x.test>")
                await anna.expect(250, "RSET")
                await anna.expect(550, "MAIL FROM:<anna@example.org>")
            async with await running.client() as bert:
                await logged_in(bert, "bert")
                message = await bert.message(mail(), "nobody1@x.test", "nobody2@x.test")
                await running.reaches(message, "returned")
                assert await blocked.members("blocked") == ["anna", "bert"]
                assert len(running.lines("policy-warning")) == 2
                await bert.expect(550, "MAIL FROM:<bert@example.org>")
                await blocked.remove("blocked", "bert")  # danelaw state clear blocked-users blocked bert
                await bert.expect(250, "MAIL FROM:<bert@example.org>")

    run(play())


def test_dane_for_partners(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + recipe("dane-for-partners", tmp_path)) as running:
            waits = await running.send("b@mail.partner.example", body=mail())
            other = await running.send("b@other.example", body=mail())
            confidential = await running.send(
                "b@other.example", body=mail(more="Sensitivity: Company-Confidential\r\n")
            )
            await running.reaches(other, "delivered")
            tried = [await running.tried(one) for one in (waits, confidential)]
            assert [one["state"] for one in tried] == ["waiting", "waiting"]
            assert "dane" in str(tried[0]["recipients"][0]).lower()
            assert 0 < tried[0]["expires_at"] - tried[0]["received_at"] <= 2 * 86_400
            assert len(sink.taken) == 1

    run(play())


def test_header_rewriting(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            Sink() as sink,
            gateway(tmp_path / "g", sink.smarthost + recipe("header-rewriting", tmp_path)) as running,
        ):
            author = "Cron <root+cron@db7.internal.example>"
            more = "X-Originating-IP: 10.0.0.7\r\nUser-Agent: curl\r\n"
            await running.send("b@x.test", body=mail(author=author, more=more), sender="root@db7.internal.example")
            (taken,) = await sink.messages()
            assert taken.mail.startswith("MAIL FROM:<db7@example.org>")
            assert b"\r\nFrom: Cron <db7@example.org>\r\n" in b"\r\n" + taken.content
            assert b"10.0.0.7" not in taken.content
            assert b"User-Agent" not in taken.content

    run(play())


def test_journal(tmp_path: Path) -> None:
    async def play() -> None:
        more = recipe("journal", tmp_path, {"/var/mail": str(tmp_path)})
        async with Sink() as sink, gateway(tmp_path / "g", sink.smarthost + more) as running:
            await running.send("b@x.test", "secret@y.test", body=mail(), sender="a@example.org")
            (taken,) = await sink.messages()
            assert taken.content == mail()
            (file,) = await until(lambda: list((tmp_path / "journal" / "new").glob("*")), "the journal")
            kept = file.read_bytes().replace(b"\r\n", b"\n")
            assert kept.count(b"\nX-Journal-Recipient: ") == 2
            assert b"\nX-Journal-Recipient: secret@y.test\n" in kept
            assert b"X-Journal-Sender: a@example.org\n" in kept
            assert kept.endswith(mail().replace(b"\r\n", b"\n"))

    run(play())


def test_disclaimer(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + recipe("disclaimer", tmp_path)) as running:
            await running.send("b@x.test", body=mail())
            (first,) = await sink.messages()
            assert first.content.count(b"Example Street") == 1
            await running.send("b@x.test", body=first.content)
            again = (await sink.messages(2))[1]
            assert again.content == first.content

    run(play())


def test_warm_up(tmp_path: Path) -> None:
    from tests.ends import configured

    path = configured(tmp_path, recipe("warm-up", tmp_path) + '[delivery]\naddresses = [{ address = "192.0.2.25" }]\n')
    address, sites = load(path).limit
    assert address.warm_up is not None
    assert address.warm_up.per_day[0] == 50
    assert sites.rate is not None


def test_feedback(tmp_path: Path) -> None:
    key = "a key that is long enough"
    (tmp_path / "verp.key").write_text(key)
    verp = VERP("bounces@lists.example.org", key)
    readers = ("anna@x.test", "bert@x.test", "cleo@x.test", "dora@x.test")

    async def play() -> None:
        more = recipe("feedback", tmp_path, {'"verp.key"': f'"{tmp_path / "verp.key"}"'})
        more = more.replace("[[domain]]", '[[domain]]\nname = "other.test"\n[[domain]]')
        strangers = {'networks = ["127.0.0.0/8"]': 'networks = ["127.0.0.2/32"]'}
        async with Sink() as sink, gateway(tmp_path / "g", sink.smarthost + more, replace=strangers) as running:

            async def issue() -> list[str]:
                count = len(sink.taken)
                async with await running.client(source="127.0.0.2") as client:
                    await client.message(mail(), *readers, sender="news@lists.example.org")
                suppressed = await running.gateway.parts.workshop.shared.set("suppressed", kept=True).size("news")
                new = (await sink.messages(count + len(readers) - suppressed))[count:]
                for one in new:
                    (rcpt,) = one.recipients
                    reader = rcpt.partition("<")[2].rstrip(">")
                    assert verp.reverse_path(reader) in one.mail
                    assert b"List-Unsubscribe: <https://lists.example.org/u/" in one.data
                    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" in one.data
                return sorted(one.recipients[0].partition("<")[2].partition("@")[0] for one in new)

            async def back(to: str, body: bytes) -> None:
                await running.send(to, body=body, sender="")

            assert await issue() == ["anna", "bert", "cleo", "dora"]
            await back(verp.reverse_path("anna@x.test"), DSN)
            await back("bounces+cleo=x.test=000000000000@lists.example.org", DSN)  # made up
            for _ in range(2):
                await back(verp.reverse_path("dora@x.test"), b"Subject: full\r\n\r\nno room\r\n")
            await back(
                "fbl@lists.example.org",
                ARF.replace(b"somespammer@example.net", verp.reverse_path("bert@x.test").encode(), 1),
            )
            assert await issue() == ["cleo", "dora"]
            await back(verp.reverse_path("dora@x.test"), b"Subject: full\r\n\r\nno room\r\n")
            assert await issue() == ["cleo"]
            assert not running.lines("hook-failed")

    run(play())
