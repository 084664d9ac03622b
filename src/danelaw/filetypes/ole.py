"""Names of the streams and storages in a compound file ([MS-CFB]): Word, Excel and PowerPoint before 2007, Outlook
messages, and what Office encrypts today.
"""

from __future__ import annotations

import struct

_MOST_ENTRIES = 4000
_END_OF_CHAIN = 0xFFFFFFFA
"""This and all above are no sectors."""


def names(octets: bytes) -> frozenset[str]:
    """The names in the directory, as many as can be read; none of a file that is damaged."""
    if len(octets) < 512:
        return frozenset()
    (shift,) = struct.unpack_from("<H", octets, 30)
    if shift not in (9, 12):
        return frozenset()
    size = 1 << shift
    (first,) = struct.unpack_from("<I", octets, 48)
    table = _Allocation(octets, size)
    found, sector, seen = set[str](), first, set[int]()
    while sector < _END_OF_CHAIN and sector not in seen and len(found) < _MOST_ENTRIES:
        seen.add(sector)
        begin = (sector + 1) * size
        block = octets[begin : begin + size]
        if len(block) < 128:
            break
        for at in range(0, len(block) - 127, 128):
            (length,) = struct.unpack_from("<H", block, at + 64)
            if 2 < length <= 64:
                found.add(block[at : at + length - 2].decode("utf-16-le", "replace"))
        sector = table(sector)
    return frozenset(found)


class _Allocation:
    """Which sector follows which. The first 109 sectors of the table are named in the header; they are enough for
    directories, which stand early or late in files of up to 6.8 MB; beyond, a chain ends where it leaves them.
    """

    def __init__(self, octets: bytes, size: int) -> None:
        self._octets = octets
        self._size = size
        self._sectors = struct.unpack_from("<109I", octets, 76)

    def __call__(self, sector: int) -> int:
        per = self._size // 4
        index = sector // per
        if index >= len(self._sectors) or self._sectors[index] >= _END_OF_CHAIN:
            return _END_OF_CHAIN
        at = (self._sectors[index] + 1) * self._size + sector % per * 4
        if at + 4 > len(self._octets):
            return _END_OF_CHAIN
        (following,) = struct.unpack_from("<I", self._octets, at)
        return int(following)
