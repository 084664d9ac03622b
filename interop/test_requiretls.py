"""REQUIRETLS with a peer that implements it on both sides: Nodemailer sends, its smtp-server receives (RFC 8689)."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from interop.report import Report

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Behaviour, Host, Scenario

PLACE = Path(os.environ.get("DANELAW_INTEROP", "/nonexistent")) / "nodemailer" / "node_modules"
SCRIPT = Path(__file__).with_name("requiretls_peer.cjs")
SECTION = "REQUIRETLS: Nodemailer"
PEER, BACK = (
    Scenario(domain="peer.lab"),
    Scenario(domain="back.lab", hosts=(Host(behaviour=Behaviour(requiretls=True)),)),
)

pytestmark = [
    pytest.mark.skipif(not PLACE.is_dir() or shutil.which("node") is None, reason="not installed: Nodemailer"),
    pytest.mark.timeout(120),
]


def version(name: str) -> str:
    """Of an installed package."""
    return str(json.loads((PLACE / name / "package.json").read_text())["version"])


@asynccontextmanager
async def node(*words: str) -> AsyncIterator[asyncio.StreamReader]:
    """The script with these arguments; gives its output."""
    process = await asyncio.create_subprocess_exec(
        "node", str(SCRIPT), *words, stdout=asyncio.subprocess.PIPE, env={**os.environ, "NODE_PATH": str(PLACE)}
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def line(output: asyncio.StreamReader) -> dict[str, Any]:
    """The next object it prints."""
    async with asyncio.timeout(30):
        return dict(json.loads(await output.readline()))


class Encounter(Rehearsal):
    """The gateway in the lab, whose host for peer.lab is an smtp-server. `offers`: our listener has REQUIRETLS."""

    offers = True

    def write_settings(self) -> None:
        super().write_settings()
        if not self.offers:
            text = self.config_file.read_text()
            self.config_file.write_text(text.replace("[relay]", "requiretls = false\n[relay]", 1))


@asynccontextmanager
async def encounter(
    directory: Path, *, peer: str, offers: bool = True
) -> AsyncIterator[tuple[Encounter, asyncio.StreamReader]]:
    made = Encounter((PEER, BACK), directory)
    made.offers = offers
    await made.lab.start()
    try:
        placed = next(one for one in made.lab.world.hosts if one.scenario is PEER)
        (directory / "peer.pem").write_bytes(placed.shown.chain_pem)
        (directory / "peer.key").write_bytes(placed.shown.key_pem)
        async with node("server", str(directory / "peer.pem"), str(directory / "peer.key"), peer) as output:
            port = (await line(output))["port"]
            for address, _ in placed.addresses:
                made.lab.routes[address, 25] = ("127.0.0.1", port)
            made.write_settings()
            await made.open_gateway()
            try:
                yield made, output
            finally:
                await made.gateway.stop()
    finally:
        await made.lab.close()


async def send(made: Encounter, require: str) -> dict[str, Any]:
    """Nodemailer hands a message to the gateway."""
    port = str(made.gateway.listening[0][1])
    async with node("client", port, "anna@back.lab", "bob@peer.lab", require) as output:
        return await line(output)


def test_the_demand_goes_from_nodemailer_through_danelaw_to_smtp_server(tmp_path: Path, report: Report) -> None:
    async def play() -> None:
        async with encounter(tmp_path, peer="offer") as (made, output):
            assert "queued as" in (await send(made, "require"))["ok"]
            taken = await line(output)
            assert (taken["from"], taken["requireTLS"], taken["secure"]) == ("anna@back.lab", True, True)
            assert "queued as" in (await send(made, "plain"))["ok"]
            assert (await line(output))["requireTLS"] is False

    asyncio.run(play())
    report.text(
        SECTION,
        f"- nodemailer {version('nodemailer')} to danelaw to smtp-server {version('smtp-server')}: what was sent with "
        "REQUIRETLS arrives with it, verified by DANE; what was sent without arrives without",
    )


def test_smtp_server_without_it_is_given_nothing(tmp_path: Path, report: Report) -> None:
    async def play() -> None:
        async with encounter(tmp_path, peer="hide") as (made, output):
            assert "queued as" in (await send(made, "require"))["ok"]
            async with asyncio.timeout(30):
                while not made.lab.received("back.lab"):
                    await asyncio.sleep(0.05)
            (notice,) = made.lab.received("back.lab")
            assert b"Status: 5.7.30" in notice.data
            assert "REQUIRETLS" in notice.mail_parameters
            assert "queued as" in (await send(made, "plain"))["ok"]
            assert (await line(output))["requireTLS"] is False, "only the ordinary message came"

    asyncio.run(play())
    report.text(SECTION, "- smtp-server that does not offer it: returned with 5.7.30, the notice under REQUIRETLS")


def test_nodemailer_refuses_a_listener_without_it(tmp_path: Path, report: Report) -> None:
    async def play() -> None:
        async with encounter(tmp_path, peer="offer", offers=False) as (made, _):
            refused = await send(made, "require")
            assert refused["code"] == "EREQUIRETLS"
            assert "does not support REQUIRETLS" in refused["error"]

    asyncio.run(play())
    report.text(SECTION, "- a listener with `requiretls = false`: nodemailer sends nothing (EREQUIRETLS)")
