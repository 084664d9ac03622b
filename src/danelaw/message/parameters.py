"""Parameters of Content-Type and Content-Disposition, as they are and as they are met (RFC 2045 §5.1, RFC 2231)."""

from __future__ import annotations

import re

from danelaw.message.charsets import decode, guess, mend
from danelaw.message.defects import Defect, Defects
from danelaw.message.encodedwords import ENCODED_WORD, decode_words
from danelaw.message.tokens import comment, unquote

MAX_PARAMETERS = 1000

_SPACE = re.compile(r"[ \t]*")
_NAME = re.compile(r"([^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]{1,256}+)[ \t]*=[ \t]*")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BARE = re.compile(r"[^; \t(]*+")
_TOKEN = re.compile(r"[^\x00-\x20()<>@,;:\\\"/\[\]?=\x7f]+\Z")
_TO_SEMICOLON = re.compile(r"[^;]*")
# A semicolon was forgotten before one of these; before anything else the white space is part of the value.
_KNOWN = re.compile(
    r"(?:access-type|boundary|charset|creation-date|delsp|filename|format|method|micalg|modification-date|name|"
    r"protocol|read-date|report-type|reply-type|size|smime-type|start|start-info|type|x-unix-mode)[*0-9]*[ \t]*=",
    re.IGNORECASE,
)
_SECTION = re.compile(r"(.+?)(?:\*([0-9]{1,4}))?(\*)?\Z", re.DOTALL)
_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_EXTENDED = re.compile(r"([^']*)'([^']*)'(.*)\Z", re.DOTALL)
_NAMES_OF_FILES = ("name", "filename")
_PLAIN_VALUE = re.compile(r"[ !#-\[\]-~]{0,60}\Z")
_ATTRIBUTE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$&+-.^_`{|}~")
_SECTION_OCTETS = 50


def read_parameters(
    text: str, place: int, defects: Defects, *, most: int = MAX_PARAMETERS, octets_of: str = ""
) -> tuple[dict[str, str], bytes]:
    """The parameters in unfolded text from `place` on: names in lower case, values decoded, continuations joined.

    Of a parameter that stands twice the first counts; one in the form of RFC 2231 counts before a plain one. With them
    come the octets of the one named `octets_of`, which may be no text; nothing where it is missing.
    """
    plain: dict[str, str] = {}
    sections: dict[str, dict[int, tuple[str, bool]]] = {}
    for number, (name, value) in enumerate(_pairs(text, place, defects)):
        if number == most:
            defects.note(Defect.TOO_MANY_PARAMETERS)
            break
        match = _SECTION.match(name)
        assert match is not None
        base, section, extended = match.groups()
        if section is None and not extended:
            if name in plain:
                defects.note(Defect.REPEATED_PARAMETER)
            plain.setdefault(name, value)
            continue
        found = sections.setdefault(base, {})
        if int(section or 0) in found:
            defects.note(Defect.REPEATED_PARAMETER)
        found.setdefault(int(section or 0), (value, bool(extended)))
    values = {name: _plain(name, value, defects) for name, value in plain.items()}
    for base, found in sections.items():
        if base in values:
            defects.note(Defect.REPEATED_PARAMETER)
        joined = _joined(found, defects)
        if joined is not None:
            values[base] = joined
            plain.pop(base, None)
    octets = plain[octets_of].encode("utf-8", "surrogateescape") if octets_of in plain else b""
    return values, octets or values.get(octets_of, "").encode()


def _pairs(text: str, place: int, defects: Defects) -> list[tuple[str, str]]:
    """(name in lower case, value without quotes) in their order."""
    pairs: list[tuple[str, str]] = []
    while True:
        place = _skip(text, place, defects)
        if place >= len(text):
            return pairs
        if text[place] == ";":
            following = _skip(text, place + 1, defects)
            if text[following : following + 1] == ";":
                defects.note(Defect.EMPTY_PARAMETER)
            place = following
            continue
        match = _NAME.match(text, place)
        if match is None:
            defects.note(Defect.BAD_PARAMETER)
            place = _end(text, place)
            continue
        value, place = _value(text, match.end(), defects)
        pairs.append((match[1].lower(), value))
        if len(pairs) > MAX_PARAMETERS:
            return pairs


def _value(text: str, place: int, defects: Defects) -> tuple[str, int]:
    """(value, place behind it), whatever separates it from the next one."""
    quoted = _QUOTED.match(text, place)
    if quoted is not None:
        end = _skip(text, quoted.end(), defects)
        if end < len(text) and text[end] != ";":
            defects.note(Defect.NO_SEMICOLON if _KNOWN.match(text, end) else Defect.BAD_PARAMETER)
            end = end if _KNOWN.match(text, end) else _end(text, end)
        return unquote(quoted[0], defects), end
    if text[place : place + 1] == '"':
        defects.note(Defect.QUOTE_NOT_CLOSED)
        return text[place + 1 :], len(text)
    bare = _BARE.match(text, place)
    assert bare is not None
    value = bare[0]
    end = _skip(text, bare.end(), defects)
    if end < len(text) and text[end] != ";":
        if _KNOWN.match(text, end):
            defects.note(Defect.NO_SEMICOLON)
        else:
            end = _end(text, place)
            value = text[place:end].rstrip(" \t")
    if not _TOKEN.match(value):
        defects.note(Defect.SPACE_IN_PARAMETER)
    return value, end


def _skip(text: str, place: int, defects: Defects) -> int:
    """Behind white space and comments."""
    while True:
        match = _SPACE.match(text, place)
        assert match is not None
        place = match.end()
        if text[place : place + 1] != "(":
            return place
        _, place = comment(text, place, defects)


def _end(text: str, place: int) -> int:
    match = _TO_SEMICOLON.match(text, place)
    assert match is not None
    return match.end()


def _plain(name: str, value: str, defects: Defects) -> str:
    if name in _NAMES_OF_FILES and ENCODED_WORD.search(value):
        defects.note(Defect.ENCODED_WORD_IN_PARAMETER)
        value = decode_words(value)
    return mend(value)


def _joined(found: dict[int, tuple[str, bool]], defects: Defects) -> str | None:
    """Sections 0, 1, 2 … as one text (RFC 2231 §3, §4); what follows a gap is left out."""
    if 0 not in found:
        defects.note(Defect.MISSING_SECTION)
        return None
    charset: str | None = None
    octets = b""
    count = 0
    while count in found:
        value, extended = found[count]
        if extended and count == 0:
            match = _EXTENDED.match(value)
            if match is not None:
                charset, value = match[1], match[3]
            else:
                defects.note(Defect.BAD_EXTENDED_VALUE)
        raw = value.encode("utf-8", "surrogateescape")
        if extended:
            decoded = _PERCENT.sub(lambda match: bytes.fromhex(match[1].decode()), raw)
            if b"%" in _PERCENT.sub(b"", raw):
                defects.note(Defect.BAD_EXTENDED_VALUE)
            raw = decoded
        octets += raw
        count += 1
    if count < len(found):
        defects.note(Defect.MISSING_SECTION)
    if not charset:
        return guess(octets)
    text, known = decode(octets, charset)
    if not known:
        defects.note(Defect.UNKNOWN_CHARSET)
    return text


def write_parameter(name: str, value: str) -> str:
    """`;` and the parameter on lines of its own, each begun with CRLF and a space, at most 78 characters.

    Quoted where it is plain ASCII and short, else in the form of RFC 2231 §4 with UTF-8, continued where it is long.
    """
    if _PLAIN_VALUE.match(value):
        return f';\r\n {name}="{value}"'
    octets = value.encode("utf-8", "replace")
    encoded = [chr(octet) if octet in _ATTRIBUTE else f"%{octet:02X}" for octet in octets]
    sections = [""]
    for piece in encoded:
        if len(sections[-1]) + len(piece) > _SECTION_OCTETS:
            sections.append("")
        sections[-1] += piece
    if len(sections) == 1:
        return f";\r\n {name}*=utf-8''{sections[0]}"
    first, *others = sections
    later = (f";\r\n {name}*{number}*={section}" for number, section in enumerate(others, 1))
    return "".join((f";\r\n {name}*0*=utf-8''{first}", *later))
