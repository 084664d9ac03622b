"""A gateway in the lab: real messages over real sockets to every destination, for the demo and the scenario tests."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from danelaw.address import Domain
from danelaw.config import load
from danelaw.gateway.gateway import Gateway
from danelaw.lab import Lab, Scenario
from danelaw.lab.settings import CONFIG_FILE, write_settings
from danelaw.queue import id_from_text
from danelaw.spool.view import shown
from danelaw.telemetry import Log

_LISTEN = "127.0.0.1:0"
# What a rehearsal changes of the ordinary settings: patience that fits a demo, and a certificate for REQUIRETLS.
_EXTRA = """
[[certificate]]
chain = "{directory}/gateway.pem"
key = "{directory}/gateway.key"

[delivery]
connect_timeout = "3s"
handshake_timeout = "3s"
greeting_timeout = "5s"
command_timeout = "5s"
data_timeout = "5s"
accept_timeout = "5s"

[mta_sts]
fetch_timeout = "3s"

[doctor]
at_start = false
"""
# The lab's name server drops some questions on purpose: shorter waits find that out sooner.
_RESOLVER = 'timeout = "1s"\ndeadline = "10s"\n'


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a message. `outcome` is `delivered | waiting | returned`; `attempts` as `queue show` has them."""

    scenario: Scenario
    id: str
    outcome: str
    protection: str
    reason: str
    attempts: tuple[dict[str, Any], ...] = field(default=(), repr=False)

    @property
    def as_documented(self) -> bool:
        """Whether a correct gateway does just this."""
        return self.outcome == self.scenario.outcome and self.protection == self.scenario.protection


class Rehearsal:
    """The lab and one gateway in front of it, in this process. Use as an asynchronous context."""

    def __init__(
        self,
        scenarios: Sequence[Scenario],
        directory: Path,
        *,
        log: Log | None = None,
        clock: Callable[[], float] = time.time,
        made: float | None = None,
        lab: Lab | None = None,
    ) -> None:
        """`clock` is the gateway's; `made` (POSIX seconds) fixes the dates of the lab's signatures, else its time;
        `lab` is one made beforehand.
        """
        self.lab = lab or Lab(scenarios, now=clock() if made is None else made)
        self.directory = directory
        self._clock = clock
        self._log = log or Log.in_memory()[0]
        self.gateway: Gateway

    @property
    def config_file(self) -> Path:
        """The gateway's configuration."""
        return self.directory / CONFIG_FILE

    async def __aenter__(self) -> Self:
        await self.lab.start()
        try:
            self.write_settings()
            await self.open_gateway()
            self._remember()
        except BaseException:
            await self.lab.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.stop()
        await self.lab.close()

    def write_settings(self) -> None:
        """Write the configuration a user would get from `danelaw lab`, with the changes of a rehearsal."""
        config = write_settings(self.lab, self.directory, listen=_LISTEN)
        shown_certificate = self.lab.world.authorities.public.issue(("gateway.lab",))
        (self.directory / "gateway.pem").write_bytes(shown_certificate.chain_pem)
        (self.directory / "gateway.key").write_bytes(shown_certificate.key_pem)
        text = config.read_text().replace("anchor_file", _RESOLVER + "anchor_file", 1)
        config.write_text(text + _EXTRA.format(directory=self.directory))

    async def open_gateway(self) -> None:
        """Start a gateway on the rehearsal's spool."""
        self.gateway = Gateway(load(self.config_file), log=self._log, clock=self._clock)
        await self.gateway.start()

    async def restart(self) -> None:
        """Stop the gateway and start another one on the same spool."""
        await self.gateway.stop()
        await self.open_gateway()

    def _remember(self) -> None:
        """Put the policies that were "fetched last week" into the gateway's memory."""
        store = self.gateway.parts.sts
        assert store is not None
        for policy in self.lab.remembered:
            store.seed(Domain.from_text(policy.domain), policy.policy, policy.id, policy.fetched)

    async def send(self, scenario: Scenario, body: str = "", *, sender: str = "demo@sender.lab") -> str:
        """Hand in one message for a scenario; gives its queue id. Raises `smtplib.SMTPException`."""
        return await asyncio.to_thread(self._submit, scenario, body or _text(scenario), sender)

    def _submit(self, scenario: Scenario, text: str, sender: str) -> str:
        host, port = self.gateway.listening[0]
        with smtplib.SMTP(host, port, local_hostname="client.lab", timeout=20) as client:
            options = []
            if scenario.demand == "requiretls":
                context = ssl.create_default_context(cadata=self.lab.roots_pem.decode())
                context.check_hostname = False
                client.starttls(context=context)
                options = ["REQUIRETLS"]
            client.ehlo_or_helo_if_needed()
            client.mail(sender, options)
            code, words = client.rcpt(scenario.address)
            if code != 250:
                raise smtplib.SMTPRecipientsRefused({scenario.address: (code, words)})
            code, words = client.data(text.encode())
        if code != 250:
            raise smtplib.SMTPDataError(code, words)
        return words.decode().rpartition(" ")[2]

    async def result(self, scenario: Scenario, message_id: str, seconds: float = 30.0) -> Result:
        """Wait until a message has an end, or a first try that failed. Raises `TimeoutError`."""
        async with asyncio.timeout(seconds):
            while True:
                found = self._look(scenario, message_id)
                if found is not None:
                    return found
                await asyncio.sleep(0.02)

    async def play(self, scenario: Scenario, seconds: float = 30.0) -> Result:
        """Send one message and say what became of it."""
        return await self.result(scenario, await self.send(scenario), seconds)

    def _look(self, scenario: Scenario, message_id: str) -> Result | None:
        spool = self.gateway.parts.spool
        with contextlib.suppress(StopIteration):
            message: dict[str, Any] = dict(shown(spool.reader, id_from_text(message_id), 0.0))
            tries = tuple(message["attempts"])
            state = str(message["state"])
            if state in ("delivered", "returned"):
                last = next((item for item in reversed(tries) if item["outcome"] == state), tries[-1] if tries else {})
                return _result(scenario, message_id, state, last, message, tries)
            asleep = any(queue["asleep_until"] for queue in message["queues"])
            tried = any(recipient["tries"] for recipient in message["recipients"])
            if tries and (asleep or tried):
                return _result(scenario, message_id, "waiting", tries[-1], message, tries)
        return None


def _result(
    scenario: Scenario,
    message_id: str,
    outcome: str,
    last: dict[str, Any],
    message: dict[str, Any],
    tries: tuple[dict[str, Any], ...],
) -> Result:
    recipient = message["recipients"][0]
    delivered = outcome == "delivered"
    protection = str(last.get("protection") or "") if delivered else "nothing sent"
    reason = str(last.get("reason") or recipient["reason"])
    return Result(scenario, message_id, outcome, protection, reason, tries)


def _text(scenario: Scenario) -> str:
    waiver = "TLS-Required: No\r\n" if scenario.demand == "tls-required-no" else ""
    return (
        f"From: Demo <demo@sender.lab>\r\nTo: <{scenario.address}>\r\nSubject: to {scenario.domain}\r\n"
        f"Message-ID: <{scenario.domain}@sender.lab>\r\n{waiver}\r\n"
        f"A message to {scenario.domain}, which publishes: {scenario.publishes}.\r\n"
    )
