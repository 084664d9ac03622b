"""Mail of our own senders is signed by its author's domain on the way in, last of all (RFC 6376 §5)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from danelaw.address import Domain, DomainError
from danelaw.dkim import DKIMSigning, SigningError, SigningKey
from danelaw.inbound.arrival import Finding
from danelaw.inbound.steps import Stage, Step
from danelaw.message import Header, author_addresses

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Ruling

_NAME = "dkim"


class SigningStep(Step):
    """Asked about users and `[relay] networks`, behind every step that changes messages. Several keys of one domain
    make several signatures.
    """

    name = _NAME
    stages = Stage.MESSAGE
    for_strangers = False
    for_trusted = True

    def __init__(self, keys: Iterable[SigningKey], clock: Callable[[], float] = time.time) -> None:
        """`clock` gives POSIX seconds."""
        self._keys: dict[Domain, list[SigningKey]] = {}
        for key in keys:
            self._keys.setdefault(key.domain, []).append(key)
        self._clock = clock

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Sign what has one author in a domain we have a key of; all else goes on as it is."""
        fields = header_of(arrival)
        author = only_author(fields)
        keys = self._keys.get(author, []) if author is not None else []
        if not keys:
            return None
        try:
            signing = DKIMSigning(fields.pairs, keys)
        except SigningError as error:
            arrival.findings.append(Finding(_NAME, "unsigned", error.reason))
            return None
        if arrival.content.in_memory:
            _read(signing, arrival)
        else:
            await asyncio.to_thread(_read, signing, arrival)
        arrival.added.extend(reversed(signing.sign(self._clock())))
        arrival.findings.append(Finding(_NAME, "signed", f"by {author}, key {', '.join(one.selector for one in keys)}"))
        return None


def header_of(arrival: Arrival) -> Header:
    """The header as it will be stored, without our Received field."""
    return Header.from_bytes(b"".join(reversed(arrival.added)) + arrival.content.header + b"\r\n")


def only_author(header: Header) -> Domain | None:
    """The domain of the only author every reader sees; None when there is none, or a doubt."""
    authors = author_addresses((one.name, one.raw) for one in header.fields)
    if authors.ambiguous or len(authors.domains) != 1:
        return None
    try:
        return Domain.from_text(authors.domains[0])
    except DomainError:
        return None


def _read(signing: DKIMSigning, arrival: Arrival) -> None:
    for piece in arrival.content.body():
        signing.update(piece)
