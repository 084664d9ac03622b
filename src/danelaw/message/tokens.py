"""The words of fields that hold addresses: atoms, quoted strings, domain literals, specials (RFC 5322 §3.2)."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from danelaw.message.defects import Defect, Defects

# atext of RFC 5322 §3.2.3 and, by RFC 6532 §3.2, characters beyond ASCII; C1 controls, separators of lines and what
# was not UTF-8 (surrogates) belong to no word.
_ATEXT = r"A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u00a0-\u2027\u202a-\ud7ff\ue000-\U0010ffff"
# An encoded word is taken as one word with characters it should not have (commas are met), yet never with angle
# brackets: an address in brackets is seen wherever it stands.
_ENCODED = r"=\?[^?=\s()<>@,;:\"/\[\]]{1,64}\?[bBqQ]\?[^?<>\s]*\?=(?=[ \t,<(]|\Z)"
_QUOTED = r'"(?:[^"\\]|\\.)*+"'
_REST = rf"|(?P<encoded>{_ENCODED})|(?P<atom>[{_ATEXT}]+)|(?P<literal>\[(?:[^\[\]\\]|\\.){{0,255}}+\])|(?P<special>.)"
_TOKEN = re.compile(rf"(?P<space>[ \t]+)|(?P<quoted>{_QUOTED})" + _REST, re.DOTALL)
_TOKEN_AFTER_OPEN_QUOTE = re.compile(r"(?P<space>[ \t]+)" + _REST, re.DOTALL)
_IN_COMMENT = re.compile(r"[^()\\]*+(?:\\.[^()\\]*+)*+", re.DOTALL)
_PAIR = re.compile(r"\\(.)", re.DOTALL)
_ATOM = re.compile(rf"[{_ATEXT}]+\Z")
DOT_ATOM = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*\Z")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_FOLD = re.compile(r"\r?\n(?=[ \t])")
_LINE_END = re.compile(r"[\r\n]")


class Kind(Enum):
    """What a token is; `SPACE` stands for white space, comments, or both."""

    SPACE = "space"
    ATOM = "atom"
    ENCODED = "encoded"
    QUOTED = "quoted"
    LITERAL = "literal"
    SPECIAL = "special"


class Token(NamedTuple):
    """`text` is the content: a quoted string without quotes, a comment's text for `SPACE`."""

    kind: Kind
    text: str


_KINDS = {kind.value: kind for kind in Kind}
_SPECIALS = {character: Token(Kind.SPECIAL, character) for character in '()<>@,;:\\".[]'}
_SPACE = Token(Kind.SPACE, "")
ANGLE = _SPECIALS["<"]
ANGLE_END = _SPECIALS[">"]
AT = _SPECIALS["@"]


def unfold(value: bytes, defects: Defects) -> str:
    """A field's value as text on one line (RFC 5322 §2.2.3); octets that are no UTF-8 become lone surrogates.

    A line end that is no folding becomes a space.
    """
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode("utf-8", "surrogateescape")
        defects.note(Defect.NOT_UTF8)
    text = text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
    if "\n" in text or "\r" in text:
        text = _FOLD.sub("", text)
        if _LINE_END.search(text):
            defects.note(Defect.LINE_END_IN_FIELD)
            text = _LINE_END.sub(" ", text)
    return text


def tokens(text: str, defects: Defects) -> list[Token]:
    """The tokens of unfolded text, in time linear in its length."""
    found: list[Token] = []
    place, pattern, comments = 0, _TOKEN, True
    while place < len(text):
        if text[place] == "(" and comments:
            content, end = comment(text, place, defects)
            # RFC 7103 §7.1.4: an address behind a parenthesis that is not closed is one; none is looked for after it.
            comments = Defect.COMMENT_NOT_CLOSED not in defects
            if comments:
                found.append(Token(Kind.SPACE, content))
                place = end
                continue
        match = pattern.match(text, place)
        assert match is not None
        assert match.lastgroup is not None
        place = match.end()
        kind, written = _KINDS[match.lastgroup], match[0]
        if kind is Kind.SPACE:
            found.append(_SPACE)
        elif kind is Kind.QUOTED:
            found.append(Token(kind, unquote(written, defects)))
        elif kind is Kind.SPECIAL:
            if written == '"':
                # No later quote can close one that this one could not: they are looked for no more.
                pattern = _TOKEN_AFTER_OPEN_QUOTE
                defects.note(Defect.QUOTE_NOT_CLOSED)
            elif written not in _SPECIALS and not "\ud800" <= written <= "\udfff":
                defects.note(Defect.CONTROL)
            found.append(_SPECIALS.get(written) or Token(kind, written))
        else:
            found.append(Token(Kind.ATOM if kind is Kind.ENCODED and _ATOM.match(written) else kind, written))
    return found


def unquote(written: str, defects: Defects) -> str:
    """The content of a quoted string, quotes included in what is given (RFC 5322 §3.2.4)."""
    content = _PAIR.sub(r"\1", written[1:-1]) if "\\" in written else written[1:-1]
    if _CONTROL.search(content):
        defects.note(Defect.CONTROL_IN_TEXT)
    return content


def comment(text: str, begin: int, defects: Defects) -> tuple[str, int]:
    """(content, place behind it) of the comment that opens at `begin`; without an end it is all the rest."""
    depth, place = 1, begin + 1
    while depth:
        match = _IN_COMMENT.match(text, place)
        assert match is not None
        place = match.end()
        character = text[place : place + 1]
        if character not in ("(", ")"):
            defects.note(Defect.COMMENT_NOT_CLOSED)
            return "", len(text)
        depth += 1 if character == "(" else -1
        place += 1
    content = _PAIR.sub(r"\1", text[begin + 1 : place - 1])
    if _CONTROL.search(content):
        defects.note(Defect.CONTROL_IN_TEXT)
    return content, place


def index(found: list[Token], special: str, begin: int = 0) -> int | None:
    """Where that special stands first, from `begin` on."""
    try:
        return found.index(_SPECIALS[special], begin)
    except ValueError:
        return None


def trimmed(found: list[Token]) -> list[Token]:
    """Without white space and comments at both ends."""
    begin, end = 0, len(found)
    while begin < end and found[begin].kind is Kind.SPACE:
        begin += 1
    while end > begin and found[end - 1].kind is Kind.SPACE:
        end -= 1
    return found[begin:end]


def is_space(found: list[Token]) -> bool:
    """Whether there is nothing but white space and comments."""
    return all(token.kind is Kind.SPACE for token in found)
