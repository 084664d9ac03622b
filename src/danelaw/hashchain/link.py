"""The log's chain of hashes: one link per stored batch, which names the link before it and one farther back.

An *entry* is one recorded try (`entry_of`). All entries of one batch form a tree, its root stands in the batch's
*link*. A link's digest covers its number, its time, the root, the digest of the link before (`previous`), and that of
link `jump_of(number)`. So nothing before a link can change without changing its digest, and every link after it; and
from a link the way back to any earlier one takes some tens of steps, however many lie between.

Who keeps a copy of a digest (a *head*) elsewhere can tell later that everything up to it is still what it was.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from danelaw.hashchain.merkle import leaf_hash

NOTHING = bytes(32)
"""The digest before the first link, and of a jump to where nothing is kept."""
_TAG = b"danelaw/log/1\x00"
_HEAD = struct.Struct(">QQ")
_ENTRY = struct.Struct(">QI")


class Link(NamedTuple):
    """One link. `number` counts from 1 in each shard, `at` is milliseconds since 1970."""

    number: int
    at: int
    root: bytes
    previous: bytes
    jump: bytes

    @property
    def digest(self) -> bytes:
        """The SHA-256 that stands for this link and all before it."""
        fields = _HEAD.pack(self.number, self.at)
        return hashlib.sha256(_TAG + fields + self.root + self.previous + self.jump).digest()


def entry_of(message: int, number: int, record: str) -> bytes:
    """The hash of one recorded try: `number` among those stored together for a message, `record` as it is stored."""
    return leaf_hash(_ENTRY.pack(message, number) + record.encode("utf-8", "surrogatepass"))


def jump_of(number: int) -> int:
    """The number of the link farther back that a link names; 0 where that is before the first.

    A number is a sum of terms 2^k - 1, the largest possible first; the last of them is taken away (Myers' applicative
    random-access stack), so that no way back takes more than some two steps per bit.
    """
    left, size = number, 0
    while left > 0:
        size = (1 << ((left + 1).bit_length() - 1)) - 1
        left -= size
    return number - size


def way(head: int, number: int) -> list[int]:
    """The numbers of the links from `head` back to `number`, both included. Raises `ValueError` when it is later."""
    if not 0 < number <= head:
        raise ValueError(f"link {number} does not lie before link {head}")
    found = [head]
    while found[-1] != number:
        jump = jump_of(found[-1])
        found.append(jump if jump >= number else found[-1] - 1)
    return found


def flaw_of(links: Sequence[Link]) -> str | None:
    """Why links, the latest first, are no way back along a chain; None when they are."""
    for later, earlier in pairwise(links):
        named = [later.previous] if earlier.number == later.number - 1 else []
        if earlier.number == jump_of(later.number):
            named.append(later.jump)
        if not named:
            return f"link {later.number} names neither link {earlier.number} nor a way to it"
        if any(digest != earlier.digest for digest in named):
            return f"link {later.number} names another link {earlier.number} than this one"
    return None
