"""What a lab is made of: the parts of a gateway that a policy has to do with, put together as a gateway does."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from danelaw.caches import Caches
from danelaw.gateway.policy_parts import rules_of
from danelaw.gateway.settings import ceilings, origin_settings, retention, retry_schedule
from danelaw.gateway.submitting import logins_of
from danelaw.inbound.arrival import Finding
from danelaw.inbound.intake import Intake
from danelaw.inbound.ledger import Ledger
from danelaw.inbound.listener import listener_of
from danelaw.inbound.origin import Origin
from danelaw.inbound.relay import RelayPolicy
from danelaw.inbound.steps import Stage, Step, Steps
from danelaw.outbound.steps import DeliverySteps
from danelaw.scripting.caching import bind
from danelaw.scripting.delivery import AfterDelivery, BeforeDelivery
from danelaw.scripting.modes import budget_of
from danelaw.scripting.rulebook import Rulebook
from danelaw.scripting.running import Runner
from danelaw.scripting.step import ScriptStep
from danelaw.scripting.versioning.versions import Versions
from danelaw.telemetry import Log, Metrics
from danelaw.testing.labcourier import Hops, LabCarriers, LabCourier
from danelaw.testing.labsession import LabSession
from danelaw.testing.labspool import LabSpool, as_spool
from danelaw.testing.library import FakeLibrary
from danelaw.testing.lookup import FakeResolver

if TYPE_CHECKING:
    from collections.abc import Callable

    from danelaw.config import Config
    from danelaw.inbound.arrival import Arrival
    from danelaw.inbound.listener import Listener
    from danelaw.policy import Context, Hook
    from danelaw.queue import RetrySchedule
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.running import Called
    from danelaw.smtp import Reply
    from danelaw.testing.fakedns import FakeDNS
    from danelaw.testing.policylab import PolicyLab


@dataclass(frozen=True, slots=True)
class Declared:
    """What a test wrote down before the first connection."""

    policy: LoadedPolicy
    config: Config
    fake: FakeLibrary
    dns: FakeDNS
    hops: Hops
    found: list[tuple[str, str, str]]
    called: Callable[[Called], None]
    budget_factor: float

    @classmethod
    def of(cls, lab: PolicyLab, hops: Hops, found: list[tuple[str, str, str]]) -> Declared:
        """Take it down."""
        fake = FakeLibrary(
            dns=lab.dns, http=lab.http, recipients=lab.recipients, ldap=lab.ldap, sql=lab.sql,
            tls=cast("Any", lab.tls), certificates=lab.certificates, secrets=lab.secrets, clock=lab.clock,
        )  # fmt: skip
        return cls(lab.policy, lab.config, fake, lab.dns, hops, found, lab.calls.append, lab.budget_factor)


@dataclass(slots=True)
class Premises:
    """The gateway of a lab, ready."""

    policy: LoadedPolicy
    intake: Intake
    listeners: tuple[Listener, ...]
    fake: FakeLibrary
    runner: Runner
    courier: LabCourier
    carriers: LabCarriers
    schedule: RetrySchedule
    spool: LabSpool
    lines: list[str]
    behind: set[asyncio.Task[None]]

    def session(
        self, address: str, port: int, tls: tuple[str, str] | None, listener: str, trusted: bool | None
    ) -> LabSession:
        """A client that has connected and is not greeted yet."""
        chosen = self.listeners[0]
        if listener:
            found = [one for one in self.listeners if f"{one.address}:{one.port}" == listener]
            if not found:
                raise AssertionError(f"there is no listener {listener}; the configuration has {self._listeners}")
            chosen = found[0]
        session = LabSession(self.intake, chosen.settings, f"{chosen.address}:{chosen.port}", tls=tls is not None)
        session.client_address, session.client_port, session.tls = address, port, tls
        session.trusted = self.intake.relay.trusts(address) if trusted is None else trusted
        session.panel = self.intake.steps.panel(trusted=session.trusted, users=session.users_only)
        return session

    @property
    def _listeners(self) -> str:
        return ", ".join(f"{one.address}:{one.port}" for one in self.listeners)

    async def greeted(self, session: LabSession) -> Reply:
        """The first reply to a client."""
        session.greet()
        reply = await session.reply()
        assert reply is not None
        return reply

    async def left(self, session: LabSession) -> None:
        """A client goes; hooks behind the mail end."""
        session.leave()
        await self.settled()

    async def settled(self) -> None:
        """Nothing runs behind the mail any more."""
        while self.behind:
            await asyncio.wait(self.behind)

    async def looked(self) -> None:
        """The clock has moved."""
        self.fake.store.look()
        await asyncio.sleep(0)

    async def close(self) -> None:
        """The gateway ends."""
        await self.settled()
        self.runner.close()
        for step in self.intake.steps.all:
            step.close()
        if self.intake.logins is not None:
            self.intake.logins.book.close()


def build(declared: Declared) -> Premises:
    """Put everything together, within the event loop of the lab. Raises `DanelawError` for what cannot be made."""
    config, policy, fake = declared.config, declared.policy, declared.fake
    clock, metrics, spool = fake.clock, Metrics(), LabSpool()
    log, sink = Log.in_memory(clock=clock)
    runner = _runner(declared, log)
    behind: set[asyncio.Task[None]] = set()

    def background(policy: LoadedPolicy, hooks: tuple[Hook, ...], context: Context) -> None:
        async def ask() -> None:
            await runner.ask(policy, hooks, context)

        task = asyncio.get_running_loop().create_task(ask())
        behind.add(task)
        task.add_done_callback(behind.discard)

    bind(policy.caches, Caches(clock))
    rulebook = Rulebook(rules_of(config), lambda rule, context: metrics.rule_matches.add(rule.name))
    versions = Versions(policy, waiting=())
    script = ScriptStep(versions, rulebook, runner, fake.library, clock, background)
    steps: list[Step] = [_Found(declared.found)]
    if config.authentication.enabled:
        steps.append(Origin(cast("Any", FakeResolver(declared.dns)), origin_settings(config), metrics))
    carriers = LabCarriers()
    courier = LabCourier.of(
        declared.hops, spool, log, metrics, clock, [one.name for one in config.client_certificate],
        [one.name for one in config.carrier],
    )  # fmt: skip
    parts = (versions.of, runner, fake.library, carriers.carry)
    courier.steps = DeliverySteps((BeforeDelivery(*parts), AfterDelivery(*parts)))
    counting = ceilings(config, Ledger.private())
    schedule = retry_schedule(config)
    intake = Intake(
        config,
        relay=RelayPolicy(config),
        spool=as_spool(spool),
        schedule=schedule,
        log=log,
        metrics=metrics,
        certificates=None,
        ceilings=counting,
        admit=lambda message, size: False,
        abandoned=lambda message, size: None,
        arrived=lambda message, body, claimed: None,
        steps=Steps([*steps, script]),
        logins=logins_of(config, counting, log, metrics),
        terms=retention(config),
        clock=clock,
    )
    listeners = tuple(_whole(listener_of(config, one)) for one in config.listen)
    return Premises(policy, intake, listeners, fake, runner, courier, carriers, schedule, spool, sink.lines, behind)


def _runner(declared: Declared, log: Log) -> Runner:
    """Hooks run in this process whatever `[policy] run` says, so that it can be seen which of their lines did."""
    budget = budget_of(declared.config.policy)
    budget = dataclasses.replace(budget, cpu=budget.cpu * declared.budget_factor)

    def failed(called: Called, context: Context) -> None:
        log.error("hook-failed", hook=called.hook, step=called.point, reason=called.reason)

    return Runner(
        budget,
        failed,
        observe=lambda called, context: declared.called(called),
        traces=lambda context: True,
        clock=declared.fake.clock,
    )


def _whole(listener: Listener) -> Listener:
    """The same listener; its messages come whole, however large."""
    limits = dataclasses.replace(listener.settings.limits, stream_above=listener.settings.limits.message_size + 1)
    return dataclasses.replace(listener, settings=dataclasses.replace(listener.settings, limits=limits))


class _Found(Step):
    """Stands for the steps before the policy that a lab does not have."""

    name = "found"
    stages = Stage.MESSAGE
    for_trusted = True
    prompt = True

    def __init__(self, found: list[tuple[str, str, str]]) -> None:
        self._found = found

    async def message(self, arrival: Arrival) -> None:
        """Add what a test says they found."""
        arrival.findings += (Finding(*one) for one in self._found)
