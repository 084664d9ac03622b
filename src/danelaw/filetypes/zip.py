"""ZIP archives (PKWARE's APPNOTE), by their central directory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from danelaw.filetypes.contents import Contents, DamagedArchive, Entry

_END, _END64_LOCATOR, _END64, _CENTRAL, _LOCAL = b"PK\5\6", b"PK\6\7", b"PK\6\6", b"PK\1\2", b"PK\3\4"
_LONGEST_COMMENT = 65535
_ENCRYPTED, _UTF8 = 0x1, 0x800
_STORED, _DEFLATED = 0, 8


def contents(octets: bytes, most: int) -> Contents:
    """At most so many members. Raises `DamagedArchive`."""
    end = octets.rfind(_END, max(0, len(octets) - _LONGEST_COMMENT - 22))
    if end < 0 or len(octets) < end + 22:
        raise DamagedArchive("the ZIP archive has no directory")
    count, size, offset = struct.unpack_from("<HII", octets, end + 10)
    if 0xFFFF in (count,) or 0xFFFFFFFF in (size, offset):
        count, size, offset, end = _large(octets, end)
    # Something may stand before the archive; then all offsets are off by as much.
    shift = end - size - offset
    at = offset + shift
    if shift < 0 or at < 0:
        raise DamagedArchive("the directory of the ZIP archive is not where it is said to be")
    found = Contents()
    if shift:
        found.odd.append("something stands before the ZIP archive")
    while at + 46 <= end and octets[at : at + 4] == _CENTRAL and len(found.entries) <= most:
        entry, at = _entry(octets, at, shift)
        found.encrypted |= entry.encrypted
        found.entries.append(entry)
    if len(found.entries) < min(count, most):
        found.odd.append("the ZIP archive lists fewer members than it says")
    return found


def _large(octets: bytes, end: int) -> tuple[int, int, int, int]:
    locator = octets[max(0, end - 20) : end]
    if not locator.startswith(_END64_LOCATOR):
        raise DamagedArchive("the ZIP archive has no directory of the large form")
    (place,) = struct.unpack_from("<Q", locator, 8)
    if octets[place : place + 4] != _END64 or len(octets) < place + 56:
        raise DamagedArchive("the directory of the ZIP archive is not where it is said to be")
    count, size, offset = struct.unpack_from("<QQQ", octets, place + 32)
    return count, size, offset, place


def _entry(octets: bytes, at: int, shift: int) -> tuple[Entry, int]:
    flags, method = struct.unpack_from("<HH", octets, at + 8)
    packed, size, name, extra, comment = struct.unpack_from("<IIHHH", octets, at + 20)
    (local,) = struct.unpack_from("<I", octets, at + 42)
    raw = octets[at + 46 : at + 46 + name]
    path = raw.decode("utf-8" if flags & _UTF8 else "cp437", "replace")
    encrypted = bool(flags & _ENCRYPTED)
    read = None if encrypted or method not in (_STORED, _DEFLATED) else _reader(octets, local + shift, packed, method)
    return Entry(path, size, encrypted, read), at + 46 + name + extra + comment


def _reader(octets: bytes, local: int, packed: int, method: int) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        if octets[local : local + 4] != _LOCAL or len(octets) < local + 30:
            raise DamagedArchive("a member of the ZIP archive is not where it is said to be")
        name, extra = struct.unpack_from("<HH", octets, local + 26)
        begin = local + 30 + name + extra
        body = octets[begin : begin + packed]
        return body[:most] if method == _STORED else inflated(body, most, -zlib.MAX_WBITS)

    return read


def inflated(body: bytes, most: int, window: int) -> bytes:
    """At most so many octets of what is packed by DEFLATE. Raises `DamagedArchive`."""
    if most <= 0:
        return b""
    try:
        return zlib.decompressobj(window).decompress(body, most)
    except zlib.error as error:
        raise DamagedArchive(f"packed octets cannot be unpacked: {error}") from None
