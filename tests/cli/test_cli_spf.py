"""`danelaw spf` over real sockets against the lab's signed DNS: each sender gets what its declaration says."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from danelaw.cli.spf import EXIT_STATUS, command
from danelaw.lab import SENDERS, Lab, Sender
from danelaw.spf import SPFResult


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """Options that lead to a running lab with every sender and no mail host."""
    ready: list[tuple[str, int]] = []
    started, stop = threading.Event(), threading.Event()
    anchor = tmp_path_factory.mktemp("spf") / "anchor"

    async def live() -> None:
        async with Lab(()) as lab:
            anchor.write_text(lab.anchors_text)
            ready.append(lab.name_server.address)
            started.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(live()))
    thread.start()
    try:
        assert started.wait(60)
        host, port = ready[0]
        yield ("--server", f"{host}:{port}", "--anchor", str(anchor))
    finally:
        stop.set()
        thread.join()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, arguments, standalone_mode=False, catch_exceptions=False)


def _arguments(sender: Sender) -> tuple[str, ...]:
    identity = ("--mail-from", sender.mail_from) if sender.identity == "mailfrom" else ()
    return ("--ip", sender.client, "--helo", sender.helo, *identity)


@pytest.mark.parametrize("sender", SENDERS, ids=lambda sender: sender.domain)
def test_each_sender_gets_its_result(sender: Sender, options: tuple[str, ...]) -> None:
    found = run(*_arguments(sender), "--json", *options)
    said = json.loads(found.output)
    assert (said["result"], said["dnssec"]) == (sender.spf, sender.dnssec), said["reason"]
    assert (said["domain"], said["identity"]) == (sender.domain, sender.identity)
    assert said["explanation"] == sender.explanation
    assert found.return_value == EXIT_STATUS[SPFResult(sender.spf)]
    assert said["trace"][0]["asked"][0]["question"] == f"{sender.domain}. TXT"
    assert " ".join(said["received_spf"].split()).startswith(f"Received-SPF: {sender.spf} (unknown: ")
    assert f"spf={sender.spf}" in said["authentication_results"]


def test_every_result_has_its_sender() -> None:
    assert {sender.spf for sender in SENDERS} == {result.value for result in SPFResult}
    assert {sender.dnssec for sender in SENDERS} == {"secure", "insecure", "bogus", "indeterminate"}


def test_the_page_begins_with_the_answer_and_ends_with_what_to_do_next(options: tuple[str, ...]) -> None:
    sender = next(sender for sender in SENDERS if sender.domain == "spf-fail.lab")
    lines = run(*_arguments(sender), *options).output.splitlines()
    assert "fail: 203.0.113.99 may not use spf-fail.lab." in lines[0]
    text = "\n".join(lines)
    assert "The domain spf-fail.lab explains: 203.0.113.99 is none of our hosts" in text
    assert "every answer is proved by signatures" in text
    assert lines[-1] == "next: danelaw dns spf-fail.lab TXT"


def test_a_bogus_answer_is_shown_with_its_question(options: tuple[str, ...]) -> None:
    sender = next(sender for sender in SENDERS if sender.domain == "spf-forged.lab")
    lines = run(*_arguments(sender), *options).output.splitlines()
    assert "temperror" in lines[0]
    assert any("does not verify" in line for line in lines)
    assert lines[-1] == "next: danelaw dns spf-forged.lab TXT"


def test_the_null_reverse_path_stands_for_postmaster_at_the_helo_domain(options: tuple[str, ...]) -> None:
    base = ("--ip", "192.0.2.10", "--helo", "spf-pass.lab", "--json", *options)
    for mail_from in ("", "<>"):
        said = json.loads(run(*base, "--mail-from", mail_from).output)
        assert (said["result"], said["sender"]) == ("pass", "postmaster@spf-pass.lab")


def test_a_hostile_helo_writes_no_field(options: tuple[str, ...]) -> None:
    arguments = ("--ip", "192.0.2.10", "--helo", "x\r\nBcc: y", "--mail-from", "a@spf-pass.lab")
    said = json.loads(run(*arguments, "--json", *options).output)
    assert said["result"] == "pass"
    assert said["received_spf"] is None


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(click.UsageError, match="--ip: 'host' is not an IP address"):
        run("--ip", "host", "--helo", "x.example")
