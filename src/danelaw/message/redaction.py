"""Headers with less in them: for notices, logs and evidence."""

from __future__ import annotations

import re
from collections.abc import Iterable

from danelaw.message.header import Header

# Enough for the sender to recognise the message, nothing of what it says (RFC 8689 §5: metadata are protected too).
RECOGNISABLE = frozenset({b"date", b"message-id", b"from", b"mime-version"})
_ADDRESS = re.compile(rb"[^\s<>()\[\]:;,@\"\\]+(@[^\s<>()\[\]:;,@\"\\]+)")
_ADDRESS_TEXT = re.compile(r"[^\s<>()\[\]:;,@\"\\]+(@[^\s<>()\[\]:;,@\"\\]+)")


def keep_fields(header: Header, names: Iterable[bytes] = RECOGNISABLE) -> bytes:
    """Only the fields of these names (lower case), byte for byte, in their order."""
    kept = frozenset(names)
    return b"".join(field.raw for field in header if field.key in kept)


def truncate(header: Header, max_octets: int) -> bytes:
    """As many whole fields from the top as fit into `max_octets`."""
    size = 0
    kept: list[bytes] = []
    for field in header:
        size += len(field.raw)
        if size > max_octets:
            break
        kept.append(field.raw)
    return b"".join(kept)


def hide_localparts(text: str) -> str:
    """`anna@example.org` as `…@example.org` wherever an address stands, for logs by setting."""
    return _ADDRESS_TEXT.sub(r"…\1", text)


def hide_localparts_in(header: bytes) -> bytes:
    """The same for header octets; the replacement is ASCII so that no charset is needed."""
    return _ADDRESS.sub(rb"***\1", header)
