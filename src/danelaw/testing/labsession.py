"""A client's connection to a lab: the gateway's own conversation, without a network."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from danelaw.inbound.conversation import Conversation
from danelaw.smtp import NEED_DATA, NEED_REPLY, USUAL_CLIENT_LIMITS, Reply
from danelaw.smtp.reply_reader import ReplyReader

if TYPE_CHECKING:
    from danelaw.inbound.intake import Intake
    from danelaw.smtp import ServerSettings

_MOST_TURNS = 1000


class LabSession(Conversation):
    """What `danelaw.inbound.session.Session` is to a socket. Everything that is decided is decided by the same code."""

    __slots__ = ("_advancing", "_listener", "_replies")

    def __init__(self, intake: Intake, settings: ServerSettings, listener: str, *, tls: bool) -> None:
        super().__init__(intake, settings, tls=tls)
        self._listener = listener
        self._replies = ReplyReader(USUAL_CLIENT_LIMITS)
        self._advancing = False

    @property
    def local_address(self) -> str:
        """The address it connected to."""
        return self._listener

    def greet(self) -> None:
        """Greet the client, once the steps have looked at it."""
        if not self.panel.connect:
            self.connection.greet(None)
            return
        client = self.client()

        def say(refusal: Reply | None, step: str) -> None:
            if refusal is not None:
                self.log_refusal(refusal, step)
                self.intake.count_refusal(refusal, "connect")
            self.connection.greet(refusal)

        self.ask(self.panel.connect, "connect", lambda step: step.connect(client), say)

    def logged_in(self, user: str) -> None:
        """The client has logged in as somebody, however it did."""
        self._ask_from_now_on(self.intake.steps.users)
        self.user, self.trusted = user, True

    def send(self, octets: bytes) -> None:
        """Octets from the client."""
        self.connection.receive_data(octets)
        self.go_on()

    def stored(self, reply: Reply, *, late: bool = True) -> None:
        """See `Conversation`."""
        self.reception = None
        self.connection.reply(reply)
        if late:
            self.go_on()

    def go_on(self) -> None:
        """See `Conversation`."""
        if self._advancing:
            return
        self._advancing = True
        try:
            while (event := self.connection.next_event()) is not NEED_DATA and event is not NEED_REPLY:
                self.handle(event)  # type: ignore[arg-type]
        finally:
            self._advancing = False

    async def reply(self) -> Reply | None:
        """The next reply; None when the connection is closed and there is none."""
        for _ in range(_MOST_TURNS):
            self._replies.feed(self.connection.data_to_send())
            reply = self._replies.next_reply()
            if reply is not None:
                return reply
            if self.connection.closed:
                return None
            working = [task for task in (self.asking, self.task) if task is not None]
            if working:
                await asyncio.wait(working)
            else:
                await asyncio.sleep(0)
        raise AssertionError("the gateway says nothing to that")

    def leave(self) -> None:
        """The client goes."""
        if self.asking is not None:
            self.asking.cancel()
        for step in self.panel.leaving:
            step.left(self.client())
        self.drop_reception()
