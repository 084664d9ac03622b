"""What a policy remembers of one connection and of the transaction in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from danelaw.policy import TLS, Address, Notes
from danelaw.policy import Client as ClientFacts

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
    seen: Client | None = None
    facts: ClientFacts | None = None

    def client(self, client: Client) -> ClientFacts:
        """The client as scripts see it; worked out anew when it has said something new about itself."""
        if self.facts is None or client != self.seen:
            self.seen, self.facts = client, client_facts(client)
        return self.facts

    def begin(self, reverse_path: Address) -> ScriptTransaction:
        """A new transaction: it has what the connection's hooks noted."""
        self.transaction = ScriptTransaction(reverse_path, self.notes.copy(), set(self.tags))
        return self.transaction


def client_facts(client: Client) -> ClientFacts:
    """A client as scripts see it."""
    return ClientFacts(
        client.address,
        client.port,
        client.helo,
        client.extended,
        None if client.tls is None else TLS(*client.tls),
        client.trusted,
        client.listener,
        client.user,
    )
