"""Taking requests out of a header before the message goes on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from danelaw.demanding.field import FIELD_NAME
from danelaw.dkim import TagList, TagListError
from danelaw.message.header import FIELD

if TYPE_CHECKING:
    from danelaw.demanding.tag import TagDomain

ADDRESS_FIELDS = frozenset({b"to", b"cc", b"bcc", b"resent-to", b"resent-cc", b"resent-bcc"})
"""Fields in which mail programs repeat whom they send to (RFC 5322 §3.6.3, §3.6.6), in lower case."""

_OURS = FIELD_NAME.lower().encode()
_SIGNATURES = frozenset({b"dkim-signature", b"arc-message-signature"})
_MOST_SIGNATURE = 65_536


def _fields(header: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name in lower case and octets of each field, also behind a line that is none."""
    for match in FIELD.finditer(header):
        yield match[2].lower(), match[1]


def field_bodies(header: bytes) -> tuple[bytes, ...]:
    """What follows the colon of each `Danelaw-Require` field."""
    return tuple(raw.partition(b":")[2] for name, raw in _fields(header) if name == _OURS)


def touched(header: bytes, tags: TagDomain | None) -> frozenset[bytes]:
    """The names, in lower case, of the fields that `without_requests` changes or removes."""
    return frozenset(
        name
        for name, raw in _fields(header)
        if name == _OURS or (tags is not None and name in ADDRESS_FIELDS and tags.written_without(raw) != raw)
    )


def without_requests(header: bytes, tags: TagDomain | None = None) -> bytes:
    """The header without `Danelaw-Require` fields, and without tags in fields of recipients; all else octet for octet.

    `header` ends with the CRLF of its last field; `tags` None leaves addresses alone.
    """
    kept, at = [], 0
    for match in FIELD.finditer(header):
        name, raw = match[2].lower(), match[1]
        kept.append(header[at : match.start()])
        at = match.end()
        if name == _OURS:
            continue
        kept.append(tags.written_without(raw) if tags is not None and name in ADDRESS_FIELDS else raw)
    kept.append(header[at:])
    return b"".join(kept)


def signed_fields(header: bytes) -> frozenset[bytes]:
    """The names, in lower case, that any DKIM or ARC message signature in the header covers (RFC 6376 §3.5, h=)."""
    found: set[bytes] = set()
    for name, raw in _fields(header):
        if name not in _SIGNATURES:
            continue
        try:
            tags = TagList.from_bytes(raw.partition(b":")[2], max_octets=_MOST_SIGNATURE)
        except TagListError:
            continue  # a signature that nobody can read cannot be broken
        found.update(part.strip().lower().encode() for part in tags.get("h", "").split(":"))
    return frozenset(found)
