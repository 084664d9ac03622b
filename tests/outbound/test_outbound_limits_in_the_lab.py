"""A provider that says 421 4.7.0, in the lab: its name server, certificates, mail hosts; two domains behind one MX."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.ends import run, until

from danelaw.gateway.operations import operations
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Behaviour, Host, Scenario

TOO_MUCH = "421 4.7.0 mx.provider.lab Error: too many connections from you, slow down"
PROVIDER = Scenario(domain="provider.lab", hosts=(Host(name="mx", behaviour=Behaviour(replies=(("MAIL", TOO_MUCH),))),))
CUSTOMER = Scenario(domain="customer.lab", hosts=(Host(name="mx.provider.lab.", elsewhere=True),))
OTHER = Scenario(domain="other.lab", hosts=(Host(name="mx"),))


class Limited(Rehearsal):
    """A rehearsal with responses of its own."""

    def write_settings(self) -> None:
        """After one such reply the whole site is left alone for an hour."""
        super().write_settings()
        own = self.directory / "responses.toml"
        own.write_text(
            '[[response]]\nclass = "rate-limited"\naction = "suspend"\nof = "site"\ntime = "1h"\n'
            f"example = {json.dumps(TOO_MUCH)}\n"
        )
        with self.config_file.open("a") as file:
            file.write(f"\n[responses]\nfile = {json.dumps(str(own))}\n")


def test_one_complaint_of_a_provider_stops_the_mail_of_all_its_domains_and_of_nobody_else(tmp_path: Path) -> None:
    async def ask(rehearsal: Rehearsal, operation: str, **arguments: Any) -> Any:
        found = operations(rehearsal.gateway)[operation](arguments, "tester")
        return await found if asyncio.iscoroutine(found) else found

    async def play() -> None:
        async with Limited((PROVIDER, CUSTOMER, OTHER), tmp_path) as rehearsal:
            engine = rehearsal.gateway.parts.engine
            gate, suspending = engine.scheduler.gate, engine.suspending
            assert gate is not None
            assert suspending is not None
            first = await rehearsal.play(PROVIDER)
            assert first.outcome == "waiting"
            assert "421 4.7.0" in first.attempts[-1]["reply"]
            assert [one["filter"] for one in suspending.listed()] == ['site:"provider.lab"']
            # A queue that was never tried: only its MX look-up says that it belongs to the provider.
            second = await rehearsal.send(CUSTOMER)
            await until(lambda: "customer.lab" in [one.key.next_hop for one in gate.waiting()], "the queue waits")
            shown = await ask(rehearsal, "queue.show", id=second)
            assert shown["attempts"] == []
            assert shown["recipients"][0]["limit"].startswith("suspended: rate-limited: 421 4.7.0")
            assert (await rehearsal.play(OTHER)).outcome == "delivered"
            assert rehearsal.lab.received("other.lab")
            listed = await ask(rehearsal, "queue.list", filter="site:provider.lab")
            assert {row["recipients"][0]["host"] for row in listed["messages"]} == {"provider.lab", "customer.lab"}
            assert await ask(rehearsal, "queue.resume", filter='site:"provider.lab"') == {"ended": 1}
            again = await rehearsal.result(CUSTOMER, second)
            assert "421 4.7.0" in again.attempts[-1]["reply"]

    run(play())
