"""Media types by the octets at fixed places of a file; those of mail, not all there are."""

from __future__ import annotations

from typing import NamedTuple

OCTETS = "application/octet-stream"
ZIP = "application/zip"
OLE = "application/x-ole-storage"
TEXT = "text/plain"
_TEXT_WINDOW = 4096


class Kind(NamedTuple):
    """A media type and the extensions that fit it, the usual one first. `runs` what a double click would carry out."""

    type: str
    extensions: tuple[str, ...]
    runs: bool = False


_SIGNATURES: tuple[tuple[int, bytes, Kind], ...] = (
    (0, b"%PDF-", Kind("application/pdf", ("pdf",))),
    (0, b"PK\x03\x04", Kind(ZIP, ("zip",))),
    (0, b"PK\x05\x06", Kind(ZIP, ("zip",))),
    (0, b"PK\x07\x08", Kind(ZIP, ("zip",))),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", Kind(OLE, ())),
    (0, b"Rar!\x1a\x07", Kind("application/vnd.rar", ("rar",))),
    (0, b"7z\xbc\xaf\x27\x1c", Kind("application/x-7z-compressed", ("7z",))),
    (0, b"\x1f\x8b", Kind("application/gzip", ("gz", "tgz"))),
    (0, b"BZh", Kind("application/x-bzip2", ("bz2",))),
    (0, b"\xfd7zXZ\x00", Kind("application/x-xz", ("xz",))),
    (0, b"(\xb5/\xfd", Kind("application/zstd", ("zst",))),
    (257, b"ustar", Kind("application/x-tar", ("tar",))),
    (0, b"MSCF", Kind("application/vnd.ms-cab-compressed", ("cab",))),
    (0, b"\x60\xea", Kind("application/x-arj", ("arj",))),
    (7, b"**ACE**", Kind("application/x-ace-compressed", ("ace",))),
    (32769, b"CD001", Kind("application/x-iso9660-image", ("iso", "img"), True)),
    (0, b"vhdxfile", Kind("application/x-vhdx", ("vhdx",), True)),
    (0, b"conectix", Kind("application/x-vhd", ("vhd",), True)),
    (0, b"KDM", Kind("application/x-vmdk", ("vmdk",))),
    (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", Kind("application/onenote", ("one",), True)),
    (0, b"MZ", Kind("application/vnd.microsoft.portable-executable", ("exe", "dll", "scr", "com", "cpl", "sys"), True)),
    (0, b"\x7fELF", Kind("application/x-elf", ("elf", "so", "bin"), True)),
    (0, b"\xfe\xed\xfa\xce", Kind("application/x-mach-binary", ("macho",), True)),
    (0, b"\xfe\xed\xfa\xcf", Kind("application/x-mach-binary", ("macho",), True)),
    (0, b"\xcf\xfa\xed\xfe", Kind("application/x-mach-binary", ("macho",), True)),
    (0, b"\xca\xfe\xba\xbe", Kind("application/java-vm", ("class",), True)),
    (0, b"L\x00\x00\x00\x01\x14\x02\x00", Kind("application/x-ms-shortcut", ("lnk",), True)),
    (0, b"ITSF", Kind("application/vnd.ms-htmlhelp", ("chm",), True)),
    (0, b"#!", Kind("text/x-shellscript", ("sh", "py", "pl"), True)),
    (0, b"{\\rtf", Kind("application/rtf", ("rtf", "doc"))),
    (0, b"%!PS", Kind("application/postscript", ("ps", "eps"), True)),
    (0, b"\x89PNG\r\n\x1a\n", Kind("image/png", ("png",))),
    (0, b"\xff\xd8\xff", Kind("image/jpeg", ("jpg", "jpeg", "jfif"))),
    (0, b"GIF8", Kind("image/gif", ("gif",))),
    (0, b"BM", Kind("image/bmp", ("bmp",))),
    (0, b"II*\x00", Kind("image/tiff", ("tif", "tiff"))),
    (0, b"MM\x00*", Kind("image/tiff", ("tif", "tiff"))),
    (8, b"WEBP", Kind("image/webp", ("webp",))),
    (0, b"\x00\x00\x01\x00", Kind("image/vnd.microsoft.icon", ("ico",))),
    (4, b"ftypheic", Kind("image/heic", ("heic",))),
    (4, b"ftypavif", Kind("image/avif", ("avif",))),
    (4, b"ftypqt", Kind("video/quicktime", ("mov",))),
    (4, b"ftypM4A", Kind("audio/mp4", ("m4a",))),
    (4, b"ftyp", Kind("video/mp4", ("mp4", "m4v"))),
    (8, b"AVI ", Kind("video/x-msvideo", ("avi",))),
    (8, b"WAVE", Kind("audio/wav", ("wav",))),
    (0, b"\x1aE\xdf\xa3", Kind("video/x-matroska", ("mkv", "webm"))),
    (0, b"OggS", Kind("audio/ogg", ("ogg", "oga", "opus"))),
    (0, b"fLaC", Kind("audio/flac", ("flac",))),
    (0, b"ID3", Kind("audio/mpeg", ("mp3",))),
    (0, b"\xff\xfb", Kind("audio/mpeg", ("mp3",))),
    (0, b"wOFF", Kind("font/woff", ("woff",))),
    (0, b"wOF2", Kind("font/woff2", ("woff2",))),
    (0, b"SQLite format 3\x00", Kind("application/vnd.sqlite3", ("sqlite", "db"))),
    (0, b"\x00asm", Kind("application/wasm", ("wasm",))),
    (0, b"x\x9f\x3e\x22", Kind("application/ms-tnef", ("dat",))),
    (0, b"!BDN", Kind("application/vnd.ms-outlook-pst", ("pst",))),
    (0, b"-----BEGIN PGP MESSAGE", Kind("application/pgp-encrypted", ("asc", "pgp"))),
    (0, b"-----BEGIN CERTIFICATE", Kind("application/x-pem-file", ("pem", "crt", "cer"))),
    (0, b"BEGIN:VCALENDAR", Kind("text/calendar", ("ics",))),
    (0, b"BEGIN:VCARD", Kind("text/vcard", ("vcf",))),
)
_MARKUP: tuple[tuple[bytes, Kind], ...] = (
    (b"<!doctype html", Kind("text/html", ("html", "htm"), True)),
    (b"<html", Kind("text/html", ("html", "htm"), True)),
    (b"<script", Kind("text/html", ("html", "htm"), True)),
    (b"<svg", Kind("image/svg+xml", ("svg",), True)),
    (b"<?xml", Kind("application/xml", ("xml", "xsl", "xht"))),
    (b"<hta:", Kind("application/hta", ("hta",), True)),
)
_PLAIN = (
    "txt",
    "csv",
    "log",
    "md",
    "json",
    "eml",
    "ics",
    "vcf",
    "asc",
    "pem",
    "js",
    "vbs",
    "ps1",
    "bat",
    "cmd",
    "html",
)


def kind_of(octets: bytes) -> Kind:
    """The kind of a file by its first octets; containers are only that (`office` looks into them)."""
    for offset, mark, kind in _SIGNATURES:
        if octets.startswith(mark, offset):
            return kind
    start = octets[:_TEXT_WINDOW]
    for byte_order in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        if start.startswith(byte_order):
            start = start[len(byte_order) :].replace(b"\x00", b"")
    bare = start.lstrip(b" \t\r\n").lower()
    for mark, kind in _MARKUP:
        if bare.startswith(mark):
            return Kind("image/svg+xml", ("svg",), True) if b"<svg" in bare and mark == b"<?xml" else kind
    if octets and _is_text(start):
        return Kind(TEXT, _PLAIN)
    return Kind(OCTETS, ())


def type_of(octets: bytes) -> str:
    """The media type by the first octets, `application/octet-stream` where they say nothing."""
    return kind_of(octets).type


def kinds() -> tuple[Kind, ...]:
    """All that are known."""
    return (*(kind for *_, kind in _SIGNATURES), *(kind for _, kind in _MARKUP))


def _is_text(start: bytes) -> bool:
    return not any(octet < 32 and octet not in b"\t\n\r\f\x1b" for octet in start)
