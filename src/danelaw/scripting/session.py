"""What a policy remembers of one connection and of the transaction in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from danelaw.policy import TLS, Address, Notes
from danelaw.policy import Client as ClientFacts

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Client
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.shadowing.shadow import Follower
    from danelaw.scripting.versioning.versions import Candidate


class MailAsks(NamedTuple):
    """What MAIL asked for besides: SMTPUTF8 (RFC 6531), REQUIRETLS (RFC 8689), and the SIZE it declared (RFC 1870)."""

    smtputf8: bool = False
    requiretls: bool = False
    declared_size: int | None = None


PLAIN = MailAsks()


@dataclass(slots=True)
class ScriptTransaction:
    """From MAIL to the end of the message, judged by one version of the policy. `redirected` are recipients that became
    others, by the text of RCPT.
    """

    policy: LoadedPolicy
    reverse_path: Address
    notes: Notes
    tags: set[str]
    asks: MailAsks = PLAIN
    recipients: list[Address] = field(default_factory=list)
    redirected: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class ScriptSession:
    """One connection: the policy it was begun with, which stays with it, and what hooks have noted. `by_recipient` is a
    staged version that a transaction moves to when its first recipient says so; `follower` is the shadow's.
    """

    policy: LoadedPolicy
    began: float
    by_recipient: Candidate | None = None
    follower: Follower | None = None
    notes: Notes = field(default_factory=Notes)
    tags: set[str] = field(default_factory=set)
    messages: int = 0
    transaction: ScriptTransaction | None = None
    seen: Client | None = None
    facts: ClientFacts | None = None
    known_name: Callable[[str], str | None] | None = None

    def client(self, client: Client) -> ClientFacts:
        """The client as scripts see it; worked out anew when it has said something new about itself, or a step has
        looked up its name.
        """
        name = "" if self.known_name is None else self.known_name(client.address) or ""
        seen, facts = self.seen, self.facts
        if facts is None or seen is None or name != facts.name or _said(client) != _said(seen):
            facts = client_facts(client, name)
            self.seen, self.facts = client, facts
        return facts

    def begin(self, reverse_path: Address, asks: MailAsks = PLAIN) -> ScriptTransaction:
        """A new transaction: it has what the connection's hooks noted."""
        self.transaction = ScriptTransaction(self.policy, reverse_path, self.notes.copy(), set(self.tags), asks)
        return self.transaction

    def moves(self, recipient: Address) -> bool:
        """Whether the transaction goes to the staged version at this recipient; then it begins anew with that one.
        Once a recipient is accepted it stays where it is: two versions never judge one message.
        """
        transaction, candidate = self.transaction, self.by_recipient
        if candidate is None or transaction is None or transaction.recipients:
            return False
        if transaction.policy is candidate.policy or not candidate.takes_transaction(recipient):
            return False
        self.begin(transaction.reverse_path, transaction.asks).policy = candidate.policy
        return True


def _said(client: Client) -> tuple[object, ...]:
    """What of a client can become another within its connection."""
    return client.helo, client.tls, client.user


def client_facts(client: Client, name: str = "") -> ClientFacts:
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
        name,
    )
