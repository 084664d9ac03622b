"""The Danelaw-Transport field for mail that stays at home: put on top when it is handed on, never stored.

Mail for others never gets one, so none has to be taken off. A delivery whose recipients are not all at own domains
leaves home and gets none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from danelaw.transportfield import Transport, TransportError, Via

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage, QueuedRecipient

_REMEMBERED = 4096


class TransportFields:
    """Writes the field. `own` says of a domain (A-labels) whether it is ours, `trusts` of a client's IP address whether
    it is in our networks.
    """

    def __init__(self, hostname: str, own: Callable[[str], bool], trusts: Callable[[str], bool]) -> None:
        self._hostname = hostname
        self._own = lru_cache(maxsize=_REMEMBERED)(own)
        self._trusts = trusts

    def of(self, message: QueuedMessage, recipients: Iterable[QueuedRecipient]) -> bytes:
        """The whole field with CRLF; empty where the message leaves home."""
        for one in recipients:
            if not self._own(one.forward_path.rpartition("@")[2].lower()):
                return b""
        user = message.client_user != ""
        try:
            return Transport(
                by=self._hostname,
                via=self._via(message.client_address, user=user),
                tls=message.client_tls.partition(" ")[0] or None,
                password=user,
                requiretls=message.requiretls,
                id=message.id_text,
                received=int(message.received_at),
            ).to_bytes()
        except TransportError:
            return b""

    def _via(self, address: str, *, user: bool) -> Via:
        if user:
            return Via.SUBMISSION
        if not address:
            return Via.LOCAL
        return Via.RELAY if self._trusts(address) else Via.SMTP


def on_top(field: bytes, body: bytes | Iterable[bytes]) -> bytes | Iterable[bytes]:
    """A message below a field, or as it is without one."""
    if not field:
        return body
    return field + body if isinstance(body, bytes) else _chained(field, body)


def _chained(field: bytes, body: Iterable[bytes]) -> Iterator[bytes]:
    yield field
    yield from body
