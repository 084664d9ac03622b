"""What is shown to a filter: a message and the facts of its transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Protocol


class Octets(Protocol):
    """A message that can be read in pieces, as often as needed."""

    @property
    def header(self) -> bytes:
        """The header without its empty line."""

    @property
    def size(self) -> int:
        """Octets in all."""

    @property
    def in_memory(self) -> bool:
        """False when reading means reading a file."""

    def chunks(self) -> Iterator[bytes]:
        """The whole message."""

    def body(self) -> Iterator[bytes]:
        """What follows the empty line."""


@dataclass(frozen=True, slots=True)
class Specimen:
    """One message. Addresses without angle brackets, the null reverse-path as an empty text; `ident` is our queue id,
    `client_name` the client's name in DNS where it is known. `mail_arguments` are the parameters of MAIL,
    `rcpt_arguments` those of each recipient, or none.
    """

    ident: str
    hostname: str
    client_address: str
    client_port: int
    helo: str
    sender: str
    recipients: tuple[str, ...]
    content: Octets
    tls: tuple[str, str] | None = None
    client_name: str | None = None
    user: str = ""
    mail_arguments: tuple[str, ...] = ()
    rcpt_arguments: tuple[tuple[str, ...], ...] = ()


async def pieces(octets: Octets, *, body_only: bool = False) -> AsyncIterator[bytes]:
    """The message in pieces; a file is read in a thread, piece by piece."""
    iterator = octets.body() if body_only else octets.chunks()
    if octets.in_memory:
        for piece in iterator:
            yield piece
        return
    while piece := await asyncio.to_thread(next, iterator, b""):
        yield piece
