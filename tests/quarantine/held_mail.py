"""Held mail in a running gateway, as arrival's steps would leave it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from click.testing import CliRunner, Result
from tests.ends import Running

from danelaw.cli import danelaw
from danelaw.queue import Custody, HeldBy, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey

BODY = (
    b"Received: from x\r\nFrom: =?utf-8?q?Bank_=E2=80=AE?= <bank@shop.example>\r\n"
    b"Subject: =?utf-8?b?UmVjaG51bmcg8J+SsA==?=\r\n"
    b"Message-ID: <1@shop.example>\r\nX-Evil: \x1b[2J\xc2\x9b5m\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n.dot\r\n--b\r\nContent-Type: application/zip\r\n"
    b'Content-Disposition: attachment; filename="bill\x1b.zip"\r\n\r\nPK\r\n--b--\r\n'
)


async def hold(
    running: Running,
    *recipients: str,
    step: str = "spam",
    reason: str = "score 12 of 10",
    until: float | None = None,
    body: bytes = BODY,
    sender: str = "bank@shop.example",
    large: bool = False,
    since: float | None = None,
    requiretls: bool = False,
) -> str:
    """Store a message that a step held; gives its id."""
    parts = running.gateway.parts
    spool, now = parts.spool, running.gateway.clock() if since is None else since
    hop = running.gateway.config.delivery.next_hop
    key = RoutingKey("example.org" if hop is None else str(hop))
    given = tuple(
        QueuedRecipient(number, path, key, due=now, state=RecipientState.HELD, reason=reason)
        for number, path in enumerate(recipients or ("anna@example.org",))
    )
    message = QueuedMessage(
        spool.new_id(), now, now + 1000.0, sender, given, len(body), len(given), client_address="192.0.2.7",
        message_id="<1@shop.example>", body_kind="7BIT" if body.isascii() else "8BITMIME",
        requiretls=requiretls, custody=Custody((HeldBy(step, reason),), now, until),
        findings=json.dumps([[step, "held", reason]]),
    )  # fmt: skip
    if large:
        writer = spool.body_writer(message.id)
        writer.write(body)
        message.body_file = writer.close()
    await spool.append(message, None if large else body)
    parts.engine.arrived(message, None if large else body, False)
    return message.id_text


async def told(running: Running, *words: str) -> Result:
    """`danelaw …` against the running gateway."""
    arguments = [*words, "--config", str(running.directory / "danelaw.toml")]
    return await asyncio.to_thread(CliRunner().invoke, danelaw, arguments)


async def answer(running: Running, *words: str) -> Any:
    """The same with `--json`; gives what it prints."""
    result = await told(running, *words, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def acts(running: Running) -> list[tuple[str, str, str, str, int]]:
    """The log of acts: operation, filter, who, why, messages."""
    rows = running.gateway.parts.spool.reader.execute(
        "SELECT operation, filter, who, why, messages FROM acts ORDER BY id"
    )
    return [tuple(row) for row in rows]
