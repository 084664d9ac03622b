"""What a policy remembers of one connection and of the transaction in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from danelaw import policy
from danelaw.policy import Address, Notes

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Client
    from danelaw.scripting.loading import LoadedPolicy


@dataclass(slots=True)
class ScriptTransaction:
    """From MAIL to the end of the message. `redirected` are recipients that became others, by the text of RCPT."""

    reverse_path: Address
    notes: Notes
    tags: set[str]
    recipients: list[Address] = field(default_factory=list)
    redirected: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class ScriptSession:
    """One connection: the policy it was begun with, which stays with it, and what hooks have noted."""

    policy: LoadedPolicy
    began: float
    notes: Notes = field(default_factory=Notes)
    tags: set[str] = field(default_factory=set)
    messages: int = 0
    transaction: ScriptTransaction | None = None

    def begin(self, reverse_path: Address) -> ScriptTransaction:
        """A new transaction: it has what the connection's hooks noted."""
        self.transaction = ScriptTransaction(reverse_path, self.notes.copy(), set(self.tags))
        return self.transaction


def client_facts(client: Client) -> policy.Client:
    """A client as scripts see it."""
    return policy.Client(
        client.address,
        client.port,
        client.helo,
        client.extended,
        None if client.tls is None else policy.TLS(*client.tls),
        client.trusted,
        client.listener,
    )
