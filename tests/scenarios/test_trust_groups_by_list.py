"""Groups the operator lists: what follows from a breach, in each direction, and who is left alone."""

from __future__ import annotations

import asyncio
from email import message_from_string
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import Running, Sink, run, until
from tests.scenarios.test_a_trust_group_in_the_lab import KEYS, TRUSTED, replies, status_of, trusting
from tests.scenarios.test_users_log_in_and_send import MAIL, plain, users

from danelaw.cli import danelaw
from danelaw.lab import TRUST_LETTERS, TrustLetter
from danelaw.lab.trust import _letter, _signed, _two_authors

LETTERS = {letter.name: letter for letter in TRUST_LETTERS}
CROWD = ", ".join(f"a@author{number}.example" for number in range(9))
CROWDED = _letter("good.lab").replace(b"From: ", f"From: {CROWD}, ".encode())
LIST = """
[[trust_group]]
name = "partners"
members = ["good.lab", "stranger.lab", ".sub.lab"]
receive = {{ tls = "1.2", dkim = "author", dmarc = "enforced" }}
on_breach = {{ receive = "{breach}" }}
header = "X-Partner"
"""
RULE = """
[[rule]]
name = "say"
when = { found = { "trust:partners" = ["breach"] } }
add_header = { X-Rule = "breach" }
"""


@pytest.mark.parametrize(
    ("breach", "reply", "state", "status"),
    [
        ("refuse", 550, "", ""),
        ("defer", 451, "", ""),
        ("hold", 250, "held", "breach"),
        ("tag", 250, "waiting", "breach"),
    ],
)
def test_a_breach_is_ruled_on_as_it_is_set(tmp_path: Path, breach: str, reply: int, state: str, status: str) -> None:
    hidden = TrustLetter(name="hidden", author="lapsed.lab", write=lambda keys: CROWDED)
    letters = (LETTERS["unsigned"], LETTERS["stranger"], LETTERS["lapsed"], hidden)

    async def play() -> None:
        async with trusting(tmp_path, LIST.format(breach=breach) + RULE) as (running, _):
            said = await asyncio.to_thread(replies, running, letters)
            assert said["hidden"] == (554, "5.6.0 the From field names too many domains")
            code, text = said["unsigned"]
            assert code == reply, text
            for name, expected in (("stranger", "member"), ("lapsed", "non-member")):
                assert said[name][0] == 250, said[name]
                assert status_of(running, said[name][1].rpartition(" ")[2], "X-Partner") == expected
            if code != 250:
                assert "mail of a member of trust group partners must show more" in text
                return
            ident = text.rpartition(" ")[2]
            assert running.look(ident)["state"] == state
            assert status_of(running, ident, "X-Partner") == status
            assert status_of(running, ident, "X-Rule") == "breach"

    run(play())


def test_nothing_is_demanded_of_who_is_exempt_or_after_the_end(tmp_path: Path) -> None:
    exempt = LIST.format(breach="refuse") + 'exempt = ["good.lab"]\n'
    ended = LIST.format(breach="refuse").replace("partners", "ended").replace("X-Partner", "X-Ended")
    section = exempt + ended + "until = 2020-01-01\n"

    async def play() -> None:
        async with trusting(tmp_path, section) as (running, _):
            letter = TrustLetter(name="x", author="good.lab", write=lambda keys: _letter("good.lab", "X-Ended: member"))
            code, text = (await asyncio.to_thread(replies, running, (letter,)))["x"]
            assert code == 250, text
            octets = running.gateway.parts.spool.read_body(_stored(running, text.rpartition(" ")[2]))
            assert b"X-Partner: non-member\r\n" in octets
            assert b"X-Ended" not in octets

    run(play())


def _stored(running: Running, ident: str):  # type: ignore[no-untyped-def]
    from danelaw.queue import id_from_text
    from danelaw.spool.view import find_message

    return find_message(running.gateway.parts.spool.reader, id_from_text(ident))[0]


SENDING = """
[[trust_group]]
name = "closed"
members = ["bare.lab", "stranger.lab"]
members_file = "members"
send = "{send}"
on_breach = {{ send = "{breach}" }}
[[override]]
destination = "bare.lab"
tls = "may"
"""


async def sent(running: Running, domain: str) -> dict[str, object]:
    async with await running.client(source=TRUSTED) as client:
        ident = await client.message(b"Subject: x\r\n\r\nhi\r\n", f"anna@{domain}", sender="anna@inside.lab")
    return await running.tried(ident)


def test_mail_that_cannot_go_as_agreed_is_returned_at_once_where_that_is_set(tmp_path: Path) -> None:
    (tmp_path / "members").write_text("lapsed.lab\n")

    async def play() -> None:
        async with trusting(tmp_path, SENDING.format(send="dane", breach="return")) as (running, _):
            message = await sent(running, "bare.lab")
            assert message["recipients"][0]["state"] == "returned"  # type: ignore[index]
            notice = await until(lambda: _notice(running), "the notice")
            assert 'trust group "closed" demands DANE' in " ".join(notice.split())
            assert "5.7.10" in notice
            assert "demand a trust group that your own provider and bare.lab belong to" in " ".join(notice.split())

    run(play())


def _notice(running: Running) -> str:
    from danelaw.queue import Filter
    from danelaw.spool.view import waiting_page

    page = waiting_page(running.gateway.parts.spool.reader, Filter.from_text("to:anna@inside.lab"), 0.0, 0, 10)
    return "".join(running.gateway.parts.spool.read_body(one).decode() for one in page.messages)


def test_an_encrypted_group_takes_what_an_override_would_give_away(tmp_path: Path) -> None:
    (tmp_path / "members").write_text("")

    async def play() -> None:
        async with trusting(tmp_path, SENDING.format(send="encrypted", breach="wait")) as (running, lab):
            message = await sent(running, "bare.lab")
            assert message["attempts"][-1]["protection"] == "encrypted only"  # type: ignore[index]
            message = await sent(running, "stranger.lab")
            assert message["attempts"][-1]["outcome"] == "waiting"  # type: ignore[index]
            assert not lab.exposed("stranger.lab")
            words = ["check", "stranger.lab", "--no-sts", "--config", str(tmp_path / "danelaw.toml")]
            done = await asyncio.to_thread(CliRunner().invoke, danelaw, words, standalone_mode=False)
            assert done.return_value == 40, done.output
            assert 'trust group "closed" demands encrypted: member, in the list of members' in done.output
            words = ["explain", "anna@stranger.lab", "--config", str(tmp_path / "danelaw.toml")]
            page = (await asyncio.to_thread(CliRunner().invoke, danelaw, words, standalone_mode=False)).output
            assert 'exempt = ["stranger.lab"] in its [[trust_group]]' in page

    run(play())


def test_a_reload_takes_up_new_members_and_keeps_the_old_ones_when_the_file_is_bad(tmp_path: Path) -> None:
    file = tmp_path / "members"
    file.write_text("")

    async def play() -> None:
        async with trusting(tmp_path, SENDING.format(send="dane", breach="wait")) as (running, _):
            assert (await sent(running, "lapsed.lab"))["attempts"][-1]["outcome"] == "delivered"  # type: ignore[index]
            file.write_text("lapsed.lab\nno domain at all\n")
            running.gateway.reload()
            assert "line 2" in running.lines("reload-failed")[0]
            file.write_text("lapsed.lab\n")
            running.gateway.reload()
            assert running.lines("reloaded")
            assert not running.lines("reload-partial")
            message = await sent(running, "lapsed.lab")
            assert "publishes no TLSA record" in message["attempts"][-1]["reason"]  # type: ignore[index]

    run(play())


SUBMISSION = """
[[trust_group]]
name = "tes"
profile = "tes"
members = ["example.org"]
"""


@pytest.mark.parametrize("key", [True, False])
def test_mail_of_users_is_signed_by_its_author_or_refused(tmp_path: Path, key: bool) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    tmp_path.mkdir(exist_ok=True)
    pem = KEYS.rsa.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "dkim.key").write_bytes(pem)
    signing = '[[dkim_key]]\ndomain = "example.org"\nselector = "rsa"\nkey = "dkim.key"\n' if key else ""

    async def play() -> None:
        async with Sink() as sink:
            listener = 'auth = "optional"'
            more = f"{users(tmp_path)}{sink.smarthost}{signing}"
            async with trusting(tmp_path, SUBMISSION, more, listen=listener) as (running, _):
                async with await running.client() as client:
                    await client.start_tls()
                    await client.expect(250, "EHLO c.test")
                    await plain(client)
                    forged = b"X-TES-Status: member\r\n" + MAIL
                    answer = await client.offer(forged, "b@elsewhere.test", sender="anna@example.org")
                    if not key:
                        assert answer.code == 550
                        assert "must have a DKIM signature of example.org: it has no such signature" in answer.text
                        answer = await client.offer(_signed("good.lab")(KEYS), "b@elsewhere.test", sender="a@good.lab")
                        assert answer.code == 250, answer
                        both = _two_authors("good.lab", "stranger.lab")(KEYS)
                        answer = await client.offer(both, "b@elsewhere.test", sender="a@good.lab")
                        assert answer.code == 550
                        assert "must have a DKIM signature of good.lab" in answer.text
                        answer = await client.offer(CROWDED, "b@elsewhere.test", sender="a@good.lab")
                        assert answer.text == "5.6.0 the From field names too many domains"
                        return
                    assert answer.code == 250, answer
                taken = (await sink.messages())[0]
                assert b"X-TES-Status" not in taken.data
                signature = message_from_string(taken.content.decode())["DKIM-Signature"]
                assert "d=example.org" in signature
                assert "message-id" in signature.lower()

    run(play())
