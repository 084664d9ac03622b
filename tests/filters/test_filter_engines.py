"""clamd, rspamd and spamd over sockets: what they are told, what is made of their answers, and their lies."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
import uvloop
from tests.filters.fake_engines import (
    MESSAGE,
    Behaviour,
    FakeMilter,
    http_reply,
    http_request,
    instream,
    packet,
    saying,
    serving,
    silent,
    specimen,
)

from danelaw.filters import Clamd, Engine, Filter, FilterResult, RemoveField, Rspamd, Spamd, Verdict
from danelaw.filters.filter import Servers
from danelaw.filters.milters import Milter
from danelaw.milter import AddHeader, ChangeHeader, InsertHeader, ReplaceBody

ENGINES: dict[str, Engine] = {
    "clamd": Clamd(),
    "rspamd": Rspamd(),
    "spamd": Spamd(),
    "milter": Milter(step_seconds=30, largest=1 << 20),
}


def asked(engine: Engine, behaviour: Behaviour, *, path: Path | None = None, message: bytes | Path = MESSAGE,
          seconds: float = 30.0) -> FilterResult:  # fmt: skip
    async def run() -> FilterResult:
        async with serving(behaviour, path) as fake:
            subject = Filter("it", engine, Servers([fake.address]), seconds=seconds, largest=64 << 20)
            result = await subject.examine(specimen(message))
            assert result.filter == "it"
            return result

    return asyncio.run(run())


def clamd_saying(answer: bytes) -> tuple[Behaviour, list[bytes]]:
    heard: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await instream(reader))
        writer.write(answer)

    return behave, heard


def rspamd_saying(answer: object) -> tuple[Behaviour, list[tuple[bytes, dict[str, list[str]], bytes]]]:
    heard: list[tuple[bytes, dict[str, list[str]], bytes]] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await http_request(reader))
        writer.write(http_reply(json.dumps(answer).encode()))

    return behave, heard


def spamd_saying(answer: bytes) -> tuple[Behaviour, list[bytes]]:
    heard: list[bytes] = []

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.write(answer)

    return behave, heard


def test_clamd_gets_the_octets_and_finds_a_virus(tmp_path: Path) -> None:
    behave, heard = clamd_saying(b"stream: Eicar-Signature FOUND\0")
    result = asked(ENGINES["clamd"], behave, path=tmp_path / "s")
    assert heard == [MESSAGE]
    assert (result.verdict, result.names) == (Verdict.FOUND, ("Eicar-Signature",))
    assert result.reason == "Eicar-Signature was found"
    assert result.server == f"unix:{tmp_path}/s"


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        (b"stream: OK\0", Verdict.CLEAN, ""),
        (b"stream: OK\n", Verdict.CLEAN, ""),
        (b"INSTREAM size limit exceeded. ERROR\0", Verdict.TOO_LARGE, "StreamMaxLength"),
        (b"stream: Can't allocate memory ERROR\0", Verdict.FAILED, "Can't allocate memory ERROR"),
        (b"stream: OK", Verdict.FAILED, "in the middle of an answer"),
        (b"", Verdict.FAILED, "without an answer"),
        (b"stream: perhaps\0", Verdict.FAILED, "no answer to INSTREAM"),
        (b"stream: " + b"x" * 5000 + b" FOUND\0", Verdict.FAILED, "longer than 4096"),
    ],
)
def test_clamd_s_answers_are_taken_by_the_book(answer: bytes, verdict: Verdict, reason: str) -> None:
    behave, _ = clamd_saying(answer)
    result = asked(ENGINES["clamd"], behave)
    assert result.verdict is verdict
    assert reason in result.reason


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
@pytest.mark.parametrize("unix", [False, True])
def test_clamd_may_answer_before_it_has_read_everything(loop: str, unix: bool, tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(MESSAGE + b"x" * (8 << 20))
    runner = asyncio.run if loop == "asyncio" else uvloop.run

    async def run() -> None:
        behave = saying(b"INSTREAM size limit exceeded. ERROR\0", after=100)
        async with serving(behave, tmp_path / "s" if unix else None) as fake:
            for _ in range(20):
                subject = Filter("it", Clamd(), Servers([fake.address]), seconds=30, largest=64 << 20)
                assert (await subject.examine(specimen(large))).verdict is Verdict.TOO_LARGE

    runner(run())


def test_rspamd_is_told_the_envelope_and_its_answer_is_kept_as_evidence() -> None:
    behave, heard = rspamd_saying(
        {
            "score": 7.5, "required_score": 15.0, "action": "add header",
            "symbols": {"SMALL": {"score": 0.5}, "LARGE": {"score": 7.0}, "ODD": 3},
            "milter": {
                "remove_headers": {"X-Spam-Flag": 0, "X-Two": [1, 2]},
                "add_headers": {"X-Spam": "Yes", "X-First": {"value": "a\nEvil: b", "order": 1}, "X-Both": ["1", "2"],
                                "Bad Name": "x", "X-None": 3},
            },
            "dkim-signature": "v=1; a=rsa-sha256",
        }
    )  # fmt: skip
    result = asked(ENGINES["rspamd"], behave)
    ((line, fields, body),) = heard
    assert line == b"POST /checkv2 HTTP/1.1"
    assert body == MESSAGE
    for name, values in {
        "ip": ["192.0.2.7"], "helo": ["client.example"], "from": ["anna@sender.example"],
        "hostname": ["client.example"],
        "rcpt": ["bob@here.example", "eve@here.example"], "deliver-to": ["bob@here.example"], "queue-id": ["abc123"],
        "tls-version": ["TLSv1.3"], "tls-cipher": ["TLS_AES_256_GCM_SHA384"], "mta-name": ["mx.example"],
    }.items():  # fmt: skip
        assert fields[name] == values
    assert (result.verdict, result.score, result.required) == (Verdict.TAG, 7.5, 15.0)
    assert result.names == ("LARGE", "SMALL", "ODD")
    assert result.reason == "add header, 7.5 of 15"
    assert result.edits == (
        RemoveField(b"X-Spam-Flag", 0), RemoveField(b"X-Two", 1), RemoveField(b"X-Two", 2),
        AddHeader(b"X-Spam", b"Yes"), InsertHeader(0, b"X-First", b"a\nEvil: b"),
        AddHeader(b"X-Both", b"1"), AddHeader(b"X-Both", b"2"),
        InsertHeader(0, b"DKIM-Signature", b"v=1; a=rsa-sha256"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("action", "verdict"),
    [
        ("no action", Verdict.CLEAN),
        ("greylist", Verdict.GREYLIST),
        ("add header", Verdict.TAG),
        ("rewrite subject", Verdict.TAG),
        ("soft reject", Verdict.DEFER),
        ("reject", Verdict.FOUND),
        ("discard", Verdict.DISCARD),
        ("quarantine", Verdict.HOLD),
        ("dance", Verdict.FAILED),
    ],
)
def test_every_action_of_rspamd_has_its_verdict(action: str, verdict: Verdict) -> None:
    behave, _ = rspamd_saying({"action": action, "score": 1, "is_skipped": True, "subject": "[SPAM] x",
                               "messages": {"smtp_message": "no\r\n250 yes"}})  # fmt: skip
    result = asked(ENGINES["rspamd"], behave)
    assert result.verdict is verdict
    if action == "rewrite subject":
        assert result.edits == (ChangeHeader(1, b"Subject", b"[SPAM] x"),)
    if verdict is Verdict.FOUND:
        assert result.reply == (554, "5.7.1", ("no 250 yes",))
    if verdict is Verdict.DEFER:
        assert result.reply == (451, "4.7.1", ("no 250 yes",))


def test_what_a_client_says_cannot_forge_fields_for_rspamd() -> None:
    behave, heard = rspamd_saying({"action": "no action"})

    async def run() -> None:
        async with serving(behave) as fake:
            await Rspamd().examine(fake.address, specimen(helo="x\r\nUser: admin"))

    asyncio.run(run())
    assert heard[0][1]["helo"] == ["x??User: admin"]
    assert "user" not in heard[0][1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "without an answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", "in the middle"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}", "no usable length"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b", "compressed"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "403 Forbidden"),
        (b"220 mail.example ESMTP\r\n\r\n", "no HTTP reply"),
        (http_reply(b"[" * 100_000), "no JSON"),
        (http_reply(b"[]"), "no object"),
        (http_reply(b"{}"), "no action"),
        (
            http_reply(b'{"action": "no action", "milter": {"add_rcpt": ["x@y"' + b',"x@y"' * 200 + b"]}}"),
            "100 changes",
        ),
        (http_reply(b'{"error": "not\\nloaded"}'), "not loaded"),
        (http_reply(b'"' + b"x" * (2 << 20) + b'"'), "longer than"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc", "in the middle"),
    ],
)
def test_nonsense_from_rspamd_is_a_failure_with_its_reason(answer: bytes, reason: str) -> None:
    result = asked(ENGINES["rspamd"], saying(answer))
    assert result.verdict is Verdict.FAILED
    assert reason in result.reason


def test_rspamd_s_answer_may_come_in_chunks() -> None:
    body = b'{"action": "no action"}'
    answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n" + body[:3] + b"\r\n%x\r\n" % len(body[3:])
    assert asked(ENGINES["rspamd"], saying(answer + body[3:] + b"\r\n0\r\n\r\n")).verdict is Verdict.CLEAN


def test_spamd_counts_points_and_names_rules() -> None:
    behave, heard = spamd_saying(
        b"SPAMD/1.1 0 EX_OK\r\nContent-length: 14\r\nSpam: True ; 15.2 / 5.0\r\n\r\nGTUBE,MISSING\r\n"
    )
    result = asked(Spamd("SYMBOLS", "bob"), behave)
    assert heard == [b"SYMBOLS SPAMC/1.5\r\nContent-length: %d\r\nUser: bob\r\n\r\n" % len(MESSAGE) + MESSAGE]
    assert (result.verdict, result.score, result.required) == (Verdict.FOUND, 15.2, 5.0)
    assert result.names == ("GTUBE", "MISSING")


def test_spamd_s_fields_are_taken_over_and_no_others() -> None:
    rewritten = b"X-Spam-Flag: YES\r\nX-Spam-Status: Yes,\r\n\tscore=9\r\nSubject: changed\r\n\r\n"
    behave, _ = spamd_saying(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 1.0 / 5.0\r\n\r\n" + rewritten)
    result = asked(Spamd("HEADERS"), behave)
    assert result.verdict is Verdict.CLEAN
    assert result.edits == (
        InsertHeader(0, b"X-Spam-Status", b" Yes,\r\n\tscore=9"), InsertHeader(0, b"X-Spam-Flag", b" YES"),
    )  # fmt: skip
    result = asked(Spamd("PROCESS"), spamd_saying(
        b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 9.0 / 5.0\r\n\r\n" + rewritten + b"wrapped")[0])  # fmt: skip
    assert result.edits[1] == ReplaceBody(b"wrapped")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "without an answer"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: Tr", "not whole"),
        (b"SPAMD/1.1 0 EX_OK\r\nContent-length: 99\r\nSpam: True ; 9 / 5\r\n\r\nGT", "in the middle"),
        (b"SPAMD/1.1 0 EX_OK\r\n\r\n", "no score"),
        (b"SPAMD/1.1 0 EX_OK\r\nSpam: True ; 1.2.3 / 5\r\n\r\n", "no number"),
        (b"SPAMD/1.0 74 EX_IOERR\r\n\r\n", "EX_IOERR (74)"),
        (b"HTTP/1.1 200 OK\r\n\r\n", "not spamd's protocol"),
        (b"SPAMD/1.1 0 EX_OK\r\n\r\n" + b"x" * 300_000, "longer than"),
    ],
)
def test_nonsense_from_spamd_is_a_failure_with_its_reason(answer: bytes, reason: str) -> None:
    result = asked(ENGINES["spamd"], spamd_saying(answer)[0])
    assert result.verdict is Verdict.FAILED
    assert reason in result.reason


@pytest.mark.parametrize("kind", ENGINES)
@pytest.mark.parametrize(
    "octets", [b"", b"\0" * 100, b"\xff" * 3000, b"220 smtp.example\r\n", b"HTTP/1.1 200 OK\r\n\r\n"]
)
def test_garbage_from_any_engine_is_a_failure(kind: str, octets: bytes) -> None:
    assert asked(ENGINES[kind], saying(octets)).verdict is Verdict.FAILED


@pytest.mark.parametrize("kind", ENGINES)
def test_silence_of_any_engine_ends_with_the_time(kind: str) -> None:
    result = asked(ENGINES[kind], silent, seconds=0.05)
    assert result.verdict is Verdict.FAILED
    assert "no answer within 0.0" in result.reason


def test_a_milter_is_told_the_whole_session_at_once() -> None:
    milter = FakeMilter({"E": packet(b"h", b"X-Seen\0yes\0") + packet(b"a")})
    result = asked(ENGINES["milter"], milter)
    assert milter.letters().rstrip("Q") == "CHMRRTLLLNBE"
    assert milter.told("M") == [b"<anna@sender.example>\0"]
    assert milter.told("L")[2] == b"X-Spam-Flag\0NO\0"
    assert b"".join(milter.told("B")) == b"line one\r\n.line two\r\n"
    assert (result.verdict, result.edits) == (Verdict.CLEAN, (AddHeader(b"X-Seen", b"yes"),))


@pytest.mark.parametrize("letter", "CHMRTLNBE")
@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (packet(b"r"), Verdict.FOUND),
        (packet(b"t"), Verdict.DEFER),
        (packet(b"y", b"550 5.1.1 nobody\0"), Verdict.FOUND),
        (packet(b"y", b"451 4.7.1 later\0"), Verdict.DEFER),
        (packet(b"a"), Verdict.CLEAN),
        (packet(b"4"), Verdict.DEFER),
        (b"hang up", Verdict.FAILED),
    ],
)
def test_a_milter_may_end_it_at_every_step(letter: str, answer: bytes, verdict: Verdict) -> None:
    result = asked(ENGINES["milter"], FakeMilter({letter: answer}))
    assert result.verdict is verdict
    assert (result.reply is not None) == (answer[4:5] == b"y")


def test_a_large_body_goes_to_a_milter_in_pieces_of_the_agreed_size(tmp_path: Path) -> None:
    large = tmp_path / "large"
    body = b"".join(b"%08d\r\n" % number for number in range(40_000))
    large.write_bytes(b"Subject: x\r\n\r\n" + body)
    for steps, size in ((0, 65535), (0x10000000, (1 << 18) - 1), (0x80000, 65535)):
        milter = FakeMilter(steps=steps)
        if steps == 0x80000:
            milter.answers["B"] = b""
        assert asked(ENGINES["milter"], milter, message=large).verdict is Verdict.CLEAN
        chunks = milter.told("B")
        assert b"".join(chunks) == body
        assert {len(chunk) for chunk in chunks[:-1]} == {size}
