"""Acts on held mail in the running gateway: what needs its clock, its names, its queue and its steps.

`danelaw.spool.quarantine` changes rows; here released mail is first looked at again, and forwarded mail is made.
"""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Any

from danelaw.address import Mailbox, MailboxError
from danelaw.errors import DanelawError
from danelaw.gateway import settings
from danelaw.inbound.resuming import resume, stored_arrival
from danelaw.inbound.steps import Stage
from danelaw.quarantine import attached, resent
from danelaw.queue import HeldBy, QueuedMessage, QueuedRecipient, RecipientState, id_from_text, shard_of
from danelaw.spool import acts, custody
from danelaw.spool import quarantine as held
from danelaw.spool.view import find_message
from danelaw.spool.writer import Appended
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.shards import Shard
    from danelaw.spool import Spool

CHANGING = (*held.CHANGING, "forward")
PREFIX = "quarantine."
_NOTHING = {"messages": 0, "recipients": 0, "skipped": 0}
_PAGE = 50


async def act(gateway: Gateway, shard: Shard, name: str, arguments: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """One of `CHANGING` on one shard, as the running total after each step. `arguments["who"]` is already known to be
    true. Raises `DanelawError`.
    """
    if name == "forward":
        yield await _forward(gateway, shard, arguments)
        return
    if name == "release":
        async for total in _release(gateway, shard, arguments):
            yield total
        return
    engine = shard.engine
    for total in held.change(shard.spool, name, arguments, gateway.clock(), engine.scheduler, engine.returning):
        engine.pump()
        yield total


async def _release(gateway: Gateway, shard: Shard, arguments: Mapping[str, Any]) -> AsyncIterator[dict[str, Any]]:
    """Page by page: those that no step wants kept go on, for the recipients that the filter names."""
    chosen = held.chosen(arguments, "release")
    total = dict(_NOTHING) | {"kept": 0}
    after: int | None = 0
    yield dict(total)
    while after is not None:
        now = gateway.clock()
        page = held.held_page(shard.spool.reader, chosen, now, after, _PAGE)
        after = page[-1].id if len(page) == _PAGE else None
        free = [message.id for message in page if await _may_go(gateway, shard, message)]
        total["kept"] += len(page) - len(free)
        if not free:
            continue
        for step in held.change(shard.spool, "release", {**arguments, "only": free}, now, shard.engine.scheduler):
            latest = step
        for key, number in latest.items():
            total[key] += number
        yield dict(total)
    yield dict(total)


async def _may_go(gateway: Gateway, shard: Shard, message: QueuedMessage) -> bool:
    """Ask what is left of the steps; what they say is kept with the message, with a new term."""
    steps, custody_now = gateway.parts.steps, message.custody
    if custody_now is None or not any(Stage.RELEASE in step.stages for step in steps.all):
        return True
    content = shard.spool.body_path(message) if message.body_file is not None else _body(shard.spool, message)
    trusted = message.client_user != "" or gateway.parts.workshop.relay.trusts(message.client_address)
    try:
        kept = await resume(steps, stored_arrival(message, content, trusted=trusted), custody_now.step)
    except DanelawError as error:
        kept = (HeldBy(custody_now.step, f"it cannot be looked at again: {error.reason}"),)
    if not kept:
        return True
    now, terms = gateway.clock(), settings.retention(gateway.config)
    with shard.spool.transaction() as batch:
        for one in kept:
            custody.take(batch.connection, message.id, one, now)
            custody.found(batch.connection, message.id, one.step, "kept", one.reason)
        custody.prolong(batch.connection, message.id, terms.custody([(one, None) for one in kept], now).until)
    gateway.log.event("kept", id=message.id_text, step=kept[0].step, reason=kept[0].reason)
    return False


async def _forward(gateway: Gateway, shard: Shard, arguments: Mapping[str, Any]) -> dict[str, Any]:
    number = id_from_text(str(arguments.get("id", "")))
    if shard_of(number) != shard.number:
        return dict(_NOTHING)
    to, who, why = _mailbox(str(arguments.get("to", ""))), str(arguments["who"]), str(arguments.get("why") or "")
    if not why:
        raise DanelawError("forward needs a reason for the log", advice="add --because TICKET")
    message, finished = find_message(shard.spool.reader, number)
    if finished or all(one.state is not RecipientState.HELD for one in message.recipients):
        raise DanelawError(f"message {message.id_text} is not held", advice="danelaw quarantine list")
    large = message.body_file is not None
    body = await asyncio.to_thread(_body, shard.spool, message) if large else _body(shard.spool, message)
    content = _content(gateway, message, body, to, as_is=bool(arguments.get("as_is")), words=f"Sent by {who}: {why}")
    now = gateway.clock()
    fresh = _message(gateway, shard.spool, message, content, to, now)
    if len(content) > shard.spool.settings.inline_limit:
        writer = shard.spool.body_writer(fresh.id)
        writer.write(content)
        fresh.body_file = await asyncio.to_thread(writer.close)
    with shard.spool.transaction() as batch:
        stored = content if fresh.body_file is None else None
        batch.append([Appended(fresh, stored, claimed=False)])
        custody.found(
            batch.connection, number, "quarantine", "forwarded", f"to {to.to_text()} as {fresh.id_text} by {who}: {why}"
        )
        acts.log(batch, f"forward to {to.to_text()}", f"id:{message.id_text}", who, why, now, 1)
    shard.engine.arrived(fresh, stored, False)
    return {"messages": 1, "recipients": 1, "skipped": 0}


def _content(gateway: Gateway, message: QueuedMessage, body: bytes, to: Mailbox, *, as_is: bool, words: str) -> bytes:
    token, sender, date = secrets.token_hex(16), gateway.config.bounce_from, gateway.clock()
    message_id = f"<{token}@{gateway.config.hostname}>"
    if as_is:
        return resent(body, sender=sender, to=to.to_text(), date=date, message_id=message_id)
    reasons = message.custody.reason if message.custody is not None else "no reason is known"
    lines = (
        "The attached message is held by this gateway. It may be dangerous: do not open its links or files.", "",
        f"Held for: {', '.join(one.forward_path for one in message.recipients)}",
        f"Envelope sender: <{message.reverse_path}>", f"Why: {reasons}", words,
    )  # fmt: skip
    return attached(
        body, "\n".join(lines), sender=sender, to=to.to_text(), date=date, message_id=message_id,
        boundary=f"=_{token}", utf8=message.smtputf8,
    )  # fmt: skip


def _message(
    gateway: Gateway, spool: Spool, message: QueuedMessage, content: bytes, to: Mailbox, now: float
) -> QueuedMessage:
    """What the sender demands survives a quarantine, REQUIRETLS (RFC 8689 §4.2.1) and the rest; a waiver does not: it
    is about the servers of the recipient it was written for.
    """
    workshop = gateway.parts.workshop
    demands = (SenderDemand.from_word(one.key.demand) for one in message.recipients)
    own = SenderDemand.REQUIRETLS if message.requiretls else SenderDemand.NONE
    demand = functools.reduce(SenderDemand.with_demand, demands, own)
    word = "" if demand is SenderDemand.TLS_REQUIRED_NO else demand.word
    key = workshop.relay.key(to.domain, word)
    return QueuedMessage(
        spool.new_id(), now, workshop.schedule.expires(now), "",
        (QueuedRecipient(0, to.to_text(), key, "NEVER", due=now),), len(content),
        body_kind="7BIT" if content.isascii() else "8BITMIME", smtputf8=message.smtputf8,
        requiretls=message.requiretls, client_helo="quarantine",
    )  # fmt: skip


def _body(spool: Spool, message: QueuedMessage) -> bytes:
    return b"".join(spool.body_chunks(message))


def _mailbox(text: str) -> Mailbox:
    try:
        return Mailbox.from_text(text.strip().removeprefix("<").removesuffix(">"))
    except MailboxError as error:
        raise DanelawError(f"'{text}' is no address: {error.reason}", advice="--to abuse@example.org") from None
