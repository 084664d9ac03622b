"""Digests over real sockets: sent once to whom they are for, and links that act once, by POST only."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from held_mail import BODY, acts, hold, told
from tests.ends import Running, Sink, gateway, run, until

from danelaw.gateway.digests import Digests, collected
from danelaw.quarantine.tokens import Action, Key, Token
from danelaw.queue import id_from_text

SECTION = """
[quarantine.digest]
domains = ["example.org"]
owners = {"example.net" = "postmaster@example.net"}
steps = ["spam", "rule"]
[quarantine.web]
listen = "127.0.0.1:0"
url = "https://gw.test/quarantine"
"""


async def digest(running: Running) -> None:
    """Look whether digests are due, as if none had looked before."""
    store = running.gateway.parts.digests
    assert store is not None
    await Digests(running.gateway, store).look()


async def ask(running: Running, octets: bytes) -> tuple[int, dict[str, str], str]:
    """One request; gives status, header and page."""
    assert running.gateway.http.quarantine_address is not None
    reader, writer = await asyncio.open_connection(*running.gateway.http.quarantine_address)
    writer.write(octets)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    head, _, page = answer.partition(b"\r\n\r\n")
    status, *fields = head.decode().split("\r\n")
    return int(status.split(" ")[1]), dict(field.lower().split(": ", 1) for field in fields), page.decode()


async def get(running: Running, token: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    return await ask(running, f"{method} /quarantine/{token} HTTP/1.1\r\nHost: gw.test\r\n\r\n".encode())


async def post(running: Running, token: str) -> tuple[int, dict[str, str], str]:
    body = f"token={token}".encode()
    head = (
        "POST /quarantine/ HTTP/1.1\r\nHost: gw.test\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return await ask(running, head.encode() + body)


def states(running: Running, message: str) -> dict[str, str]:
    return {one["to"]: one["state"] for one in running.look(message)["recipients"]}


def links(octets: bytes) -> list[str]:
    """The tokens of a digest, in the order of its text part."""
    message = email.message_from_bytes(octets, policy=email.policy.default)
    text = next(iter(message.iter_parts())).get_content()  # type: ignore[attr-defined]
    return re.findall(r"https://gw\.test/quarantine/([A-Za-z0-9_-]+)", text)


def test_each_is_told_once_of_what_they_may_decide_about(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + SECTION) as running:
            await hold(running, "anna@example.org", "ben@example.org")
            await hold(running, "anna@example.org", step="clamd", reason="Eicar")
            await hold(running, "carl@elsewhere.example")
            await hold(running, "dora@example.net")
            await digest(running)
            await digest(running)
            taken = await sink.messages(3)
            addresses = sorted(re.sub(r".*<(.*)>.*", r"\1", one.recipients[0]) for one in taken)
            assert addresses == ["anna@example.org", "ben@example.org", "postmaster@example.net"]
            assert all(one.mail.startswith("MAIL FROM:<>") for one in taken)
            assert all(b"Subject: 1 message is held for you\r\n" in one.data for one in taken)
            assert all(b"Eicar" not in one.data for one in taken)
            assert {len(links(one.data)) for one in taken} == {3}
            assert len(running.lines("digest")) == 3
            store = running.gateway.parts.digests
            assert store is not None
            assert all(slot > 0 for slot, _ in store.told().values())
            store._database.execute("UPDATE digest SET slot = 0")
            await hold(running, "anna@example.org", reason="a new one")
            await digest(running)
            assert b"a new one" in (await sink.messages(4))[3].data
            assert b"score 12 of 10" not in sink.taken[3].data
            assert len(sink.taken) == 4

    run(play())


def test_what_comes_to_be_held_while_a_digest_is_gathered_is_left_to_the_next(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + SECTION) as running:
            before = running.gateway.clock()
            await hold(running, "anna@example.org")
            reader, section = running.gateway.parts.spool.reader, running.gateway.config.quarantine.digest
            assert collected(reader, section, {}, frozenset(), before - 1.0) == {}
            assert list(collected(reader, section, {}, frozenset(), before + 60.0)) == ["anna@example.org"]

    run(play())


def test_what_demands_tls_is_not_repeated_in_a_digest(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + SECTION) as running:
            await hold(running, requiretls=True)
            await digest(running)
            text = email.message_from_bytes((await sink.messages())[0].data, policy=email.policy.default)
            words = text.get_body(("plain",)).get_content()  # type: ignore[union-attr]
            assert "Rechnung" not in words
            assert "1. (not shown: its sender demands TLS on the whole way)" in words
            assert "From: bank@shop.example" in words

    run(play())


def test_a_link_asks_when_it_is_opened_and_acts_once_when_the_button_is_pressed(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + SECTION) as running:
            held = await hold(running, "anna@example.org", "ben@example.org", until=time.time() + 9e5)
            await digest(running)
            anna = next(one for one in await sink.messages(2) if "anna@" in one.recipients[0])
            release, delete, allow = links(anna.data)
            for token in (release, delete, allow, release):
                for method in ("GET", "HEAD"):
                    status, head, page = await get(running, token, method)
                    assert status == 200
                    assert ("Rechnung 💰" in page) == (method == "GET")
                    assert "script-src" not in head["content-security-policy"]
                    assert head["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
                    assert (head["cache-control"], head["referrer-policy"]) == ("no-store", "no-referrer")
                assert running.look(held)["state"] == "held"
            status, _, page = await post(running, release)
            assert status == 200
            assert "on its way" in page
            taken = (await sink.messages(3))[2]
            assert taken.data == BODY
            assert [line.partition(">")[0] for line in taken.recipients] == ["RCPT TO:<anna@example.org"]
            expected = {"anna@example.org": "delivered", "ben@example.org": "held"}
            await until(lambda: states(running, held) == expected, "anna's delivery")
            for token in (release, delete, allow):
                assert (await get(running, token))[0] == 410
                assert (await post(running, token))[0] == 410
            assert states(running, held) == expected
            assert [row[:4] for row in acts(running)] == [
                ("release", f"id:{held}", "digest link of anna@example.org", "release in a digest")
            ]

    run(play())


def test_delete_and_allow_do_what_they_say(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + SECTION) as running:
            first, second = await hold(running, "anna@example.org"), await hold(running, "ben@example.org")
            await digest(running)
            tokens = {one.recipients[0].partition("@")[0][-4:]: links(one.data) for one in await sink.messages(2)}
            anna, ben = tokens["anna"], tokens["<ben"]
            assert (await post(running, anna[1]))[0] == 200
            assert running.look(first)["state"] == "dropped"
            assert (await post(running, ben[2]))[0] == 200
            await running.reaches(second, "delivered")
            rules = running.gateway.parts.hold_rules
            assert rules.allows("ben@example.org", "bank@shop.example")
            assert not rules.allows("anna@example.org", "bank@shop.example")

    run(play())


@pytest.mark.parametrize(
    "forge",
    [
        lambda token, key: replace(token, recipient=1).sealed(Key(key.number, b"guess" * 7)),
        lambda token, key: replace(token, expires=int(time.time()) - 1).sealed(key),
        lambda token, key: token.sealed(key)[:-1] + ("A" if token.sealed(key)[-1] != "A" else "B"),
        lambda token, key: token.sealed(Key(key.number + 1, key.secret)),
        lambda token, key: "x" * 83,
        lambda token, key: "",
    ],
)
def test_a_forged_or_old_token_does_nothing(tmp_path: Path, forge: Callable[[Token, Key], str]) -> None:
    async def play() -> None:
        async with gateway(tmp_path, SECTION) as running:
            held = await hold(running, "anna@example.org", "ben@example.org")
            assert running.gateway.parts.digests is not None
            key = running.gateway.parts.digests.signing_key(time.time())
            token = Token(Action.RELEASE, id_from_text(held), 0, int(time.time()) + 60, b"n" * 12)
            text = forge(token, key)
            assert (await get(running, text))[0] in (404, 410)
            assert (await post(running, text))[0] in (404, 410)
            assert {one["state"] for one in running.look(held)["recipients"]} == {"held"}
            assert acts(running) == []
            assert (await told(running, "quarantine", "revoke-links")).exit_code == 0
            assert (await post(running, token.sealed(key)))[0] == 404

    run(play())


def test_of_two_who_press_at_once_one_acts(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + SECTION) as running:
            held = await hold(running, "anna@example.org")
            assert running.gateway.parts.digests is not None
            key = running.gateway.parts.digests.signing_key(time.time())
            token = Token(Action.RELEASE, id_from_text(held), 0, int(time.time()) + 60, b"n" * 12).sealed(key)
            answers = await asyncio.gather(*(post(running, token) for _ in range(10)))
            assert sorted(status for status, _, _ in answers) == [200] + [410] * 9
            await running.reaches(held, "delivered")
            assert len(acts(running)) == 1

    run(play())


def test_a_page_is_safe_from_what_strangers_wrote(tmp_path: Path) -> None:
    async def play() -> None:
        async with gateway(tmp_path, SECTION) as running:
            body = b'Subject: "><script>alert(1)</script>\r\nFrom: <img src=x onerror=y>\r\n\r\nx\r\n'
            held = await hold(running, "anna@example.org", body=body, reason="</main><b>")
            assert running.gateway.parts.digests is not None
            key = running.gateway.parts.digests.signing_key(time.time())
            token = Token(Action.RELEASE, id_from_text(held), 0, int(time.time()) + 60, b"n" * 12).sealed(key)
            page = (await get(running, token))[2]
            assert "<script" not in page
            assert "<img" not in page
            assert page.count("</main>") == 1
            for octets in (b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"PUT / HTTP/1.1\r\n\r\n", b"x" * 9000):
                assert 400 <= (await ask(running, octets))[0] < 500

    run(play())
