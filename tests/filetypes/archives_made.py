"""Archives and compound files for tests, made by other programs than ours, or octet by octet."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile


def zipped(files: dict[str, bytes], *, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP archive by the standard library."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def tarred(files: dict[str, bytes], form: int = tarfile.GNU_FORMAT) -> bytes:
    """A tar archive by the standard library."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=form) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return made.getvalue()


def encrypted_flags(archive: bytes) -> bytes:
    """A ZIP archive whose members say that they are encrypted."""
    octets = bytearray(archive)
    at = 0
    while (at := octets.find(b"PK\1\2", at)) >= 0:
        octets[at + 8] |= 1
        at += 4
    return bytes(octets)


def ole(*names: str) -> bytes:
    """A compound file ([MS-CFB] §2) with nothing but a directory of these names."""
    entries = b"".join(
        (name.encode("utf-16-le") + b"\0\0").ljust(64, b"\0") + struct.pack("<H", 2 * len(name) + 2) + bytes(62)
        for name in ("Root Entry", *names)
    )
    sectors = -(-len(entries) // 512)
    table = [0xFFFFFFFD, *range(2, 1 + sectors), 0xFFFFFFFE]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16) + struct.pack("<HHHHH", 62, 3, 0xFFFE, 9, 6)
    header = header.ljust(44, b"\0") + struct.pack("<II", 1, 1)
    header = header.ljust(76, b"\0") + struct.pack("<I", 0) + b"\xff" * 4 * 108
    return header + struct.pack(f"<{len(table)}I", *table).ljust(512, b"\xff") + entries.ljust(512 * sectors, b"\0")


def _vint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*made, number])


def rar5(files: dict[str, int], *, encrypted: bool = False) -> bytes:
    """A RAR archive of the new form, with names and sizes and no content."""
    made = b"Rar!\x1a\x07\x01\x00"
    for name, size in files.items():
        extra = _vint(2) + _vint(1) + _vint(0) if encrypted else b""
        body = _vint(0) + _vint(size) + _vint(0) + _vint(0) + _vint(0) + _vint(len(name.encode())) + name.encode()
        head = _vint(2) + _vint(1 if extra else 0) + (_vint(len(extra)) if extra else b"") + body + extra
        made += bytes(4) + _vint(len(head)) + head
    return made + bytes(4) + _vint(3) + _vint(5) + _vint(0) + _vint(0)


def rar4(files: dict[str, int]) -> bytes:
    """A RAR archive of the old form."""
    made = b"Rar!\x1a\x07\x00" + struct.pack("<HBHHHI", 0, 0x73, 0, 13, 0, 0)
    for name, size in files.items():
        raw = name.encode()
        fields = struct.pack("<IIBIIBBHI", 0, size, 0, 0, 0, 20, 0x30, len(raw), 0)
        made += struct.pack("<HBHH", 0, 0x74, 0x8000, 7 + len(fields) + len(raw)) + fields + raw
    return made + struct.pack("<HBHH", 0, 0x7B, 0, 7)
