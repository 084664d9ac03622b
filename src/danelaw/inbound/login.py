"""How a client logs in: the exchange, then the steps, then the file of users (RFC 4954).

Whatever is wrong, a client learns only that it failed, and learns it as late for an unknown name as for a wrong
password. Nothing here writes a password down.
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from danelaw.inbound.asking import STEP_SECONDS, in_words
from danelaw.inbound.attempt import Admit, Attempt
from danelaw.inbound.ledger import client_network
from danelaw.inbound.lockouts import LOCKED
from danelaw.inbound.userbook import TooBusy
from danelaw.sasl import Challenge, Claimed, Failed, begin
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from danelaw.inbound.arrival import Client
    from danelaw.inbound.lockouts import Lockouts
    from danelaw.inbound.steps import Step
    from danelaw.inbound.userbook import UserBook
    from danelaw.sasl import Exchange
    from danelaw.sasl import Step as ExchangeStep
    from danelaw.telemetry import Log, Metrics

Outcome: TypeAlias = "Challenge | Admit | Reply"
WRONG = Reply.of(535, "5.7.8", "Authentication credentials invalid")
_MALFORMED = Reply.of(501, "5.5.2", "The response does not follow the mechanism; authentication ended")
_DEFERRED = Reply.of(454, "4.7.0", "Temporary authentication failure; try again later")
_SHOWN = 80


class Journal(Protocol):
    """Where faults of steps are written down."""

    def step_failed(self, step: str, stage: str, reason: str) -> None:
        """A step raised, or took too long."""


@dataclass(slots=True)
class Logins:
    """What all logins share. `clock` gives the event loop's seconds."""

    book: UserBook
    lockouts: Lockouts
    log: Log
    metrics: Metrics
    clock: Callable[[], float]

    def begin(self, mechanism: str) -> Login:
        """A client said AUTH with a mechanism that was offered."""
        return Login(self, mechanism, begin(mechanism, nonce=secrets.token_urlsafe(18)))


class Login:
    """One exchange with one client."""

    __slots__ = ("_exchange", "_logins", "mechanism", "user")

    def __init__(self, logins: Logins, mechanism: str, exchange: Exchange) -> None:
        self._logins = logins
        self._exchange = exchange
        self.mechanism = mechanism
        self.user = ""
        """Who the client says it is, as far as that is known."""

    def start(self, initial_response: bytes | None) -> ExchangeStep:
        """The first step of the exchange."""
        return self._exchange.start(initial_response)

    def respond(self, data: bytes) -> ExchangeStep:
        """The step after a challenge."""
        return self._exchange.respond(data)

    async def outcome(self, step: ExchangeStep, client: Client, steps: Iterable[Step], journal: Journal) -> Outcome:
        """What the client is told after a step that is no challenge: one all the same, a yes, or a no."""
        if isinstance(step, Challenge):
            return step
        self.user = step.user or self.user
        network = client_network(client.address)
        lockouts = self._logins.lockouts
        said: Outcome | None = lockouts.refusal(network, self.user)
        try:
            said = said or await self._decided(step, client, steps, journal)
        finally:
            # A client that leaves before the answer has cost the same work as one that waits for it.
            delay = 0.0 if _is_no_failure(said) else lockouts.failed(network, self.user)
        if isinstance(said, Admit):
            # Guesses made all at once must not go beyond the ceiling: those still being checked when it is reached
            # are answered as those that come after.
            said = lockouts.refusal(network, self.user) or said
        self._tell(said, step, client)
        if isinstance(said, Admit):
            lockouts.passed(network, self.user)
        elif delay:
            await asyncio.sleep(delay)
        return said

    async def _decided(self, step: ExchangeStep, client: Client, steps: Iterable[Step], journal: Journal) -> Outcome:
        logins = self._logins
        if isinstance(step, Failed):
            return _MALFORMED if step.malformed else WRONG
        if isinstance(step, Claimed) and step.password is None:
            keys = await logins.book.keys(step.user, logins.clock())
            given = self._exchange.keys(keys)
            assert isinstance(given, Challenge)
            return given
        password = step.password if isinstance(step, Claimed) else None
        attempt = Attempt(self.mechanism, self.user, password, proved=password is None)
        word = await _asked(attempt, client, steps, journal)
        if word is not None:
            return Admit(word.user or self._known_as()) if isinstance(word, Admit) else word
        if password is None:
            return Admit(self._known_as())
        try:
            at_home = logins.lockouts.at_home(client_network(client.address), self.user)
            user = await logins.book.matching(self.user, password.text, logins.clock(), at_home=at_home)
        except TooBusy:
            return _DEFERRED
        return WRONG if user is None else Admit(user)

    def _known_as(self) -> str:
        """The client's name as the file writes it, where it has it."""
        known = self._logins.book.user(self.user)
        return self.user if known is None else known.name

    def _tell(self, said: Outcome, step: ExchangeStep, client: Client) -> None:
        if isinstance(said, Challenge):
            return
        if isinstance(said, Admit):
            result = "passed"
        else:
            result = "locked-out" if said is LOCKED else "failed" if said.code >= 500 else "deferred"
        logins = self._logins
        logins.metrics.inbound_logins.add(self.mechanism.lower(), result)
        facts = {"client": client.address, "user": self.user[:_SHOWN], "mechanism": self.mechanism}
        if isinstance(said, Admit):
            logins.log.event("login", **facts, as_user=said.user if said.user != self.user else None)
            return
        reason = step.reason if isinstance(step, Failed) else None
        logins.log.warning("login-refused", **facts, reply=said.to_text(), reason=reason)


def _is_no_failure(said: Outcome | None) -> bool:
    """True for what is not held against anybody; None is an answer that did not come about."""
    return said is not None and not (isinstance(said, Reply) and said.code >= 500)


async def _asked(attempt: Attempt, client: Client, steps: Iterable[Step], journal: Journal) -> Admit | Reply | None:
    """The first step that has something to say. One that fails defers, since nobody may get in unexamined."""
    for step in steps:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                word = await step.auth(client, attempt)
        except Exception as error:  # operators' steps too are asked here
            journal.step_failed(step.name, "auth", in_words(error))
            return _DEFERRED
        if word is not None:
            return word
    return None
