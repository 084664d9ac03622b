"""Messages and addresses of conformance data go through the whole gateway and arrive as they were sent."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.ends import Sink, gateway, run, stuffed, until

from danelaw.address import ForwardPath, Mailbox
from danelaw.errors import DanelawError

pytestmark = pytest.mark.corpus
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
_LONGEST = 4096


def sendable(path: Path) -> bytes | None:
    """A message in canonical form; None for what SMTP cannot carry (RFC 5321 §4.5.3.1.6, NUL octets)."""
    octets = _BARE.sub(b"\r\n", path.read_bytes())
    if not octets.endswith(b"\r\n"):
        octets += b"\r\n"
    if b"\0" in octets or max(map(len, octets.split(b"\n"))) >= _LONGEST:
        return None
    return octets


def test_mime_messages_arrive_octet_by_octet(tmp_path: Path, corpus: Callable[[str], Path]) -> None:
    files = sorted(path for path in corpus("mime").rglob("*") if path.is_file() and path.stat().st_size < 4 << 20)
    messages = {path.name: octets for path in files if (octets := sendable(path)) is not None}
    assert len(messages) > 50

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            refused = []
            client = await running.client()
            async with client:
                for name, octets in messages.items():
                    await client.expect(250, "MAIL FROM:<a@sender.test> BODY=8BITMIME")
                    await client.expect(250, "RCPT TO:<b@x.test>")
                    await client.expect(354, "DATA")
                    client.send(stuffed(octets) + b".\r\n")
                    if (await client.answer()).code != 250:
                        refused.append(name)
            assert not refused
            await sink.messages(len(messages))
            assert sorted(one.content for one in sink.taken) == sorted(messages.values())

    run(play())


def addresses(directory: Path) -> list[str]:
    """All addresses of the collection as their authors wrote them, control characters decoded."""
    root = ElementTree.parse(directory / "isemail" / "test" / "tests.xml").getroot()
    texts = [element.findtext("address") or "" for element in root.iter("test")]
    return ["".join(chr(ord(c) - 0x2400) if 0x2400 <= ord(c) < 0x2420 else c for c in text) for text in texts]


def taken_by_smtp(address: str) -> bool:
    try:
        path = ForwardPath.from_text(f"<{address}>")
    except DanelawError:
        return False
    return address.isascii() and path.mailbox is not None


def test_addresses_arrive_as_they_were_written_or_are_refused(tmp_path: Path, corpus: Callable[[str], Path]) -> None:
    every = [address for address in addresses(corpus("address")) if address and address.isprintable()]
    good = [address for address in every if taken_by_smtp(address)]
    assert len(good) > 30

    async def play() -> None:
        more = 'connect_timeout = "1s"\n[limits]\nerrors = 1000\n'
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + more) as running:
            accepted = []
            async with await running.client() as client:
                for address in every:
                    await client.expect(250, "MAIL FROM:<a@sender.test>")
                    answer = await client.say(f"RCPT TO:<{address}>")
                    if answer.code == 250:
                        accepted.append(address)
                        await client.expect(354, "DATA")
                        await client.expect(250, "Subject: x\r\n\r\nx\r\n.")
                    else:
                        assert 500 <= answer.code < 560, (address, answer)
                        await client.expect(250, "RSET")
            assert set(good) <= set(accepted)
            # An address literal names its own next hop, which nobody answers at.
            accepted = [address for address in accepted if "@[" not in address]
            await until(lambda: len(sink.taken) >= len(accepted), "every message")
            arrived = {
                line.removeprefix("RCPT TO:<").rpartition(">")[0] for one in sink.taken for line in one.recipients
            }
            # RFC 5321 §4.1.2: sent on with as little quoting as possible, which is the same address.
            assert arrived == {Mailbox.from_text(address).to_text().lower() for address in accepted}

    run(play())
