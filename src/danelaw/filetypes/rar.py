"""RAR (both forms) and 7z archives: what they list, and whether they are encrypted. Nothing of them is unpacked."""

from __future__ import annotations

import struct

from danelaw.filetypes.contents import Contents, Entry

_NEW = b"Rar!\x1a\x07\x01\x00"
_OLD = b"Rar!\x1a\x07\x00"
_AES_IN_7Z = b"\x06\xf1\x07\x01"
_HIDDEN = "the names in the archive are encrypted"
_UNREADABLE = "the RAR archive cannot be read to its end"


def contents(octets: bytes, most: int) -> Contents:
    """At most so many members of a RAR archive."""
    found = Contents()
    try:
        if octets.startswith(_NEW):
            _new(octets, most, found)
        elif octets.startswith(_OLD):
            _old(octets, most, found)
        else:
            found.odd.append(_UNREADABLE)
    except (IndexError, struct.error):
        found.odd.append(_UNREADABLE)
    found.encrypted |= any(entry.encrypted for entry in found.entries)
    return found


def seven_zip(octets: bytes) -> Contents:
    """A 7z archive: what it lists is itself packed, so only encryption is told."""
    found = Contents(odd=["what a 7z archive holds is not listed"])
    if len(octets) < 32:
        return found
    offset, size = struct.unpack_from("<QQ", octets, 12)
    header = octets[32 + offset : 32 + offset + min(size, 1 << 20)] if offset < len(octets) else b""
    found.encrypted = _AES_IN_7Z in header
    return found


def _old(octets: bytes, most: int, found: Contents) -> None:
    at = len(_OLD)
    while at + 7 <= len(octets) and len(found.entries) <= most:
        kind, flags, size = struct.unpack_from("<BHH", octets, at + 2)
        more = struct.unpack_from("<I", octets, at + 7)[0] if flags & 0x8000 or kind == 0x74 else 0
        if kind == 0x73 and flags & 0x80:
            found.encrypted = True
            found.odd.append(_HIDDEN)
            return
        if kind == 0x74:
            unpacked, length = (
                struct.unpack_from("<I", octets, at + 11)[0],
                struct.unpack_from("<H", octets, at + 26)[0],
            )
            begin = at + 32
            if flags & 0x100:
                high, more_high = struct.unpack_from("<II", octets, begin)
                more, unpacked, begin = more | high << 32, unpacked | more_high << 32, begin + 8
            raw = octets[begin : begin + length].partition(b"\x00")[0]
            found.entries.append(Entry(raw.decode("utf-8", "replace"), unpacked, bool(flags & 0x4)))
        if kind == 0x7B or size < 7:
            return
        at += size + more


def _new(octets: bytes, most: int, found: Contents) -> None:
    at = len(_NEW)
    while at + 7 < len(octets) and len(found.entries) <= most:
        size, begin = _number(octets, at + 4)
        kind, place = _number(octets, begin)
        flags, place = _number(octets, place)
        extra = data = 0
        if flags & 1:
            extra, place = _number(octets, place)
        if flags & 2:
            data, place = _number(octets, place)
        if kind == 4:
            found.encrypted = True
            found.odd.append(_HIDDEN)
            return
        if kind == 2:
            found.entries.append(_file(octets, place, octets[begin + size - extra : begin + size]))
        if kind == 5:
            return
        at = begin + size + data


def _file(octets: bytes, at: int, extra: bytes) -> Entry:
    flags, at = _number(octets, at)
    size, at = _number(octets, at)
    _, at = _number(octets, at)
    at += (4 if flags & 2 else 0) + (4 if flags & 4 else 0)
    _, at = _number(octets, at)
    _, at = _number(octets, at)
    length, at = _number(octets, at)
    return Entry(octets[at : at + length].decode("utf-8", "replace"), size, _is_encrypted(extra))


def _is_encrypted(extra: bytes) -> bool:
    """Whether one of the records is of type 1, File encryption."""
    at = 0
    while at < len(extra):
        size, begin = _number(extra, at)
        kind, _ = _number(extra, begin)
        if kind == 1:
            return True
        at = begin + max(size, 1)
    return False


def _number(octets: bytes, at: int) -> tuple[int, int]:
    """A number of 7 bits per octet, the lowest first, and where it ends. Raises `IndexError`."""
    value = shift = 0
    for place in range(at, at + 10):
        octet = octets[place]
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, place + 1
        shift += 7
    raise IndexError("a number of more than 10 octets")
