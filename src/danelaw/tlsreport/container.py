"""Taking a TLS report out of what it travels in: gzip (RFC 1952) or nothing (RFC 8460 §5.2), within limits."""

from __future__ import annotations

from danelaw.message import MessageError
from danelaw.message.gzipped import MAGIC, gunzip, gzip
from danelaw.tlsreport.errors import ReportError

MOST_COMPRESSED = 10 << 20
"""Octets of a file that are looked at; a common limit of receivers (RFC 8460 §5.2)."""
MOST_OCTETS = 16 << 20
"""Octets that may come out of it."""


def is_compressed(octets: bytes) -> bool:
    """Whether it begins as gzip."""
    return octets.startswith(MAGIC)


def unpack(octets: bytes, *, most: int = MOST_OCTETS, most_compressed: int = MOST_COMPRESSED) -> bytes:
    """The octets of the JSON text, whatever the file was called or its media type is.

    Raises `ReportError` for what is too large before or behind, broken, or an archive.
    """
    if len(octets) > most_compressed:
        raise ReportError(f"the file has {len(octets)} octets; {most_compressed} are read at most")
    if octets.startswith(b"PK\x03\x04"):
        raise ReportError("it is a zip file; TLS reports are compressed with gzip (RFC 8460 §5.2)")
    if not is_compressed(octets):
        return octets
    try:
        return gunzip(octets, most)
    except MessageError as error:
        raise ReportError(error.reason) from None


def compress(octets: bytes) -> bytes:
    """As gzip; the same report gives the same octets."""
    return gzip(octets)
