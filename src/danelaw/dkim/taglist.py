"""Lists of tag=value, which signatures and key records share (RFC 6376 §3.2, erratum 5070; RFC 8616 §5 for UTF-8)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from danelaw.dkim.errors import TagListError

MAX_TAGS = 64

# VALCHAR, semicolons and white space between; octets above 127 are UTF-8 (RFC 8616 §5).
_LIST_START = re.compile(rb"[!-~\x80-\xff \t]*")
_LIST = re.compile(_LIST_START.pattern + rb"\Z")
_FOLD = re.compile(rb"\r?\n(?=[ \t])")
_WSP = " \t"
_FWS = b" \t\r\n"
_WORD = re.compile(r"[A-Za-z](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")


@dataclass(frozen=True, slots=True)
class TagList(Mapping[str, str]):
    """Names and values in the order of the text; a value holds no folding and no white space at its ends."""

    tags: dict[str, str]

    @classmethod
    def from_bytes(cls, raw: bytes, *, max_octets: int) -> TagList:
        """Read a list, folded or not. Raises `TagListError` saying which part is wrong."""
        if len(raw) > max_octets:
            raise TagListError(f"the tag list has {len(raw)} octets, more than the {max_octets} read here")
        specs = _text(raw).split(";")
        if not specs[-1].strip(_WSP):
            specs.pop()
        if not specs:
            raise TagListError("the tag list is empty")
        if len(specs) > MAX_TAGS:
            raise TagListError(f"the tag list has more than {MAX_TAGS} tags")
        tags: dict[str, str] = {}
        for spec in specs:
            name, equals, value = spec.partition("=")
            name = name.strip(_WSP)
            # tag-name is ALPHA *(ALPHA / DIGIT / "_"): an identifier that does not begin with an underscore.
            if not equals or not name.isascii() or not name.isidentifier() or name[0] == "_":
                raise _no_tag(name, equals)
            if name in tags:
                raise TagListError(f"the tag {name}= stands twice")
            tags[name] = value.strip(_WSP)
        return cls(tags)

    def words(self, name: str, *, star: bool = False) -> tuple[str, ...]:
        """The colon-separated hyphenated words of a tag; with `star`, "*" is one. Raises `TagListError`."""
        found = tuple(part.strip(_WSP) for part in self.tags[name].split(":"))
        for word in found:
            if not _WORD.match(word) and not (star and word == "*"):
                raise TagListError(f"{name}= has {word[:40]!r} where a word is expected")
        return found

    def octets(self, name: str) -> bytes:
        """The base64 of a tag decoded, white space ignored. Raises `TagListError`."""
        text = self.tags[name].replace(" ", "").replace("\t", "")
        if not text:
            raise TagListError(f"{name}= is empty")
        if not text.endswith("="):
            # The grammar lets the padding be left out (RFC 6376 §2.10).
            text += "=" * (-len(text) % 4)
        try:
            return binascii.a2b_base64(text, strict_mode=True)
        except ValueError:
            raise TagListError(f"{name}= is not base64") from None

    def number(self, name: str, digits: int) -> int:
        """An unsigned decimal number of at most `digits` digits. Raises `TagListError`."""
        text = self.tags[name]
        if not (text.isascii() and text.isdigit() and len(text) <= digits):
            raise TagListError(f"{name}= is {text[:20]!r}, not a number of 1 to {digits} digits")
        return int(text)

    def __contains__(self, name: object) -> bool:
        return name in self.tags

    def __getitem__(self, name: str) -> str:
        return self.tags[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.tags)

    def __len__(self) -> int:
        return len(self.tags)


def _text(raw: bytes) -> str:
    """The list unfolded, every octet of it one that may stand there."""
    folded = raw.strip(_FWS)
    if b"\n" in folded:
        folded = folded.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t")
        if b"\n" in folded:
            folded = _FOLD.sub(b"", folded)
    if not _LIST.match(folded):
        at = _LIST_START.match(folded)
        tag = folded[: at.end() if at else 0].rpartition(b";")[2].partition(b"=")[0].strip(_FWS)
        raise TagListError(f"{tag[:20].decode('ascii', 'replace')}= holds a control character")
    try:
        return folded.decode("utf-8")
    except UnicodeDecodeError as error:
        tag = folded[: error.start].rpartition(b";")[2].partition(b"=")[0].strip(_FWS)
        raise TagListError(f"{tag[:20].decode('ascii', 'replace')}= holds octets that are no UTF-8") from None


def _no_tag(name: str, equals: str) -> TagListError:
    if equals:
        return TagListError(f"{name[:40]!r} is no name of a tag")
    return TagListError(f"{name[:40]!r} is no tag=value" if name else "two semicolons have nothing between them")


def without_value(raw: bytes, tag: bytes) -> bytes:
    """The list with the value of one tag, and all white space around the value, deleted (RFC 6376 §3.7).

    Every other octet stays as it is: the rest is what was signed.
    """
    start = 0
    for spec in raw.split(b";"):
        name, equals, after = spec.partition(b"=")
        if equals and name.strip(_FWS) == tag:
            value = start + len(name) + 1
            return raw[:value] + raw[value + len(after) :]
        start += len(spec) + 1
    return raw


def fold(parts: list[str], *, first: int, width: int = 76) -> str:
    """Join parts that may be broken between into lines of at most `width` (a longer part stays whole).

    `first` is what already stands on the first line. Continuation lines begin with a space.
    """
    lines, column = [""], first
    for part in parts:
        if column + len(part) > width and lines[-1]:
            lines.append("")
            column = 1
            part = part.lstrip(_WSP)
        lines[-1] += part
        column += len(part)
    return "\r\n ".join(lines)
