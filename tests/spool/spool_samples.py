"""Messages and settlements for the spool's tests."""

from __future__ import annotations

from danelaw.queue import (
    Attempt,
    QueuedMessage,
    QueuedRecipient,
    RecipientResult,
    RecipientState,
    RoutingKey,
    Settlement,
)
from danelaw.spool import Spool

NOW = 1_795_000_000.0
KEY = RoutingKey("example.org")
BODY = b"Subject: hello\r\n\r\nbody\r\n"


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def sample(
    spool: Spool,
    *paths: str,
    key: RoutingKey = KEY,
    due: float = NOW,
    sender: str = "bob@shop.example",
    received_at: float = NOW,
    lifetime: float = 432000.0,
    body_file: str | None = None,
    message_id: str = "<1@shop.example>",
) -> QueuedMessage:
    """A message as inbound would make it."""
    recipients = tuple(
        QueuedRecipient(number, path, key, due=due) for number, path in enumerate(paths or ("anna@example.org",))
    )
    return QueuedMessage(
        spool.new_id(), received_at, received_at + lifetime, sender, recipients, len(BODY), len(recipients),
        body_kind="8BITMIME", smtputf8=True, ret="HDRS", envid="e 1", requiretls=True, client_address="192.0.2.7",
        client_helo="app.shop.example", client_tls="TLSv1.3", message_id=message_id, body_file=body_file,
    )  # fmt: skip


def tried(host: str = "mx1.example.org", outcome: str = "delivered", at: float = NOW, **more: object) -> Attempt:
    """One try."""
    return Attempt(at, "example.org", (0,), host, "192.0.2.25", outcome=outcome, **more)  # type: ignore[arg-type]


def settled(
    message: QueuedMessage,
    state: RecipientState = RecipientState.DELIVERED,
    *numbers: int,
    due: float = 0.0,
    **more: object,
) -> Settlement:
    """One outcome for some recipients (default: all given)."""
    chosen = numbers or tuple(recipient.number for recipient in message.recipients)
    results = tuple(RecipientResult(number, state, due, 1, "250 2.0.0 Ok", "said so") for number in chosen)
    return Settlement(message, NOW, results, **more)  # type: ignore[arg-type]
