"""What all reports of a gateway go through: their signature, their way into the queue, the file, and faults."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from danelaw.address import Mailbox
from danelaw.dkim import SigningKey, SignSettings, sign
from danelaw.errors import DanelawError
from danelaw.message import Header
from danelaw.queue import QueuedMessage, QueuedRecipient
from danelaw.state import ReportsDatabase
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.gateway.gateway import Gateway
    from danelaw.telemetry import Log

T = TypeVar("T")


class ReportPosting:
    """Mail of one kind of report; `kind` stands where other mail has the client's EHLO name."""

    def __init__(self, gateway: Gateway, key: SigningKey, kind: str, sender: str, settings: SignSettings) -> None:
        self._gateway = gateway
        self._key = key
        self._kind = kind
        self._reverse_path = gateway.config.reports.reverse_path or sender
        self._settings = settings

    def signed(self, content: bytes, now: float) -> bytes:
        """The mail with its DKIM signature, which covers the whole body."""
        header = Header.from_bytes(content)
        fields = [(field.name, field.raw) for field in header]
        body = content[header.body_offset :]
        return b"".join(sign(fields, body, [self._key], now=now, settings=self._settings)) + content

    async def post(
        self,
        content: bytes,
        message_id: str,
        to: tuple[str, ...],
        now: float,
        *,
        demand: SenderDemand = SenderDemand.NONE,
        lifetime: float | None = None,
        number: int | None = None,
    ) -> str:
        """Into the queue like any mail; whether it is delivered is the queue's business, and no notice comes back.

        `lifetime` in seconds, when shorter than usual; `number` is the queue id to use, where it was made before.
        Raises `SpoolError`.
        """
        gateway = self._gateway
        workshop, spool = gateway.parts.workshop, gateway.parts.spool
        recipients = tuple(
            QueuedRecipient(
                place, address, workshop.relay.key(Mailbox.from_text(address).domain, demand.word), "NEVER", due=now
            )
            for place, address in enumerate(to)
        )
        expires = workshop.schedule.expires(now)
        message = QueuedMessage(
            spool.new_id() if number is None else number, now,
            expires if lifetime is None else min(expires, now + lifetime), self._reverse_path, recipients, len(content),
            len(recipients), smtputf8=not "".join(to).isascii(),
            body_kind="7BIT" if content.isascii() else "8BITMIME", client_helo=self._kind, message_id=message_id,
            tls_required_no=demand is SenderDemand.TLS_REQUIRED_NO,
        )  # fmt: skip
        await spool.append(message, content)
        gateway.parts.engine.arrived(message, content, False)
        return message.id_text


async def with_store(path: Path, work: Callable[[ReportsDatabase], T], *, durable: bool = False) -> T:
    """Some work on the store of reports, in a thread with a connection of its own. Raises `StateError`."""

    def run() -> T:
        with contextlib.closing(ReportsDatabase(path, durable=durable)) as database:
            return work(database)

    return await asyncio.to_thread(run)


async def guarded(log: Log, event: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do some work; what goes wrong is logged as `event`, since the next report must come."""
    try:
        await work()
    except DanelawError as error:
        log.error(event, reason=error.reason, advice=error.advice)
    except Exception as error:
        log.error(f"{event}-broken", reason=f"{type(error).__name__}: {error}")
