"""What the gateway must know of a message's header while it passes, found without parsing all of it."""

from __future__ import annotations

import re

from danelaw.message import Header, MessageError, count_received
from danelaw.requiretls import FIELD_NAME

_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:\s*(<[^<>\s]{1,990}>)", re.IGNORECASE | re.MULTILINE)
_TLS_REQUIRED = re.compile(rb"^tls-required[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MOST_OCTETS = 1 << 20


class Head:
    """Collects the header of one message from its chunks, at most 1 MiB of it.

    A header longer than that has no more said about it: its further Received fields are not counted.
    """

    __slots__ = ("_complete", "_low", "_octets")

    def __init__(self, first: bytes) -> None:
        self._complete = False
        self._low: bytes | None = None
        self._octets = b""
        self._take(first, 0)

    def feed(self, chunk: bytes) -> None:
        """A further chunk; ignored once the header is complete."""
        if not self._complete:
            # The empty line may begin with the last octets of what is here already; no more is looked through again.
            self._take(self._octets + chunk, max(0, len(self._octets) - 3))

    def _take(self, octets: bytes, start: int) -> None:
        """All line ends in them are CRLF: others were refused or cleaned before."""
        end = -2 if octets.startswith(b"\r\n") else octets.find(b"\r\n\r\n", start, _MOST_OCTETS + 4)
        self._complete = end != -1 or len(octets) >= _MOST_OCTETS
        self._octets = octets[: end + 2] if end != -1 else octets[:_MOST_OCTETS]
        self._low = None

    @property
    def whole(self) -> bool:
        """All of the header is here, up to the empty line."""
        return self._complete and len(self._octets) < _MOST_OCTETS

    def mentions(self, name: bytes) -> bool:
        """Whether these octets, a field's name in lower case, stand anywhere in it: a quick look before a close one."""
        if self._low is None:
            self._low = self._octets.lower()
        return name in self._low

    @property
    def received_count(self) -> int:
        """How many Received fields it has (RFC 5321 §6.3)."""
        return count_received(self._octets)

    @property
    def message_id(self) -> str:
        """Its Message-ID with angle brackets, empty when it has none."""
        match = _MESSAGE_ID.search(self._octets)
        return match[1].decode("utf-8", "replace") if match else ""

    @property
    def tls_required(self) -> tuple[bytes, ...]:
        """The bodies of its TLS-Required fields (RFC 8689 §3)."""
        if not self.mentions(b"ls-") or not _TLS_REQUIRED.search(self._octets):
            return ()
        try:
            return tuple(field.body for field in Header.from_bytes(self._octets).all(FIELD_NAME))
        except MessageError:
            return ()
