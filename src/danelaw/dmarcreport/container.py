"""Taking a report out of what it travels in: gzip (RFC 1952), zip, or nothing. Nothing grows larger than allowed."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from danelaw.dmarcreport.errors import ReportError
from danelaw.message import MessageError
from danelaw.message.gzipped import gunzip, gzip

MOST_COMPRESSED = 8 << 20
"""Octets of a file that are looked at."""
MOST_OCTETS = 16 << 20
"""Octets that may come out of it."""
_MOST_ENTRIES = 16
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, struct.error,
               ValueError, IndexError, OverflowError)  # fmt: skip


def is_compressed(octets: bytes) -> bool:
    """Whether it begins as gzip or zip."""
    return octets.startswith((b"\x1f\x8b", b"PK\x03\x04"))


def unpack(octets: bytes, *, most: int = MOST_OCTETS, most_compressed: int = MOST_COMPRESSED) -> bytes:
    """The octets of the XML, whatever the file was called.

    Raises `ReportError` for what is too large before or behind, broken, encrypted, or an archive of several reports.
    """
    if len(octets) > most_compressed:
        raise ReportError(f"the file has {len(octets)} octets; {most_compressed} are read at most")
    if octets.startswith(b"\x1f\x8b"):
        try:
            return gunzip(octets, most)
        except MessageError as error:
            raise ReportError(error.reason) from None
    if octets.startswith(b"PK\x03\x04"):
        return _unzip(octets, most)
    if len(octets) > most:
        raise _too_large(most)
    return octets


def compress(octets: bytes) -> bytes:
    """As gzip, without time and name: the same report gives the same octets."""
    return gzip(octets)


def _unzip(octets: bytes, most: int) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            entries = [entry for entry in archive.infolist()[: _MOST_ENTRIES + 1] if not entry.is_dir()]
            if len(entries) > _MOST_ENTRIES:
                raise ReportError(f"the zip file has more than {_MOST_ENTRIES} entries")
            named = [entry for entry in entries if entry.filename.lower().endswith(".xml")] or entries
            if len(named) != 1:
                raise ReportError(f"the zip file holds {len(named) or 'no'} reports, not one")
            if named[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ReportError("the zip file is compressed in a way that reports never are")
            if named[0].flag_bits & 1:
                raise ReportError("the zip file is encrypted")
            with archive.open(named[0]) as entry:
                whole = entry.read(most + 1)
    except ReportError:
        raise
    except _BROKEN_ZIP:
        raise ReportError("the zip file is broken") from None
    if len(whole) > most:
        raise _too_large(most)
    return whole


def _too_large(most: int) -> ReportError:
    return ReportError(f"more than {most} octets come out of the file")
