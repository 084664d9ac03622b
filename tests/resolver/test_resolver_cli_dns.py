"""`danelaw dns` over a real socket: the JSON other tools rely on, the words for people, the exit status."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dns.rcode
import dns.rdatatype
import pytest
from click.testing import CliRunner, Result
from tests.resolver.scripted_dns import NOW, Asked, ScriptedServer, SignedZone, Trick

from danelaw.cli.dns import command
from danelaw.cli.network import parse_server, parse_time, read_anchors

ZONE = SignedZone()


@contextmanager
def serving(trick: Trick | None = None) -> Iterator[str]:
    """A scripted server in a thread of its own, since the command runs its own event loop."""
    ready, stop = threading.Event(), asyncio.Event()
    address: list[Any] = []
    loop = asyncio.new_event_loop()

    async def main() -> None:
        async with ScriptedServer(ZONE, trick) as server:
            address.append(server.address)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()))
    thread.start()
    try:
        assert ready.wait(10)
        yield f"{address[0][0]}:{address[0][1]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.fixture
def anchor(tmp_path: Path) -> str:
    key = ZONE.zone.find_rdataset(".", dns.rdatatype.DNSKEY)[0].to_text()
    file = tmp_path / "anchor"
    file.write_text(f"; the root of this test\n$TTL 3600\n. IN DNSKEY {key}\n")
    return str(file)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)


def run_json(server: str, anchor: str, *arguments: str) -> tuple[dict[str, Any], int]:
    result = run(*arguments, "--server", server, "--anchor", anchor, "--at", str(NOW), "--json")
    value: dict[str, Any] = json.loads(result.output)
    return value, int(result.return_value)


def strip_signatures(asked: Asked) -> bytes:
    reply = asked.reply()
    for section in (reply.answer, reply.authority):
        section[:] = [rrset for rrset in section if rrset.rdtype != dns.rdatatype.RRSIG]
    return reply.to_wire(max_size=65535)


def test_the_json_contract(anchor: str) -> None:
    with serving() as server:
        value, status = run_json(server, anchor, "mx.example", "A")
        assert {key: value[key] for key in ("status", "rcode", "ede", "answer")} == {
            "status": "secure",
            "rcode": "NOERROR",
            "ede": None,
            "answer": ["mx.example. 600 IN A 192.0.2.10"],
        }
        assert status == 0
        assert value["chain"][0]["zone"] == "."
        value, status = run_json(server, anchor, "alias.example", "A")
        assert value["answer"] == ["alias.example. 300 IN CNAME mx.example.", "mx.example. 600 IN A 192.0.2.10"]
        value, status = run_json(server, anchor, "absent.example", "TLSA")
        assert (value["status"], value["rcode"], value["answer"], status) == ("secure", "NXDOMAIN", [], 0)


def test_bogus_and_indeterminate_have_their_exit_status(anchor: str) -> None:
    with serving(strip_signatures) as server:
        value, status = run_json(server, anchor, "mx.example", "A")
    assert (value["status"], value["answer"], status) == ("bogus", [], 3)
    with serving(lambda asked: asked.error(dns.rcode.SERVFAIL)) as server:
        value, status = run_json(server, anchor, "mx.example", "A")
    assert (value["status"], value["answer"], status) == ("indeterminate", [], 4)


def test_the_clock_can_be_set(anchor: str) -> None:
    with serving() as server:
        late = run("mx.example", "A", "--server", server, "--anchor", anchor, "--at", "20300101000000", "--json")
    assert json.loads(late.output)["status"] == "bogus"


def test_words_begin_with_the_answer_and_end_with_what_to_do_next(anchor: str) -> None:
    with serving() as server:
        options = ("--server", server, "--anchor", anchor, "--at", str(NOW))
        found = run("_25._tcp.mx.example", "TLSA", *options).output.splitlines()
        absent = run("absent.example", "MX", *options).output.splitlines()
    assert "_25._tcp.mx.example TLSA: 1 record, proved by signatures." in found[0]
    assert "TLSA 3 1 1 0d6f88a1" in found[1]
    assert found[-1] == "next: danelaw check mx.example"
    assert "absent.example does not exist: proved by signatures." in absent[0]
    with serving(strip_signatures) as server:
        bogus = run("mx.example", "A", "--server", server, "--anchor", anchor, "--at", str(NOW)).output.splitlines()
    assert "BOGUS" in bogus[0]
    assert bogus[-1].startswith("next: danelaw doctor")


@pytest.mark.parametrize(
    ("text", "zones"),
    [
        (". DS 1 8 2 00", {"."}),
        ("$TTL 1h\n$ORIGIN example.\n@ IN DS 1 8 2 00\na 60 IN DS 1 8 2 00 ; note\nb.test. DS 1 8 2 00", None),
        ("$ORIGIN org.\n$ORIGIN example\nx DS ( 1 8\n2\n00 )\n IN DS 2 8 2 00\n", {"x.example.org."}),
    ],
)
def test_anchor_files_may_have_directives(tmp_path: Path, text: str, zones: set[str] | None) -> None:
    file = tmp_path / "anchor"
    file.write_text(text.replace("00", "00" * 32))
    found = {zone.to_text() for zone in read_anchors(file).zones}
    assert found == (zones or {"example.", "a.example.", "b.test."})


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("127.0.0.1", ("127.0.0.1", 53)),
        ("127.0.0.1:5353", ("127.0.0.1", 5353)),
        ("::1", ("::1", 53)),
        ("[::1]:5353", ("::1", 5353)),
        ("[::1]", ("::1", 53)),
    ],
)
def test_servers(text: str, server: tuple[str, int]) -> None:
    assert parse_server(text) == server


@pytest.mark.parametrize(
    "text", ["1795474800", "1795474800.0", "20261123230000", "2026-11-23T23:00:00Z", "2026-11-24T00:00:00+01:00"]
)
def test_times(text: str) -> None:
    assert parse_time(text) == 1_795_474_800.0


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("mx.example", "NOTATYPE"), "record type"),
        (("mx.example", "AXFR"), "validated"),
        (("a" * 64 + ".example", "A"), "domain name"),
        (("mx.example", "A", "--server", "ns.example"), "--server"),
        (("mx.example", "A", "--at", "tomorrow"), "--at"),
        (("mx.example", "A", "--anchor", "/nonexistent/file"), "cannot be read"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], word: str) -> None:
    with pytest.raises(Exception, match=word):
        run(*arguments)
