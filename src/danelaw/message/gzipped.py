"""Octets compressed with gzip (RFC 1952), as files attached to mail are, read within a limit."""

from __future__ import annotations

import zlib

from danelaw.message.errors import MessageError, MessageLimit

MAGIC = b"\x1f\x8b"
"""What every gzip file begins with (RFC 1952 §2.3.1)."""
_MOST_MEMBERS = 16
_GZIP = 16 + zlib.MAX_WBITS


def gunzip(octets: bytes, most: int) -> bytes:
    """All members (RFC 1952 §2.2); what follows the last one is padding and left out.

    Raises `MessageLimit` when more than `most` octets come out, `MessageError` for what is broken or cut off.
    """
    whole = b""
    for _ in range(_MOST_MEMBERS):
        inflate = zlib.decompressobj(_GZIP)
        try:
            whole += inflate.decompress(octets, most + 1 - len(whole))
        except zlib.error:
            raise MessageError("the gzip file is broken") from None
        if len(whole) > most:
            raise MessageLimit(f"more than {most} octets come out of the file")
        if not inflate.eof:
            raise MessageError("the gzip file is cut off")
        octets = inflate.unused_data
        if not octets.startswith(MAGIC):
            return whole
    raise MessageError(f"the gzip file has more than {_MOST_MEMBERS} members")


def gzip(octets: bytes) -> bytes:
    """Compressed, without time and name: the same octets give the same file."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    return deflate.compress(octets) + deflate.flush()
