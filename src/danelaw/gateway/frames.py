"""The octets between the processes of one gateway: JSON objects, each with its length in four octets before it.

Pure: octets in, messages out. A message is addressed (`to`, `from`) and is a request (`id`, `op`, `args`), its answer
(`re`, `result` or `error`) or a word nobody answers (`op`, `args`).
"""

from __future__ import annotations

import json
import struct
from typing import Any, TypeAlias

from danelaw.errors import DanelawError

Message: TypeAlias = dict[str, Any]
LONGEST = 16 << 20
_LENGTH = struct.Struct("!I")


class FrameError(DanelawError):
    """The other process sent what is no frame: it is broken, and nothing it says can be trusted."""


def encode(message: Message) -> bytes:
    """One frame. Raises `FrameError` for a message above `LONGEST` octets."""
    body = json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")
    if len(body) > LONGEST:
        raise FrameError(f"a message between processes has {len(body)} octets; {LONGEST} are allowed")
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Takes octets in any chunks and gives whole messages."""

    __slots__ = ("_buffer",)

    def __init__(self, begun: bytes = b"") -> None:
        """`begun` are octets of a frame that came earlier, as `begun` told."""
        self._buffer = bytearray(begun)

    @property
    def begun(self) -> bytes:
        """What has come of the next frame."""
        return bytes(self._buffer)

    def receive(self, data: bytes) -> list[Message]:
        """The messages completed by `data`. Raises `FrameError`; the reader is of no use after that."""
        buffer = self._buffer
        buffer += data
        messages: list[Message] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > LONGEST:
                raise FrameError(f"a message between processes claims {length} octets; {LONGEST} are allowed")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            messages.append(_decoded(bytes(buffer[start + _LENGTH.size : end])))
            start = end
        del buffer[:start]
        return messages


def _decoded(body: bytes) -> Message:
    try:
        message = json.loads(body.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise FrameError(f"a message between processes cannot be read: {error}") from None
    if not isinstance(message, dict):
        raise FrameError("a message between processes is no object")
    numbers = (message.get("id"), message.get("re"))
    if not all(number is None or type(number) is int for number in numbers) or (
        not isinstance(message.get("args", {}), dict)
    ):
        raise FrameError("a message between processes has a number or arguments of another form")
    return message
