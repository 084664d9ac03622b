"""Copies in memory of messages that go to files: their first delivery reads nothing back."""

from __future__ import annotations

LARGEST = 2 << 20
"""Octets of a message above which no copy is kept."""
_MOST = 32 << 20


class Room:
    """Octets of all copies of messages that arrive; what waits for delivery is in the scheduler's budget."""

    __slots__ = ("most", "used")

    def __init__(self, most: int = _MOST) -> None:
        self.most = most
        self.used = 0


class Copy:
    """The pieces of one message as they are written, as long as there is room for all of them."""

    __slots__ = ("_octets", "_pieces", "_room", "_whole")

    def __init__(self, room: Room) -> None:
        self._room = room
        self._pieces: list[bytes] = []
        self._octets = 0
        self._whole = True

    def add(self, data: bytes) -> None:
        """One more piece was written."""
        if not self._whole:
            return
        if self._octets + len(data) > LARGEST or self._room.used + len(data) > self._room.most:
            self.drop()
            return
        self._pieces.append(data)
        self._octets += len(data)
        self._room.used += len(data)

    def whole(self) -> bytes | None:
        """All pieces; None when they are not all here."""
        return b"".join(self._pieces) if self._whole and self._pieces else None

    def drop(self) -> None:
        """Give the room back."""
        self._room.used -= self._octets
        self._pieces, self._octets, self._whole = [], 0, False
