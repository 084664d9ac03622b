"""`danelaw queue`: with a running gateway through its socket, without one from the spool itself."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from danelaw.cli.control import ControlError, NoServer, call
from danelaw.cli.queue import command
from danelaw.errors import DanelawError
from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.spool import Spool, SpoolLocked, SpoolSettings

ROOT = Path(__file__).resolve().parents[2]


def fill(directory: Path, shard: int = 0, count: int = 3) -> list[str]:
    """Messages from bob to r0, r1 … at example.org; returns their ids."""

    async def run() -> list[str]:
        spool = Spool.open(directory, shard, settings=SpoolSettings(reserve=0))
        ids = []
        for number in range(count):
            now = time.time()
            recipient = QueuedRecipient(
                0, f"r{number}@example.org", RoutingKey("example.org"), due=now, reason="busy\x1b[2J"
            )
            message = QueuedMessage(spool.new_id(), now, now + 1e5, "bob@shop.example", (recipient,), 100)
            await spool.append(message, b"body")
            ids.append(message.id_text)
        await spool.close()
        return ids

    return asyncio.run(run())


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), catch_exceptions=True, standalone_mode=False)


def output(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exception is None, result.exception
    return result.output


def failure(*arguments: str) -> DanelawError:
    result = run(*arguments)
    assert isinstance(result.exception, DanelawError), result.output
    return result.exception


def test_list_shows_what_waits_and_what_to_type_next(tmp_path: Path) -> None:
    ids = fill(tmp_path)
    text = output("list", "--spool", str(tmp_path))
    for number, one in enumerate(ids):
        assert re.search(rf"{one}\s+\S+ s\s+waiting\s+bob@shop.example\s+r{number}@example.org\s+busy", text)
    assert "\x1b[2J" not in text
    assert text.rstrip().endswith(f"next: danelaw queue show {ids[0]}")
    assert max(map(len, text.splitlines())) <= 116


def test_list_pages_and_names_the_next_page(tmp_path: Path) -> None:
    ids = fill(tmp_path)
    text = output("list", "to:r*", "--limit", "2", "--spool", str(tmp_path))
    assert f"danelaw queue list 'to:r*' --after {ids[1]}" in text
    assert ids[2] in output("list", "to:r*", "--after", ids[1], "--spool", str(tmp_path))


def test_json_is_what_the_schema_page_describes(tmp_path: Path) -> None:
    ids = fill(tmp_path)
    page = json.loads(output("list", "to:r1@*", "--json", "--spool", str(tmp_path)))
    example = re.search(r"```json\n(.*?)```", (ROOT / "docs/schemas/queue-list.md").read_text(), re.DOTALL)
    assert example is not None
    documented = json.loads(example[1])
    assert page.keys() == documented.keys()
    assert [message["id"] for message in page["messages"]] == [ids[1]]
    assert page["messages"][0].keys() == documented["messages"][0].keys()
    assert page["messages"][0]["recipients"][0].keys() == documented["messages"][0]["recipients"][0].keys()
    assert page["schema"] == documented["schema"]


def test_shards_are_listed_as_one(tmp_path: Path) -> None:
    ids = sorted(fill(tmp_path, 0) + fill(tmp_path, 1))
    page = json.loads(output("list", "--limit", "4", "--json", "--spool", str(tmp_path)))
    assert [message["id"] for message in page["messages"]] == ids[:4]
    rest = json.loads(output("list", "--after", page["after"], "--json", "--spool", str(tmp_path)))
    assert [message["id"] for message in rest["messages"]] == ids[4:]
    for one in ids:
        assert json.loads(output("show", one, "--json", "--spool", str(tmp_path)))["id"] == one
    assert "6 messages" in output("hold", "--all", "--spool", str(tmp_path))


def test_acts_say_what_they_did(tmp_path: Path) -> None:
    ids = fill(tmp_path)
    place = ("--spool", str(tmp_path))
    assert "1 message, 1 of their recipients: held" in output("hold", f"id:{ids[0]}", "--because", "T-1", *place)
    assert ids[0] in output("list", "state:held", *place)
    assert "HELD" in output("show", ids[0], *place)
    assert "released" in output("release", "state:held", *place)
    assert "due now" in output("retry", "--all", *place)
    assert "another way" in output("reroute", "to:r1@*", "--via", "[relay.example]:25", "--because", "T-2", *place)
    assert ids[1] in output("list", "host:[relay.example]:25", *place)
    assert "dropped" in output("drop", "to:r1@*", "--because", "T-3", *place)
    assert ids[1] in output("list", "--finished", *place)
    assert "forgot 1 finished messages" in output("purge", "r1@example.org", *place)
    assert "no finished message" in output("list", "--finished", *place)
    assert "nothing was changed" in output("hold", "to:nobody@example.org", *place)


def test_errors_carry_advice(tmp_path: Path) -> None:
    fill(tmp_path)
    place = ("--spool", str(tmp_path))
    assert "--all" in str(failure("drop", *place).advice)
    assert "--because" in str(failure("drop", "--all", *place).advice)
    assert "queue drop" in str(failure("fail", "--all", "--because", "x", *place).advice)
    assert "state:waiting" in str(failure("list", "state:deferred", *place).advice)
    assert "--spool" in str(failure("list", "--spool", str(tmp_path / "nowhere")).advice)
    assert "queue list" in str(failure("show", "00000000001", *place).advice)
    assert "purge anna@example.org" in str(failure("purge", "anna", *place).advice)


def test_looking_needs_no_lock_and_changing_does(tmp_path: Path) -> None:
    fill(tmp_path)
    spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0))
    assert "r0@example.org" in output("list", "--spool", str(tmp_path))
    assert isinstance(failure("hold", "--all", "--spool", str(tmp_path)), SpoolLocked)
    spool.close_now()


@contextmanager
def gateway(path: Path, answer: bytes | dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """A control socket that gives one answer; yields the requests it got."""
    requests: list[dict[str, Any]] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rb") as lines:
            requests.append(json.loads(lines.readline()))
            connection.sendall(answer if isinstance(answer, bytes) else json.dumps(answer).encode() + b"\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield requests
        thread.join(10)
    finally:
        listener.close()


def test_a_running_gateway_is_asked_first(tmp_path: Path) -> None:
    result = {"messages": 2, "recipients": 3, "skipped": 1}
    with gateway(tmp_path / "control.sock", {"ok": True, "result": result}) as requests:
        text = output("drop", "to:anna@example.org", "or", "size>1M", "--because", "T", "--spool", str(tmp_path))
    assert "2 messages, 3 of their recipients: dropped" in text
    assert "1 recipients were being delivered" in text
    [request] = requests
    assert request["op"] == "queue.drop"
    assert request["args"]["filter"] == "to:anna@example.org or size>1M"
    assert request["args"]["why"] == "T"
    assert request["args"]["who"]


def test_the_gateways_refusal_is_passed_on(tmp_path: Path) -> None:
    refusal = {"ok": False, "error": {"reason": "no such thing", "advice": "try another"}}
    with gateway(tmp_path / "control.sock", refusal), pytest.raises(ControlError) as caught:
        call(tmp_path / "control.sock", "queue.list", {})
    assert (caught.value.reason, caught.value.advice) == ("no such thing", "try another")


@pytest.mark.parametrize(
    "answer",
    [b"", b"\n", b"[]\n", b"{}\n", b'{"ok": false}\n', b'{"ok": true}\n', b"\xff\n", b"x" * 70000, b"[" * 9999 + b"\n"],
)
def test_an_unreadable_answer_is_an_error_in_words(tmp_path: Path, answer: bytes) -> None:
    with gateway(tmp_path / "control.sock", answer), pytest.raises(ControlError):
        call(tmp_path / "control.sock", "queue.list", {})


def test_a_stale_socket_means_no_gateway(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "control.sock"))
    dead.close()
    with pytest.raises(NoServer):
        call(tmp_path / "control.sock", "queue.list", {})
    fill(tmp_path)
    assert "r0@example.org" in output("list", "--spool", str(tmp_path))


def test_groups_are_listed_with_the_filter_for_the_first(tmp_path: Path) -> None:
    fill(tmp_path)
    place = ("--spool", str(tmp_path))
    text = output("list", "--group-by", "next-hop", *place)
    assert re.search(r"3\s+3\s+300 bytes\s+\S+ s\s+\S+.*example.org", text)
    assert "3 waiting or held messages, 300 bytes, in 1 group by next-hop" in text
    assert text.rstrip().endswith("next: danelaw queue list host:example.org")
    assert max(map(len, text.splitlines())) <= 116
    by_reason = output("list", "--group-by", "reason", "to:r1@*", *place)
    assert "\x1b[2J" not in by_reason
    assert by_reason.rstrip().endswith("next: danelaw queue list --group-by next-hop 'to:r1@*'")
    assert "no waiting or held message matches" in output("list", "--group-by", "state", "to:nobody@x.example", *place)


@pytest.mark.parametrize("by", ["next-hop", "domain", "sender", "state", "demand"])
def test_the_filter_named_for_a_group_lists_just_that_group(tmp_path: Path, by: str) -> None:
    fill(tmp_path)
    place = ("--spool", str(tmp_path))
    text = output("list", "--group-by", by, "not to:r0@*", *place)
    words = shlex.split(text.rstrip().splitlines()[-1].removeprefix("next: danelaw queue list"))
    listed = json.loads(output("list", *words, "--json", *place))["messages"]
    assert [row["recipients"][0]["to"] for row in listed] == ["r1@example.org", "r2@example.org"]


def test_groups_as_json_are_what_the_schema_page_describes(tmp_path: Path) -> None:
    fill(tmp_path)
    found = json.loads(output("list", "--group-by", "domain", "--json", "--spool", str(tmp_path)))
    example = re.search(r"```json\n(.*?)```", (ROOT / "docs/schemas/queue-groups.md").read_text(), re.DOTALL)
    assert example is not None
    documented = json.loads(example[1])
    assert found.keys() == documented.keys()
    assert found["groups"][0].keys() == documented["groups"][0].keys()
    assert found["total"].keys() == documented["total"].keys()
    assert found["schema"] == documented["schema"]


def test_groups_of_shards_are_one(tmp_path: Path) -> None:
    fill(tmp_path, 0)
    fill(tmp_path, 1, count=2)
    found = json.loads(output("list", "--group-by", "sender", "--limit", "1", "--json", "--spool", str(tmp_path)))
    assert [(group["name"], group["messages"]) for group in found["groups"]] == [("bob@shop.example", 5)]
    assert found["total"]["messages"] == 5


def test_groups_have_no_pages(tmp_path: Path) -> None:
    ids = fill(tmp_path)
    failed = failure("list", "--group-by", "domain", "--after", ids[0], "--spool", str(tmp_path))
    assert "--limit" in (failed.advice or "")
