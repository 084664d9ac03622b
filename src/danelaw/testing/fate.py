"""What became of a message in a lab, as values for assertions."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from danelaw.policy import Address, Finding, Mail

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage
    from danelaw.scripting.running import Called
    from danelaw.smtp import Reply

Word: TypeAlias = Literal["accepted", "rejected", "deferred", "discarded", "held"]


@dataclass(slots=True, eq=False)
class Stored:
    """One message as the gateway has stored it. `octets` begin with its Received field.

    `message` is the row of the queue; `deliver` of the lab brings it up to date.
    """

    message: QueuedMessage
    octets: bytes

    @property
    def id(self) -> str:
        """Its id, as people type it."""
        return self.message.id_text

    @property
    def mail(self) -> Mail:
        """The message to read: fields, text, attachments."""
        octets = self.octets
        return Mail(lambda: octets)

    @property
    def reverse_path(self) -> Address:
        """Its sender, empty for the null reverse-path."""
        return Address(self.message.reverse_path)

    @property
    def recipients(self) -> tuple[Address, ...]:
        """To whom it goes."""
        return tuple(Address(one.forward_path) for one in self.message.recipients)

    @property
    def kept(self) -> dict[str, Any]:
        """What the policy keeps with it: its version, notes and tags."""
        found: dict[str, Any] = json.loads(self.message.context) if self.message.context else {}
        return found

    @property
    def notes(self) -> dict[str, Any]:
        """What hooks noted."""
        return dict(self.kept.get("notes", {}))

    @property
    def tags(self) -> frozenset[str]:
        """How hooks and rules have tagged it."""
        return frozenset(self.kept.get("tags", ()))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What steps found, in order."""
        return tuple(Finding(*one) for one in json.loads(self.message.findings or "[]"))

    @property
    def held(self) -> str:
        """Why it is in quarantine, empty where it is not."""
        custody = self.message.custody
        return "" if custody is None else custody.reason

    @property
    def next_hops(self) -> tuple[str, ...]:
        """Where its recipients' mail goes next, each once."""
        return tuple(dict.fromkeys(one.key.next_hop for one in self.message.recipients))

    @property
    def demand(self) -> str:
        """What is demanded of the way: empty, or as `Handling.demand`, or `requiretls`."""
        return self.message.recipients[0].key.demand

    @property
    def tenant(self) -> str:
        """Whose share it uses."""
        return self.message.recipients[0].key.tenant

    @property
    def job(self) -> str:
        """The job it is part of."""
        return self.message.recipients[0].key.job

    @property
    def priority(self) -> int:
        """-1, 0 or 1."""
        return self.message.recipients[0].key.priority

    @property
    def expires_in(self) -> float:
        """Seconds from its arrival until it is returned."""
        return self.message.expires - self.message.received_at

    def __repr__(self) -> str:
        return f"Stored({self.id!r}, to {', '.join(self.recipients)})"


@dataclass(frozen=True, slots=True, eq=False)
class Fate:
    """What became of a message that was sent: `verdict` in one word, the `reply` of the client, and all `messages` that
    were made of it, none where it was refused or discarded. `calls` are the hooks that were asked at its end.

    What stands of one message only (`mail`, `recipients`, `notes` and the like) is that of the first.
    """

    verdict: Word
    reply: Reply
    messages: tuple[Stored, ...] = ()
    calls: tuple[Called, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, reply: Reply, messages: tuple[Stored, ...], calls: tuple[Called, ...] = ()) -> Fate:
        """The word for it: what a client was told, and what is stored."""
        word: Word = "accepted"
        if not reply.is_positive:
            word = "deferred" if reply.is_temporary else "rejected"
        elif not messages:
            word = "discarded"
        elif messages[0].held:
            word = "held"
        return cls(word, reply, messages, calls)

    @property
    def message(self) -> Stored:
        """The first message. Raises `AssertionError` where there is none."""
        if not self.messages:
            raise AssertionError(f"nothing was stored: {self.verdict}, {self.reply}")
        return self.messages[0]

    @property
    def mail(self) -> Mail:
        """See `Stored`."""
        return self.message.mail

    @property
    def recipients(self) -> tuple[Address, ...]:
        """See `Stored`."""
        return self.message.recipients

    @property
    def reverse_path(self) -> Address:
        """See `Stored`."""
        return self.message.reverse_path

    @property
    def notes(self) -> dict[str, Any]:
        """See `Stored`."""
        return self.message.notes

    @property
    def tags(self) -> frozenset[str]:
        """See `Stored`."""
        return self.message.tags

    @property
    def held(self) -> str:
        """Why it waits in quarantine, empty where it does not."""
        return self.messages[0].held if self.messages else ""

    @property
    def text(self) -> str:
        """What the client was told, in one line."""
        return self.reply.to_text()
