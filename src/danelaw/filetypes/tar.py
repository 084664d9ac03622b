"""Tar archives (POSIX ustar, with long names of GNU and pax), and single files packed by gzip, bzip2 and xz."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable

from danelaw.filetypes.contents import Contents, DamagedArchive, Entry
from danelaw.filetypes.zip import inflated

_BLOCK = 512
_FILE, _LONG_NAME, _PAX, _PAX_ALL = b"0\x007", b"L", b"x", b"g"
_LONGEST_NAME = 4096
_HAS_NAME, _HAS_EXTRA = 0x8, 0x4


def contents(octets: bytes, most: int) -> Contents:
    """At most so many members."""
    found, at, long_name = Contents(), 0, ""
    while at + _BLOCK <= len(octets) and len(found.entries) <= most:
        head = octets[at : at + _BLOCK]
        if not head.strip(b"\x00"):
            return found
        size = _number(head[124:136])
        if size < 0 or head[257:262] != b"ustar":
            found.odd.append("the tar archive cannot be read to its end")
            return found
        body, kind = at + _BLOCK, head[156:157]
        if kind == _LONG_NAME:
            long_name = _text(octets[body : body + min(size, _LONGEST_NAME)])
        elif kind == _PAX:
            long_name = _pax_path(octets[body : body + min(size, _LONGEST_NAME)]) or long_name
        elif kind != _PAX_ALL:
            prefix = _text(head[345:500])
            path = long_name or (f"{prefix}/" if prefix else "") + _text(head[:100])
            if kind in _FILE:
                found.entries.append(Entry(path, size, read=_slice(octets, body, size)))
            long_name = ""
        at = body + -(-size // _BLOCK) * _BLOCK
    return found


def _slice(octets: bytes, begin: int, size: int) -> Callable[[int], bytes]:
    return lambda most: octets[begin : begin + min(size, most)]


def _number(field: bytes) -> int:
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:])
    digits = field.strip(b" \x00")
    try:
        return int(digits, 8) if digits else 0
    except ValueError:
        return -1


def _text(field: bytes) -> str:
    return field.partition(b"\x00")[0].decode("utf-8", "replace")


def _pax_path(records: bytes) -> str:
    _, found, value = records.partition(b" path=")
    return value.partition(b"\n")[0].decode("utf-8", "replace") if found else ""


def single(octets: bytes, type: str, filename: str) -> Contents:
    """The one file in what gzip, bzip2 or xz packed; its name is the archive's own, or the packed one's shortened. Its
    size is not told before it is unpacked: 0.
    """
    name = _gzip_name(octets) if type == "application/gzip" else ""
    if not name:
        stem, dot, ending = filename.rpartition(".")
        name = (f"{stem}.tar" if ending.lower() == "tgz" else stem) if dot else filename
    return Contents([Entry(name or "content", 0, read=_UNPACKERS[type](octets))])


def _gzip_name(octets: bytes) -> str:
    """RFC 1952 §2.3.1: FNAME, behind an extra field where there is one."""
    if len(octets) < 12 or not octets[3] & _HAS_NAME:
        return ""
    at = 10
    if octets[3] & _HAS_EXTRA:
        at += 2 + int.from_bytes(octets[10:12], "little")
    return octets[at : at + 255].partition(b"\x00")[0].decode("latin-1")


def _gzip(octets: bytes) -> Callable[[int], bytes]:
    return lambda most: inflated(octets, most, zlib.MAX_WBITS | 16)


def _bzip2(octets: bytes) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        try:
            return bz2.BZ2Decompressor().decompress(octets, most)
        except (OSError, ValueError) as error:
            raise DamagedArchive(f"packed octets cannot be unpacked: {error}") from None

    return read


def _xz(octets: bytes) -> Callable[[int], bytes]:
    def read(most: int) -> bytes:
        try:
            return lzma.LZMADecompressor(memlimit=128 << 20).decompress(octets, most)
        except lzma.LZMAError as error:
            raise DamagedArchive(f"packed octets cannot be unpacked: {error}") from None

    return read


_UNPACKERS: dict[str, Callable[[bytes], Callable[[int], bytes]]] = {
    "application/gzip": _gzip,
    "application/x-bzip2": _bzip2,
    "application/x-xz": _xz,
}
SINGLE = frozenset(_UNPACKERS)
