"""Whose mail it is: by network and envelope sender, and not by what strangers claim."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.ends import Client, Sink, gateway, run, until

from danelaw.address import ReversePath
from danelaw.config import ConfigError, loads
from danelaw.config.schema import SMALLEST
from danelaw.inbound.tenants import Tenants

TENANTS = """
[[tenant]]
name = "both"
networks = ["192.0.2.0/25"]
senders = ["news.example.org"]
[[tenant]]
name = "network"
networks = ["192.0.2.0/24"]
[[tenant]]
name = "sender"
senders = [".example.org"]
"""


@pytest.mark.parametrize(
    ("client", "sender", "trusted", "tenant"),
    [
        ("192.0.2.1", "a@news.example.org", False, "both"),
        ("::ffff:192.0.2.1", "a@news.example.org", True, "both"),
        ("192.0.2.1", "a@elsewhere.example", False, "network"),
        ("192.0.2.200", "a@news.example.org", True, "network"),
        ("192.0.2.200", "", False, "network"),
        ("198.51.100.1", "a@news.example.org", True, "sender"),
        ("198.51.100.1", "a@news.example.org", False, ""),
        ("198.51.100.1", "a@example.org", True, ""),
        ("198.51.100.1", "", True, ""),
    ],
)
def test_the_first_that_fits_is_it(client: str, sender: str, trusted: bool, tenant: str) -> None:
    tenants = Tenants(loads(SMALLEST + TENANTS).tenant)
    for _ in range(2):  # worked out, and remembered
        assert tenants.of(client, ReversePath.from_text(f"<{sender}>"), trusted=trusted) == tenant


def test_users_are_tenants_wherever_they_come_from_and_strangers_are_not() -> None:
    text = '[[tenant]]\nname = "shop"\nusers = ["@shop.example", "anna"]\n'
    tenants = Tenants(loads(SMALLEST + text).tenant)
    for user, tenant in (
        ("bert@shop.example", "shop"),
        ("anna", "shop"),
        ("bert", ""),
        ("anna@x.example", ""),
        ("", ""),
    ):
        assert tenants.of("192.0.2.1", ReversePath.from_text("<>"), trusted=True, user=user) == tenant


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[[tenant]]\nname = "all"\n', "everybody would be this tenant"),
        (TENANTS.replace('"both"', '"network"'), "appears twice"),
    ],
)
def test_a_faulty_tenant_is_refused(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        loads(SMALLEST + text)


def test_a_limit_on_a_tenant_holds_its_mail_and_nobody_elses(tmp_path: Path) -> None:
    async def play() -> None:
        tenants = (
            '[[tenant]]\nname = "news"\nnetworks = ["127.0.0.5/32"]\n'
            '[[limit]]\nname = "bulk"\ntenant = ["news"]\nrate = "1/day"\n'
        )
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + tenants) as running:
            async with await Client.connect(running.address, source="127.0.0.5") as client:
                await client.greeted()
                first, second = [await client.message(b"Subject: x\r\n\r\nx\r\n", "b@x.test") for _ in range(2)]
            await running.reaches(first, "delivered")
            gate = running.gateway.parts.engine.scheduler.gate
            assert gate is not None
            await until(lambda: [one.key.tenant for one in gate.waiting()] == ["news"], "the tenant's queue waits")
            for _ in range(3):
                await running.reaches(await running.send("c@x.test"), "delivered")
            assert running.look(second)["state"] == "waiting"

    run(play())
