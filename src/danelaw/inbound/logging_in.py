"""The part of a conversation in which a client logs in, and what changes with that."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from danelaw.inbound.attempt import Admit
from danelaw.sasl import Challenge

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Client
    from danelaw.inbound.ceilings import Visit
    from danelaw.inbound.intake import Intake
    from danelaw.inbound.login import Login, Outcome
    from danelaw.inbound.steps import Panel
    from danelaw.sasl import Step as ExchangeStep
    from danelaw.smtp import Reply, ServerConnection


class LoggingIn(ABC):
    """What of a `Conversation` it touches; `login` is the exchange under way."""

    __slots__ = (
        "asking",
        "client_address",
        "connection",
        "helo",
        "intake",
        "login",
        "panel",
        "trusted",
        "user",
        "users_only",
        "visit",
    )

    intake: Intake
    connection: ServerConnection
    asking: asyncio.Task[None] | None
    panel: Panel
    client_address: str
    helo: str
    trusted: bool
    user: str
    users_only: bool
    login: Login | None
    visit: Visit | None

    @abstractmethod
    def client(self) -> Client:
        """This client as steps see it."""

    @abstractmethod
    def go_on(self) -> None:
        """An answer was given that came late: send it and read on."""

    @abstractmethod
    def answer_refusal(self, refusal: Reply | None, stage: str) -> None:
        """Answer a command: accept it, or refuse it and count that."""

    def next_of_login(self, login: Login, step: ExchangeStep) -> None:
        """Go on with an exchange: a challenge at once, anything else when it was decided."""
        if isinstance(step, Challenge):
            self.connection.challenge(step.data)
            return

        async def decided() -> None:
            said = await login.outcome(step, self.client(), self.intake.steps.auth, self.intake)
            self.asking = None
            if not self.connection.closed:
                self._say_of_login(said)
                self.go_on()

        self.asking = asyncio.get_running_loop().create_task(decided())

    def _say_of_login(self, said: Outcome) -> None:
        if isinstance(said, Challenge):
            self.connection.challenge(said.data)
            return
        self.login = None
        if isinstance(said, Admit):
            # It may relay now, and is asked and counted as one that may.
            self._ask_from_now_on(self.intake.steps.users)
            self.user, self.trusted = said.user, True
            self.visit = None if self.visit is None else self.visit.trusted()
            self.connection.accept()
        else:
            self.answer_refusal(said, "auth")

    def forget_what_was_said(self) -> None:
        """What a client said and proved outside TLS does not hold within it (RFC 3207 §4.2)."""
        self.helo = ""
        if self.user:
            trusted = self.intake.relay.trusts(self.client_address)
            self._ask_from_now_on(self.intake.steps.panel(trusted=trusted, users=self.users_only))
            self.user, self.trusted = "", trusted

    def _ask_from_now_on(self, panel: Panel) -> None:
        """Who the client is has changed, and with it who is asked: for those asked before it has gone."""
        for step in self.panel.leaving:
            if not step.stays_with_client:
                step.left(self.client())
        self.panel = panel
        self.connection.screens = panel.command != ()
