"""Octets of a named charset as text (RFC 2046 §4.1.2), and what is done where name or octets are wrong.

Names are looked up in a fixed table: Python's own search imports modules by name and remembers every name it was
asked for, and some of its codecs are no charsets.
"""

from __future__ import annotations

import re
from encodings.aliases import aliases
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]{0,39}\Z")
_NO_CHARSETS = frozenset(
    {"base64_codec", "bz2_codec", "hex_codec", "quopri_codec", "rot_13", "uu_codec", "zlib_codec", "mbcs", "tactis"}
)
_CODECS = frozenset(aliases.values()) - _NO_CHARSETS | {"utf_8", "utf_8_sig", "cp874", "cp720", "cp856", "cp1006"}
# What the names mean in mail, where that is a superset of what they say, and names Python does not know.
_AS_MET = {
    "ascii": "ascii",
    "latin_1": "cp1252",
    "iso8859_9": "cp1254",
    "iso8859_11": "cp874",
    "tis_620": "cp874",
    "windows_874": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz": "hz",
    "euc_kr": "cp949",
    "johab": "johab",
    "shift_jis": "cp932",
    "big5": "big5hkscs",
    "x_sjis": "cp932",
    "x_gbk": "gb18030",
    "x_euc_jp": "euc_jp",
    "x_big5": "big5hkscs",
    "ks_c_5601_1987": "cp949",
    "unicode_1_1_utf_7": "utf_7",
    "unicode_1_1_utf_8": "utf_8",
    "x_mac_roman": "mac_roman",
    "x_unknown": "ascii",
    "unknown_8bit": "ascii",
    "default": "ascii",
    "utf8mb4": "utf_8",
    "windows_31j": "cp932",
    "iso_8859_6_e": "iso8859_6",
    "iso_8859_6_i": "iso8859_6",
    "iso_8859_8_e": "iso8859_8",
    "iso_8859_8_i": "iso8859_8",
}
_KNOWN = _CODECS.union(_AS_MET.values())
_LATIN = tuple(bytes([octet]).decode("cp1252", "ignore") or chr(octet) for octet in range(256))


@lru_cache(maxsize=256)
def codec_of(charset: str) -> str | None:
    """The name of Python's codec for a charset name in any spelling, None for one that is not known."""
    name = charset.strip().strip("'\"")
    if not _NAME.match(name):
        return None
    key = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
    codec = _AS_MET.get(key) or aliases.get(key) or (key if key in _CODECS else None)
    if codec is None and key.startswith(("cp_", "windows")):
        codec = "cp" + key.removeprefix("cp_").removeprefix("windows").strip("_")
    if codec is None or codec not in _KNOWN:
        return None
    return _AS_MET.get(codec, codec)


def decode(octets: bytes, charset: str) -> tuple[str, bool]:
    """(text, True when the charset was known and the octets belong to it).

    Otherwise the text is what UTF-8 gives, or else each octet as windows-1252 has it: never an exception, never less
    text than there was.
    """
    codec = codec_of(charset)
    if codec is not None:
        try:
            text = octets.decode(codec)
            return (_whole(text) if codec == "utf_7" else text), True
        except UnicodeError:
            pass
        if codec == "cp1252":
            return latin(octets), True
    return guess(octets), False


def guess(octets: bytes) -> str:
    """UTF-8 where it is that, else windows-1252."""
    try:
        return octets.decode()
    except UnicodeError:
        return latin(octets)


def latin(octets: bytes) -> str:
    """windows-1252, its five empty places filled as ISO 8859-1 has them."""
    return "".join(map(_LATIN.__getitem__, octets))


def mend(text: str) -> str:
    """Text in which octets that were no UTF-8 stand as lone surrogates, for people."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return guess(text.encode("utf-8", "surrogateescape"))
    return text


def _whole(text: str) -> str:
    """UTF-7 can spell half a character; nothing else here can."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
