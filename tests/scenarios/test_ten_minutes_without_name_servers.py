"""No name server answers for ten minutes: mail waits, the gateway says why, and everything goes when DNS is back.

The waits are those of the default settings; on the loop of this test a minute passes in a second.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.ends import patience, until
from tests.reliability.reliability_time import DayClock, run_fast

from danelaw.doctor import Severity
from danelaw.gateway.health import findings
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import STS, Scenario

_MINUTES = 60.0
_DESTINATIONS = (
    Scenario(domain="dane.lab"),
    Scenario(domain="plain.unsigned", signed=False),
    Scenario(domain="sts.unsigned", signed=False, sts=STS()),
)


class Outage:
    """The lab's name server, gone and back: its port is closed, or it is open and nobody answers."""

    def __init__(self, rehearsal: Rehearsal, silent: bool) -> None:
        self._server = rehearsal.lab.name_server
        self._silent = silent
        self._address = self._server.address
        self._answer = self._server.answer

    async def begin(self) -> None:
        """From now on nobody answers."""
        if self._silent:
            self._server.answer = lambda wire, *, tcp: None  # type: ignore[method-assign]
        else:
            await self._server.close()

    async def end(self) -> None:
        """Back at the same address."""
        if self._silent:
            self._server.answer = self._answer  # type: ignore[method-assign]
        else:
            await self._server.start(*self._address)


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
def test_mail_waits_and_goes_without_help(tmp_path: Path, silent: bool) -> None:
    async def told() -> None:
        loop = asyncio.get_running_loop()
        clock = DayClock(loop)
        async with Rehearsal(_DESTINATIONS, tmp_path, clock=clock) as rehearsal:
            gateway = rehearsal.gateway
            await until(lambda: gateway.resolver_report is not None, "the first probe")
            outage = Outage(rehearsal, silent)
            await outage.begin()
            gateway.parts.resolver.forget()  # what is known may be used; here nothing is
            begun = loop.time()
            results = [await rehearsal.play(item, patience(30.0)) for item in _DESTINATIONS]
            for result in results:
                assert (result.outcome, result.protection) == ("waiting", "nothing sent"), result
            gateway._probe_again.set()  # or in a quarter of an hour
            await until(lambda: not gateway.resolver_report.usable, "the probe to notice")  # type: ignore[union-attr]
            found = {one.check: one for one in await findings(gateway)}
            assert found["gateway-resolver"].severity is Severity.ERROR
            await asyncio.sleep(max(0.0, begun + 10 * _MINUTES - loop.time()))
            for item in _DESTINATIONS:
                assert not rehearsal.lab.exposed(item.domain)
            assert gateway.metrics.queue_messages.cell("waiting").value == len(_DESTINATIONS)
            await outage.end()
            for item, result in zip(_DESTINATIONS, results, strict=True):
                await until(lambda name=item.domain: rehearsal.lab.received(name), item.domain, 60.0)
                assert len(rehearsal.lab.received(item.domain)) == 1
                end = await rehearsal.result(item, result.id, patience(30.0))
                assert end.outcome == "delivered"
            await until(lambda: gateway.resolver_report.usable, "a fit name server")  # type: ignore[union-attr]
            assert "gateway-resolver" not in {one.check for one in await findings(gateway)}
            [taken] = rehearsal.lab.received("dane.lab")
            assert taken.tls is not None

    run_fast(told(), 60.0)
