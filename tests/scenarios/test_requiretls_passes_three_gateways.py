"""REQUIRETLS through a chain of gateways (RFC 8689): delivered when all offer it, else returned by the one before.

sender ─► a ─► b ─► c ─► end.lab, each found by signed MX and proved by DANE. What b or c returns goes back through a.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Client, run, until

from danelaw.cli import danelaw
from danelaw.config import load
from danelaw.gateway import Gateway
from danelaw.lab import Lab
from danelaw.lab.received import ReceivedMessage
from danelaw.lab.scenario import Behaviour, Host, Scenario
from danelaw.lab.settings import CONFIG_FILE, write_settings
from danelaw.queue import id_from_text
from danelaw.spool.view import shown
from danelaw.telemetry import Log

OFFERS = (Host(behaviour=Behaviour(requiretls=True)),)
GATEWAYS = tuple(Scenario(domain=f"{name}.lab") for name in "abc")
END, ABLE = Scenario(domain="end.lab", hosts=OFFERS), Scenario(domain="able.lab", hosts=OFFERS)
UNABLE = Scenario(domain="unable.lab", hosts=(Host(),))
BACK_BY_A = '[[route]]\ndomain = "able.lab"\nnext_hop = "a.lab"\n[[route]]\ndomain = "unable.lab"\nnext_hop = "a.lab"\n'
WAYS = {
    "a": '[[route]]\ndomain = "end.lab"\nnext_hop = "b.lab"\n',
    "b": '[[route]]\ndomain = "end.lab"\nnext_hop = "c.lab"\n' + BACK_BY_A,
    "c": BACK_BY_A,
}
BODY = b"From: anna@able.lab\r\nMessage-ID: <1@able.lab>\r\nSubject: a secret\r\n\r\nthe secret itself\r\n"


class Chain:
    """The lab with three gateways of ours in the places of three of its mail hosts."""

    def __init__(self, directory: Path, lab: Lab) -> None:
        self.directory, self.lab = directory, lab
        self.gateways: dict[str, Gateway] = {}
        self.logs: dict[str, Any] = {}

    async def start(self, *, lacking: str, more: dict[str, str]) -> None:
        for number, name in enumerate(WAYS):
            host = f"127.{78 + number}.{os.getpid() % 250}.25"
            with socket.socket() as free:
                free.bind((host, 0))
                target = free.getsockname()
            for address, _ in self._placed(name).addresses:
                self.lab.routes[address, 25] = target
        for name in WAYS:
            config = self._settings(name, "" if name not in lacking else "requiretls = false\n", more.get(name, ""))
            log, self.logs[name] = Log.in_memory()
            self.gateways[name] = Gateway(load(config), log=log)
            await self.gateways[name].start()

    def _placed(self, name: str):  # type: ignore[no-untyped-def]
        return next(one for one in self.lab.world.hosts if one.scenario.domain == f"{name}.lab")

    def _settings(self, name: str, listen: str, more: str) -> Path:
        place, placed = self.directory / name, self._placed(name)
        host, port = self.lab.routes[placed.addresses[0][0], 25]
        config = write_settings(self.lab, place, listen=f"{host}:{port}")
        (place / "shown.pem").write_bytes(placed.shown.chain_pem)
        (place / "shown.key").write_bytes(placed.shown.key_pem)
        text = config.read_text().replace('"gateway.lab"', f'"{placed.name}"', 1)
        text = text.replace("[relay]", f"{listen}[relay]", 1)
        certificate = f'[[certificate]]\nchain = "{place}/shown.pem"\nkey = "{place}/shown.key"\n'
        head, _, routes = text.partition("[lab.routes]")
        end = '[doctor]\nat_start = false\n[delivery]\nconnect_timeout = "3s"\n'
        config.write_text(f"{head}{certificate}{WAYS[name]}{more}{end}[lab.routes]{routes}")
        return config

    async def submit(self, sender: str) -> str:
        """A message to end.lab under REQUIRETLS; gives its id at the first gateway."""
        async with await Client.connect(self.gateways["a"].listening[0]) as client:
            await client.greeted()
            await client.start_tls("mx.a.lab")
            assert "REQUIRETLS" in (await client.expect(250, "EHLO client.lab")).lines
            return await client.message(BODY, "bob@end.lab", sender=sender, mail=" REQUIRETLS")

    async def received(self, domain: str) -> ReceivedMessage:
        """The one message for a domain."""
        await until(lambda: self.lab.received(domain), f"mail for {domain}")
        (message,) = self.lab.received(domain)
        return message

    def look(self, name: str, number: str) -> dict[str, Any]:
        """A message at one of the gateways."""
        return dict(shown(self.gateways[name].parts.spool.reader, id_from_text(number), 0.0))

    def state(self, name: str, number: str) -> str:
        """Of a message at one of the gateways."""
        return str(self.look(name, number)["state"])

    async def told(self, name: str, *words: str) -> str:
        """`danelaw …` with the configuration of one of them."""
        arguments = [*words, "--config", str(self.directory / name / CONFIG_FILE)]
        return (await asyncio.to_thread(CliRunner().invoke, danelaw, arguments)).output

    def lines(self, name: str, event: str) -> list[str]:
        """Log lines of one event at one of them."""
        self.gateways[name].log.flush()
        return [line for line in self.logs[name].lines if f" {event} " in line]

    def count(self, name: str, outcome: str) -> float:
        """What came of REQUIRETLS mail at one of them."""
        return self.gateways[name].metrics.sender_demands.cell("requiretls", outcome).value


@asynccontextmanager
async def chain(directory: Path, *, lacking: str = "", more: dict[str, str] | None = None) -> AsyncIterator[Chain]:
    async with Lab((*GATEWAYS, END, ABLE, UNABLE)) as lab:
        made = Chain(directory, lab)
        try:
            await made.start(lacking=lacking, more=more or {})
            yield made
        finally:
            await asyncio.gather(*(gateway.stop() for gateway in made.gateways.values()))


def test_all_offer_it_and_the_demand_goes_the_whole_way(tmp_path: Path) -> None:
    async def play() -> None:
        async with chain(tmp_path) as made:
            await made.submit("anna@able.lab")
            message = await made.received("end.lab")
            assert "REQUIRETLS" in message.mail_parameters
            assert message.data.count(b"Received: from") == 3
            await until(lambda: [made.count(name, "delivered") for name in WAYS] == [1, 1, 1], "the counts")

    run(play())


@pytest.mark.parametrize("sender", ["able", "unable"])
def test_the_third_lacks_it_and_the_second_returns_the_message(tmp_path: Path, sender: str) -> None:
    async def play() -> None:
        async with chain(tmp_path, lacking="c") as made:
            await made.submit(f"anna@{sender}.lab")
            notice = await made.received(f"{sender}.lab")
            assert made.count("a", "delivered") >= 1
            assert made.count("b", "returned") == 1
            assert not made.lab.received("end.lab")
            assert not made.lab.exposed("end.lab")
            for words in (b"Status: 5.7.30", b"bob@end.lab", b"Reporting-MTA: dns;mx.b.lab"):
                assert words in notice.data.replace(b"dns; ", b"dns;"), notice.data.decode()
            assert b"the secret itself" not in notice.data
            # The way back led through a, over REQUIRETLS; behind it one domain offers the extension and one does not.
            assert b"by mx.a.lab" in notice.data
            assert ("REQUIRETLS" in notice.mail_parameters) is (sender == "able")
            assert (b"a secret" in notice.data) is (sender == "able")

    run(play())


def test_verified_tls_is_enough_where_the_operator_says_so_and_each_use_is_recorded(tmp_path: Path) -> None:
    override = '[[override]]\ndestination = "c.lab"\ntls = "dane-require"\nrequiretls = "verified-tls"\n'

    async def play() -> None:
        async with chain(tmp_path, lacking="c", more={"b": override}) as made:
            first = await made.submit("anna@able.lab")
            message = await made.received("end.lab")
            assert "REQUIRETLS" not in message.mail_parameters, "c was told nothing of the demand"
            await until(lambda: made.state("a", first) == "delivered", "the record at a")
            await until(lambda: made.count("b", "delivered without the extension") == 1, "the count at b")
            assert made.count("b", "delivered") == 0
            (line,) = made.lines("b", "delivered")
            assert line.endswith('demand=requiretls extension="not offered"')
            number = line.partition(" id=")[2].partition(" ")[0]
            await until(lambda: made.state("b", number) == "delivered", "the record")
            (tried,) = made.look("b", number)["attempts"]
            assert tried["demand"] == "requiretls"
            used = "REQUIRETLS not offered: verified TLS is enough by your override c.lab = dane-require"
            assert used in tried["reason"]
            for words in (("explain", number), ("check", "c.lab", "--demand", "requiretls")):
                said = await made.told("b", *words)
                assert used in " ".join(said.split())
                assert "not RFC 8689" in " ".join(said.split())
            assert "the sender demands REQUIRETLS" in await made.told("b", "explain", number)
            assert "REQUIRETLS: verified TLS is enough" in await made.told("b", "override", "list")
            receipt, anchor = tmp_path / "receipt.json", tmp_path / "root.ds"
            anchor.write_text(made.lab.anchors_text)
            await made.told("b", "explain", number, "--proof", str(receipt))
            page = await asyncio.to_thread(
                CliRunner().invoke, danelaw, ["verify", str(receipt), "--anchor", str(anchor)]
            )
            said = page.output
            assert "HOLDS: DELIVERED to bob@end.lab, protected by: DANE" in said
            assert used in " ".join(said.split())

    run(play())
