"""Sends digests when they are due: which held messages are for whom, and the mail that says so."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from danelaw.address import Mailbox, MailboxError
from danelaw.errors import DanelawError
from danelaw.quarantine import Summary
from danelaw.quarantine.digest import MOST_ENTRIES, Digest, Entry, build, last_due
from danelaw.quarantine.tokens import NONCE_OCTETS, Action, Key, Token
from danelaw.queue import Filter, QueuedMessage, QueuedRecipient
from danelaw.spool import quarantine as held
from danelaw.spool.shards import in_each

if TYPE_CHECKING:
    from sqlite3 import Connection

    from danelaw.config.holding import Digest as DigestSection
    from danelaw.gateway.gateway import Gateway
    from danelaw.state import DigestStore

LOOK_SECONDS = 20.0
_PAGE = 500
_EVERYTHING = Filter.from_text("all")


class Item(NamedTuple):
    """One held recipient of a message, for a digest."""

    message: int
    number: int
    recipient: str
    sender: str
    summary: Summary
    reason: str
    received_at: float
    since: float
    until: float | None


class Found(NamedTuple):
    """What is held for one address: at most `MOST_ENTRIES` items, and how many there are beyond them."""

    items: list[Item]
    more: int


class Digests:
    """Every process looks; the shared store lets one of them tell each address."""

    def __init__(self, gateway: Gateway, store: DigestStore) -> None:
        self._gateway = gateway
        self._store = store
        self._section = gateway.config.quarantine.digest
        self._finished: float | None = None

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except DanelawError as error:
                self._gateway.log.error("digest", reason=error.reason, advice=error.advice)
            except Exception as error:  # the next look must come
                self._gateway.log.error("digest-broken", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Tell everybody who was not told yet at the latest moment that digests were due."""
        now = self._gateway.clock()
        slot = last_due(self._section.times, now)
        if slot == self._finished:
            return
        told = self._store.told()
        upto = {address: until for address, (_, until) in told.items()}
        done = frozenset(address for address, (before, _) in told.items() if before >= slot)
        directory = self._gateway.config.spool.directory
        parts = await asyncio.to_thread(
            in_each, directory, lambda connection: collected(connection, self._section, upto, done, now)
        )
        for address, found in merged(parts).items():
            if self._store.claim(address, slot):
                await self._send(address, found, now)
        self._finished = slot

    async def _send(self, address: str, found: Found, now: float) -> None:
        gateway = self._gateway
        digest = Digest(
            to=address,
            sender=self._section.sender or f"quarantine@{gateway.config.hostname}",
            hostname=str(gateway.config.hostname),
            entries=[self._entry(item, now) for item in found.items],
            more=found.more,
        )
        token = secrets.token_hex(16)
        message_id = f"<{token}@{gateway.config.hostname}>"
        content = build(digest, date=now, message_id=message_id, boundary=f"=_{token}")
        workshop, spool = gateway.parts.workshop, gateway.parts.spool
        recipient = QueuedRecipient(
            0, address, workshop.relay.key(Mailbox.from_text(address).domain, ""), "NEVER", due=now
        )
        message = QueuedMessage(
            spool.new_id(), now, workshop.schedule.expires(now), "", (recipient,), len(content),
            smtputf8=not address.isascii(), body_kind="7BIT" if content.isascii() else "8BITMIME",
            client_helo="digest", message_id=message_id,
        )  # fmt: skip
        await spool.append(message, content)
        gateway.parts.engine.arrived(message, content, False)
        # What was left out for length is told next time.
        self._store.finish(address, found.items[-1].since if found.more else now)
        gateway.metrics.digests.add()
        gateway.log.event("digest", id=message.id_text, to=address, messages=len(found.items) + found.more)

    def _entry(self, item: Item, now: float) -> Entry:
        url = self._gateway.config.quarantine.web.url
        links: Mapping[Action, str] = {}
        if url is not None:
            key = self._store.signing_key(now)
            actions = (Action.RELEASE, Action.DELETE, *((Action.ALLOW,) if item.sender else ()))
            links = {action: f"{url}/{self._sealed(action, item, key, now)}" for action in actions}
        author = item.summary.author or item.sender
        return Entry(item.recipient, author, item.summary.subject, item.reason, item.received_at, item.until, links)

    def _sealed(self, action: Action, item: Item, key: Key, now: float) -> str:
        end = now + self._section.links_last.total_seconds()
        if item.until is not None:
            end = min(end, item.until)
        return Token(action, item.message, item.number, int(end), secrets.token_bytes(NONCE_OCTETS)).sealed(key)


def collected(
    connection: Connection, section: DigestSection, upto: Mapping[str, float], done: frozenset[str], now: float
) -> dict[str, Found]:
    """What one shard holds for each address that was not told of it: held after `upto`, and not for those in `done`."""
    items: dict[str, list[Item]] = defaultdict(list)
    more: dict[str, int] = defaultdict(int)
    after: int | None = 0
    while after is not None:
        page = held.held_page(connection, _EVERYTHING, now, after, _PAGE)
        after = page[-1].id if len(page) == _PAGE else None
        for message in page:
            custody = message.custody
            if custody is None or not {hold.step for hold in custody.holds} <= set(section.steps):
                continue
            for recipient in message.recipients:
                address = told_of(recipient.forward_path, section)
                if address is None or address in done or custody.since <= upto.get(address, 0.0):
                    continue
                if len(items[address]) >= MOST_ENTRIES:
                    more[address] += 1
                    continue
                items[address].append(_item(connection, message, recipient))
    return {address: Found(found, more[address]) for address, found in items.items()}


def _item(connection: Connection, message: QueuedMessage, recipient: QueuedRecipient) -> Item:
    custody = message.custody
    assert custody is not None
    return Item(
        message.id, recipient.number, recipient.forward_path, message.reverse_path,
        Summary.of(held.head(connection, message)), custody.reason, message.received_at, custody.since, custody.until,
    )  # fmt: skip


def told_of(recipient: str, section: DigestSection) -> str | None:
    """Who is told of what is held for a recipient: the owner of the domain, the recipient, or nobody."""
    try:
        mailbox = Mailbox.from_text(recipient)
    except MailboxError:
        return None
    domain = str(mailbox.domain).lower()
    owner = section.owners.get(domain)
    if owner is not None:
        return owner
    for pattern in section.domains:
        if domain == pattern or (pattern.startswith(".") and domain.endswith(pattern)):
            return recipient
    return None


def merged(parts: Iterable[Mapping[str, Found]]) -> dict[str, Found]:
    """The findings of all shards as one, the oldest first."""
    together: dict[str, Found] = {}
    for part in parts:
        for address, found in part.items():
            before = together.get(address, Found([], 0))
            items = sorted([*before.items, *found.items], key=lambda item: (item.since, item.message))
            beyond = max(0, len(items) - MOST_ENTRIES)
            together[address] = Found(items[:MOST_ENTRIES], before.more + found.more + beyond)
    return together
