"""clamd: `zINSTREAM`, pieces with their length in four octets, a length of zero; then one line that ends with NUL."""

from __future__ import annotations

import re
import struct
from collections.abc import AsyncIterator

from danelaw.filters.engine import Engine, exchange
from danelaw.filters.result import FilterError, FilterResult, Verdict, plain
from danelaw.filters.specimen import Specimen, pieces
from danelaw.filters.stream import ServerAddress, Stream

_LARGEST_ANSWER = 4096
_PIECE = 256 * 1024
_FOUND = re.compile(r"(?:stream: )?(.+?)(?:\([0-9a-f]{32}:[0-9]+\))? FOUND\Z")


class Clamd(Engine):
    """ClamAV's daemon."""

    kind = "clamd"

    async def examine(self, server: ServerAddress, specimen: Specimen) -> FilterResult:
        """Stream the message; nothing but its octets is shown."""
        async with await Stream.open(server) as stream:
            answer = await exchange(stream, _instream(specimen), lambda: stream.read_all(_LARGEST_ANSWER))
        return result_of(answer)

    async def ping(self, server: ServerAddress) -> str:
        """PING, and the version with the date of the signatures."""
        async with await Stream.open(server) as stream:
            await stream.send(b"zPING\0")
            answer = await stream.read_all(_LARGEST_ANSWER)
        if answer.rstrip(b"\0\n") != b"PONG":
            raise FilterError(f"it answers PING with {plain(answer.decode('utf-8', 'replace'), 60)!r}")
        async with await Stream.open(server) as stream:
            await stream.send(b"zVERSION\0")
            return plain((await stream.read_all(_LARGEST_ANSWER)).decode("utf-8", "replace"), 100)


async def _instream(specimen: Specimen) -> AsyncIterator[bytes]:
    yield b"zINSTREAM\0"
    async for piece in pieces(specimen.content):
        for start in range(0, len(piece), _PIECE):
            part = piece[start : start + _PIECE]
            yield struct.pack(">I", len(part)) + part
    yield bytes(4)


def result_of(answer: bytes) -> FilterResult:
    """The result in clamd's line. Raises `FilterError` for an ERROR, and for anything that is no answer."""
    if not answer.endswith((b"\0", b"\n")):
        raise FilterError("it hangs up in the middle of an answer" if answer else "it hangs up without an answer")
    text = plain(answer.rstrip(b"\0\n").decode("utf-8", "replace"))
    if text == "stream: OK":
        return FilterResult("", Verdict.CLEAN)
    found = _FOUND.match(text)
    if found is not None:
        name = found[1]
        return FilterResult("", Verdict.FOUND, f"{name} was found", names=(name,))
    if text.endswith("ERROR"):
        if "size limit exceeded" in text:
            return FilterResult("", Verdict.TOO_LARGE, "larger than clamd's StreamMaxLength")
        raise FilterError(f"it says: {text}")
    raise FilterError(f"it answers {text[:60]!r}, which is no answer to INSTREAM")
