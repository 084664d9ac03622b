"""Sends digests when they are due: which held messages are for whom, and the mail that says so."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from danelaw.address import Mailbox, MailboxError
from danelaw.errors import DanelawError
from danelaw.gateway.own_mail import post
from danelaw.quarantine import Summary
from danelaw.quarantine.digest import MOST_ENTRIES, Digest, Entry, build, last_due
from danelaw.quarantine.tokens import NONCE_OCTETS, Action, Key, Token
from danelaw.queue import Filter, QueuedMessage, QueuedRecipient, RecipientState
from danelaw.spool import quarantine as held
from danelaw.spool import rows
from danelaw.spool.shards import in_each

if TYPE_CHECKING:
    from sqlite3 import Connection

    from danelaw.config.holding import Digest as DigestSection
    from danelaw.gateway.gateway import Gateway
    from danelaw.state import DigestStore

LOOK_SECONDS = 20.0
_PAGE = 500
_NOT_SHOWN = "(not shown: its sender demands TLS on the whole way)"
_EVERYTHING = Filter.from_text("all")


class Place(NamedTuple):
    """One held recipient: since when, the message's id, the recipient's number. No more is kept while all are gathered:
    there may be very many.
    """

    since: float
    message: int
    number: int


class Found(NamedTuple):
    """What is held for one address: at most `MOST_ENTRIES`, oldest first, and how many there are beyond them."""

    places: list[Place]
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
        entries = await asyncio.to_thread(self._entries, found.places, now, self._key(now))
        if not entries:
            return  # all of it was released meanwhile
        digest = Digest(
            to=address,
            sender=self._section.sender or f"quarantine@{gateway.config.hostname}",
            hostname=str(gateway.config.hostname),
            entries=entries,
            more=found.more,
        )
        token = secrets.token_hex(16)
        message_id = f"<{token}@{gateway.config.hostname}>"
        content = build(digest, date=now, message_id=message_id, boundary=f"=_{token}")
        queued = await post(gateway, content, (address,), kind="digest", message_id=message_id, now=now)
        # What was left out for length is told next time.
        self._store.finish(address, found.places[-1].since if found.more else now)
        gateway.metrics.digests.add()
        gateway.log.event("digest", id=queued, to=address, messages=len(entries) + found.more)

    def _key(self, now: float) -> Key | None:
        return self._store.signing_key(now) if self._gateway.config.quarantine.web.url is not None else None

    def _entries(self, places: Sequence[Place], now: float, key: Key | None) -> list[Entry]:
        """What a digest says about each, oldest first; for a thread."""
        wanted: dict[int, set[int]] = defaultdict(set)
        for place in places:
            wanted[place.message].add(place.number)

        def look(connection: Connection) -> list[tuple[int, Entry]]:
            return [
                (message.id, self._entry(connection, message, recipient, now, key))
                for message in rows.load_messages(connection, wanted)
                for recipient in message.recipients
                if recipient.state is RecipientState.HELD and message.custody is not None
            ]

        parts = in_each(self._gateway.config.spool.directory, look)
        ordered = sorted((found for part in parts for found in part), key=lambda found: found[0])
        return [entry for _, entry in ordered]

    def _entry(
        self, connection: Connection, message: QueuedMessage, recipient: QueuedRecipient, now: float, key: Key | None
    ) -> Entry:
        custody = message.custody
        assert custody is not None
        links: Mapping[Action, str] = {}
        if key is not None:
            url, end = self._gateway.config.quarantine.web.url, now + self._section.links_last.total_seconds()
            end = end if custody.until is None else min(end, custody.until)
            actions = (Action.RELEASE, Action.DELETE, *((Action.ALLOW,) if message.reverse_path else ()))
            links = {
                action: f"{url}/"
                + Token(action, message.id, recipient.number, int(end), secrets.token_bytes(NONCE_OCTETS)).sealed(key)
                for action in actions
            }
        # The digest itself may go in clear text: what such a sender wrote does not (RFC 8689 §4.2.1).
        summary = Summary(_NOT_SHOWN) if message.requiretls else Summary.of(held.head(connection, message))
        author = summary.author or message.reverse_path
        return Entry(
            recipient.forward_path, author, summary.subject, custody.reason, message.received_at, custody.until, links
        )


def collected(
    connection: Connection, section: DigestSection, upto: Mapping[str, float], done: frozenset[str], now: float
) -> dict[str, Found]:
    """What one shard holds for each address that was not told of it: held after `upto`, and not for those in `done`."""
    places: dict[str, list[Place]] = defaultdict(list)
    more: dict[str, int] = defaultdict(int)
    steps = set(section.steps)
    after: int | None = 0
    while after is not None:
        page = held.held_page(connection, _EVERYTHING, now, after, _PAGE)
        after = page[-1].id if len(page) == _PAGE else None
        for message in page:
            custody = message.custody
            # What came to be held while this looks is told next time: "told until now" must not be said of it.
            if custody is None or custody.since > now or not {hold.step for hold in custody.holds} <= steps:
                continue
            for recipient in message.recipients:
                address = told_of(recipient.forward_path, section)
                if address is None or address in done or custody.since <= upto.get(address, 0.0):
                    continue
                if len(places[address]) < MOST_ENTRIES:
                    places[address].append(Place(custody.since, message.id, recipient.number))
                else:
                    more[address] += 1
    return {address: Found(found, more[address]) for address, found in places.items()}


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
            places = sorted([*before.places, *found.places])
            beyond = max(0, len(places) - MOST_ENTRIES)
            together[address] = Found(places[:MOST_ENTRIES], before.more + found.more + beyond)
    return together
