"""Where a client's conversation can be, and what it remembers of the envelope under way."""

from __future__ import annotations

from collections import deque
from enum import Enum

from danelaw.smtp.body_writer import BodyWriter
from danelaw.smtp.commands import Command, Verb
from danelaw.smtp.envelope import Recipient
from danelaw.smtp.reply import Reply

_VERB_MAIL = Verb.MAIL


class ClientState(Enum):
    """The states of `ClientConnection`; the values are words for messages."""

    CONNECTED = "waiting for the greeting"
    TURNED_AWAY = "turned away by the greeting: only QUIT is left"
    GREETED = "waiting for EHLO to be said"
    READY = "between transactions"
    HANDSHAKE = "waiting for the TLS handshake"
    ENVELOPE = "sending an envelope"
    BODY = "sending a message"
    VERDICT = "waiting for the answer to a message"
    LEAVING = "saying goodbye"
    CLOSED = "over"


class Sending:
    """One transaction: what is still to be sent, and the replies so far."""

    __slots__ = ("accepted", "chunked", "failed", "last_refusal", "open", "plan", "refused_by", "writer")

    def __init__(self, chunked: bool) -> None:
        self.chunked = chunked
        self.plan: deque[tuple[bytes, Command]] = deque()
        self.accepted: list[Recipient] = []
        self.writer: BodyWriter | None = None
        self.open = False  # the server has accepted MAIL, so a refused transaction needs RSET
        self.failed = False  # a chunk was refused
        self.refused_by: Reply | None = None  # MAIL or DATA was refused
        self.last_refusal: Reply | None = None

    @property
    def hopeless(self) -> bool:
        """Without PIPELINING: nothing is left to ask. The rest of the plan would only be refused."""
        only_data_left = len(self.plan) == 1 and self.plan[0][1].verb is Verb.DATA
        return self.refused_by is not None or (only_data_left and not self.accepted)

    def note(self, command: Command, reply: Reply) -> None:
        """Remember the reply to MAIL, RCPT or DATA."""
        positive = reply.code < 400
        if command.recipient is not None:
            if positive:
                self.accepted.append(command.recipient)
            else:
                self.last_refusal = reply
        elif command.verb is _VERB_MAIL:
            self.open = positive
            self.refused_by = None if positive else reply
        elif not positive and self.refused_by is None:
            self.refused_by = reply

    def reason(self) -> Reply:
        """The reply that decided against the transaction: to MAIL; else to the last recipient; else to DATA."""
        if not self.open and self.refused_by is not None:
            return self.refused_by
        if not self.accepted and self.last_refusal is not None:
            return self.last_refusal
        reply = self.refused_by or self.last_refusal
        assert reply is not None, "a transaction is refused by some reply"
        return reply
