"""A server in any language is asked at steps of a mail's life: real HTTP, real SMTP."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.ends import Sink, gateway, run, until

from danelaw.config import ConfigError, load
from danelaw.lab.certificates import Authorities

MESSAGE = b"From: Anna <a@sender.test>\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nbody\r\n"
Respond = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Scanner:
    """A server of hooks; `respond` may be replaced at any time."""

    def __init__(self, respond: Respond) -> None:
        self.respond = respond
        self.asked: list[dict[str, Any]] = []
        self.messages: list[bytes] = []
        self.headers: list[Any] = []
        self.peers: set[Any] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.headers.append(request.headers)
        assert request.transport is not None
        self.peers.add(request.transport.get_extra_info("peername"))
        if request.content_type == "multipart/form-data":
            form = await request.post()
            asked, message = form["request"], form["message"]
            assert isinstance(message, web.FileField)
            self.messages.append(message.file.read())
            assert isinstance(asked, bytes | bytearray)
            self.asked.append(json.loads(asked))
        else:
            self.asked.append(await request.json())
        return await self.respond(request)


@asynccontextmanager
async def server(scanner: Scanner, context: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/hook", scanner.serve)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


def says(answer: Any, **more: Any) -> Respond:
    async def respond(request: web.Request) -> web.StreamResponse:
        return web.json_response({"version": 1, **answer}, **more)

    return respond


def hook(port: int, at: str, more: str = "", scheme: str = "http", host: str = "127.0.0.1") -> str:
    return f'[[policy.http_hook]]\nname = "crm"\nurl = "{scheme}://{host}:{port}/hook"\nat = [{at}]\n{more}\n'


def test_a_server_is_asked_and_its_verdict_is_carried_out(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n")

    async def play() -> None:
        scanner = Scanner(says({"verdict": {"reject": {"text": "no such customer", "status": "5.1.1"}}}))
        async with Sink() as sink, server(scanner) as port:
            more = f'secret = "{secret}"\nheaders = {{ "X-Gateway" = "mx1" }}\n'
            config = sink.smarthost + hook(port, '"rcpt_to"', more)
            async with gateway(tmp_path, config) as running, await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                answer = await client.expect(550, "RCPT TO:<b@example.org>")
                assert answer.text == "5.1.1 no such customer"
                scanner.respond = says({"verdict": {"redirect": {"to": ["c@example.org"]}}, "notes": {"n": 1}})
                await client.expect(250, "RCPT TO:<b@example.org>")
            asked = scanner.asked[0]
            assert (asked["version"], asked["point"], asked["hook"]) == (1, "rcpt_to", "crm")
            assert asked["context"]["recipient"] == "b@example.org"
            assert asked["context"]["client"]["address"] == "127.0.0.1"
            assert "message" not in asked
            assert scanner.headers[0]["Authorization"] == "Bearer s3cret"
            assert scanner.headers[0]["X-Gateway"] == "mx1"
            assert len(scanner.peers) == 1, "the connection is kept"

    run(play())


@pytest.mark.parametrize("body", ["none", "header", "whole"])
def test_what_is_sent_of_a_message_is_what_was_asked_for(tmp_path: Path, body: str) -> None:
    edits = [["set", "Subject", "[seen] hello"], ["add", "X-Scanner", "crm"]]

    async def play() -> None:
        scanner = Scanner(says({"edits": edits, "tags": ["seen"], "reverse_path": "bounces@example.org"}))
        async with Sink() as sink, server(scanner) as port:
            config = sink.smarthost + hook(port, '"end_of_data"', f'body = "{body}"')
            async with gateway(tmp_path, config) as running, await running.client() as client:
                await client.message(MESSAGE, "b@example.org")
            (taken,) = await sink.messages()
            assert taken.content.startswith(b"X-Scanner: crm\r\n")
            assert b"Subject: [seen] hello\r\n" in taken.content
            assert taken.mail.startswith("MAIL FROM:<bounces@example.org>")
            (asked,) = scanner.asked
            assert "edits" not in asked["context"]
            assert scanner.messages == ([MESSAGE] if body == "whole" else [])
            if body == "none":
                assert "message" not in asked
            else:
                assert ["Subject", "hello"] in asked["message"]["header"]
                assert asked["message"]["whole"] is (body == "whole")

    run(play())


async def _slow(request: web.Request) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def _redirect(request: web.Request) -> web.StreamResponse:
    raise web.HTTPTemporaryRedirect("/elsewhere")


async def _large(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b" " * (9 << 20), content_type="application/json")


async def _hangs_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.close()
    return web.Response()


async def _compressed(request: web.Request) -> web.StreamResponse:
    response = web.json_response({"version": 1})
    response.enable_compression(web.ContentCoding.gzip)
    return response


async def _text(request: web.Request) -> web.StreamResponse:
    return web.Response(text="ok")


FAULTS: dict[str, tuple[Respond, str]] = {
    "slow": (_slow, "no verdict within 0.2 s"),
    "status": (says({}, status=500), "answers 500"),
    "redirect": (_redirect, "answers 307"),
    "large": (_large, "more than 8388608 octets"),
    "hangs up": (_hangs_up, "does not answer"),
    "compressed": (_compressed, "compressed"),
    "text": (_text, "not application/json"),
    "unknown verdict": (says({"verdict": "deliver"}), "none of accept, reject"),
    "wrong verdict": (says({"verdict": {"discard": {"reason": "x"}}}), "none of accept, reject"),
    "bad code": (says({"verdict": {"reject": {"code": 250}}}), "250 is not a 5xx reply"),
    "other version": (says({"version": 2}), '"version": 1'),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_answer_defers(tmp_path: Path, fault: str) -> None:
    respond, reason = FAULTS[fault]

    async def play() -> None:
        scanner = Scanner(respond)
        async with server(scanner) as port:
            config = hook(port, '"mail_from"', 'time = "200ms"' if fault == "slow" else "")
            async with gateway(tmp_path, config) as running, await running.client() as client:
                await client.expect(451, "MAIL FROM:<a@sender.test>")
                (line,) = running.lines("hook-failed")
                assert reason in line.replace("\\", "")
                assert "hook=http:crm@mail_from" in line
                scanner.respond = says({})
                await client.expect(250, "MAIL FROM:<a@sender.test>")

    run(play())


def test_nothing_to_say_is_204_and_a_failure_can_be_ignored(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.StreamResponse:
        return web.Response(status=204)

    async def play() -> None:
        scanner = Scanner(silent)
        async with server(scanner) as port:
            config = hook(port, '"mail_from"', 'on_failure = "ignore"')
            async with gateway(tmp_path, config) as running, await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                scanner.respond = says({}, status=503)
                await client.expect(250, "RSET")
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                assert len(running.lines("hook-failed")) == 1

    run(play())


def test_a_server_that_fails_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async def play() -> None:
        scanner = Scanner(says({}, status=500))
        async with server(scanner) as port:
            config = "[policy]\nfailures = 2\n" + hook(port, '"mail_from"')
            async with gateway(tmp_path, config) as running, await running.client() as client:
                for _ in range(5):
                    await client.expect(451, "MAIL FROM:<a@sender.test>")
                assert len(scanner.asked) == 2

    run(play())


def test_certificates_are_verified(tmp_path: Path) -> None:
    authorities = Authorities(time.time())
    credential = authorities.public.issue(("localhost",))
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(credential.chain_pem)
    key.write_bytes(credential.key_pem)
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(authorities.roots_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    async def play() -> None:
        scanner = Scanner(says({"verdict": "accept"}))
        async with server(scanner, context) as port:
            for more, code in (("", 451), (f'ca_file = "{trusted}"', 250)):
                config = hook(port, '"mail_from"', more, "https", "localhost")
                async with gateway(tmp_path, config) as running, await running.client() as client:
                    await client.expect(code, "MAIL FROM:<a@sender.test>")

    run(play())


def test_http_hooks_and_scripts_are_asked_in_one_order(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "inbound.py").write_text(
        "from danelaw.policy import *\n"
        "@hook.mail_from\ndef first(ctx: MailContext):\n    ctx.notes['by'] = ['first']\n"
        "@hook.mail_from(order=5)\ndef last(ctx: MailContext):\n    ctx.library.log.event(str(ctx.notes['by']))\n"
    )

    async def play() -> None:
        scanner = Scanner(says({"notes": {"by": ["first", "http"]}}))
        async with server(scanner) as port:
            for mode in ("here", "isolated"):
                config = f'[policy]\ndirectory = "{folder}"\nrun = "{mode}"\n' + hook(port, '"mail_from"', "order = 3")
                async with gateway(tmp_path, config) as running, await running.client() as client:
                    await client.expect(250, "MAIL FROM:<a@sender.test>")
                    await until(lambda: running.lines("policy"), "the last hook's line")
                    assert "['first', 'http']" in running.lines("policy")[-1]
            assert [asked["context"]["notes"] for asked in scanner.asked] == [{"by": ["first"]}] * 2

    run(play())


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('url = "http://hooks.example.org/"', "in clear text"),
        ('url = "ftp://127.0.0.1/"', "no URL of HTTP"),
        ('url = "https://u:p@hooks.example.org/"', "ends up in logs"),
        ('at = ["data"]', "'data' is no step"),
        ('headers = { Authorization = "x" }', "tokens belong into secret"),
        ('headers = { X-Two = "a\\nb" }', "control characters"),
    ],
)
def test_settings_that_would_be_a_mistake_are_told(tmp_path: Path, line: str, reason: str) -> None:
    name = line.partition(" ")[0]
    usual = {"name": '"crm"', "url": '"https://hooks.example.org/"', "at": '["rcpt_to"]'}
    lines = [f"{key} = {value}" for key, value in usual.items() if key != name] + [line]
    file = tmp_path / "danelaw.toml"
    file.write_text('hostname = "gw.test"\n[[policy.http_hook]]\n' + "\n".join(lines))
    with pytest.raises(ConfigError, match=reason):
        load(file)
