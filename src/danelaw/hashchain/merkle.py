"""Trees of hashes over a list of entries: one root stands for all, a short path ties one to it (RFC 9162 §2.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

SIZE = 32
"""Octets of a hash (SHA-256)."""
_LEAF, _NODE = b"\x00", b"\x01"


def leaf_hash(entry: bytes) -> bytes:
    """The hash of an entry (RFC 9162 §2.1.1): its first octet keeps entries apart from inner nodes."""
    return hashlib.sha256(_LEAF + entry).digest()


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over hashes of entries, in their order. Without any it is the hash of nothing (RFC 9162 §2.1.1)."""
    level = list(leaves)
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path_of(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """What ties the entry at `index` (from 0) to the root, nearest first (RFC 9162 §2.1.3.1). Raises `IndexError`."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"there is no entry {index} among {len(leaves)}")
    level, found = list(leaves), []
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        level, index = _above(level), index >> 1
    return tuple(found)


def root_by_path(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that follows from an entry's hash and its path in a list of `size`; None when the path does not fit
    (RFC 9162 §2.1.3.2).
    """
    if not 0 <= index < size:
        return None
    found, last, left = leaf, size - 1, list(path)
    while last:
        if index & 1 or index < last:
            if not left:
                return None
            beside = left.pop(0)
            found = _node(beside, found) if index & 1 else _node(found, beside)
        index, last = index >> 1, last >> 1
    return None if left else found


def _above(level: Sequence[bytes]) -> list[bytes]:
    """The next level; who has no neighbour goes up as it is."""
    pairs = [_node(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(_NODE + left + right).digest()
