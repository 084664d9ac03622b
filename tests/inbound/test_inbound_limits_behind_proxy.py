"""Behind a load balancer limits and trust are those of the real client, not of the balancer."""

from __future__ import annotations

import ipaddress
import struct
from pathlib import Path

from tests.ends import Client, Running, gateway, run, until

from danelaw.net.proxy import SIGNATURE

PROXY = 'proxy = ["127.0.0.9/32"]'


def header(source: str) -> bytes:
    block = ipaddress.ip_address(source).packed * 2 + struct.pack("!HH", 4711, 25)
    return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(block)) + block


async def client_of(running: Running, source: str) -> Client:
    client = await Client.connect(running.address, source="127.0.0.9")
    client.send(header(source))
    return client


def test_connections_are_counted_by_the_real_client(tmp_path: Path) -> None:
    async def play() -> None:
        limits = "[limits]\nconnections_per_client = 1\n"
        async with gateway(tmp_path, limits, listen=PROXY) as running:
            async with await client_of(running, "192.0.2.1") as first, await client_of(running, "192.0.2.2") as second:
                await first.greeted()
                await second.greeted()
                async with await client_of(running, "192.0.2.1") as third:
                    await third.expect(421)
            await until(lambda: not running.gateway.parts.intake.sessions, "the end of all sessions")
            async with await client_of(running, "192.0.2.1") as again:
                await again.greeted()

    run(play())


def test_trust_is_given_to_the_real_client(tmp_path: Path) -> None:
    async def play() -> None:
        trusted = {'networks = ["127.0.0.0/8"]': 'networks = ["127.0.0.0/8", "192.0.2.7/32"]'}
        async with gateway(tmp_path, listen=PROXY, replace=trusted) as running:
            for source, code in (("192.0.2.7", 250), ("192.0.2.8", 550)):
                async with await client_of(running, source) as client:
                    await client.greeted()
                    await client.expect(250, "MAIL FROM:<a@sender.test>")
                    await client.expect(code, "RCPT TO:<b@elsewhere.example>")

    run(play())


def test_a_balancers_own_check_needs_no_address(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            gateway(tmp_path, listen=PROXY) as running,
            await Client.connect(running.address, source="127.0.0.9") as check,
        ):
            check.send(SIGNATURE + b"\x20\x00\x00\x00")
            await check.greeted()
            await check.expect(221, "QUIT")

    run(play())
