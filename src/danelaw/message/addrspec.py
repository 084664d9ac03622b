"""The parts of an address: addr-spec, route, display name, and where it ends in a list (RFC 5322 §3.4, §4.4)."""

from __future__ import annotations

from danelaw.message.charsets import mend
from danelaw.message.defects import Defect, Defects
from danelaw.message.encodedwords import decode_words
from danelaw.message.tokens import AT, Kind, Token, index, trimmed


class Place:
    """Where in an element of a list the reader is: before, in or behind an @ and angle brackets."""

    __slots__ = ("_angle", "_bare", "_route")

    def __init__(self) -> None:
        self._angle = False
        self._bare = True
        self._route: bool | None = None

    def pass_over(self, token: Token, *, grouped: bool) -> str:
        """The separator that the token is here, "" where it belongs to an element.

        A comma separates unless it stands in a route; a colon ends a group's name once, before any @ or bracket.
        """
        if token.kind is not Kind.SPECIAL:
            if self._angle and self._route is None and token.kind is not Kind.SPACE:
                self._route = False
            return ""
        character = token.text
        if (
            (character == "," and not (self._angle and self._route))
            or (character == ":" and self._bare and not grouped)
            or (character == ";" and not self._angle)
        ):
            self._angle, self._bare, self._route = False, True, None
            return character
        if character == "<":
            self._angle, self._bare, self._route = True, False, None
        elif character == ">":
            self._angle = False
        elif self._route is None:
            self._route = character == "@"
        if character == "@":
            self._bare = False
        return ""


def without_route(inner: list[Token], defects: Defects) -> list[Token]:
    """What follows the route of an address that has one (RFC 5322 §4.4)."""
    if next((token for token in inner if token.kind is not Kind.SPACE), None) != AT:
        return inner
    colon = index(inner, ":")
    if colon is None or any(token.text not in "@,." for token in inner[:colon] if token.kind is Kind.SPECIAL):
        return inner
    defects.note(Defect.ROUTE)
    return inner[colon + 1 :]


def addr_spec(spec: list[Token], defects: Defects) -> tuple[str, str] | None:
    """(local-part, domain) of an addr-spec (RFC 5322 §3.4.1), the obsolete forms of §4.4 included."""
    at = index(spec, "@")
    if at is None or index(spec, "@", at + 1) is not None:
        return None
    localpart = _dotted(trimmed(spec[:at]), (Kind.ATOM, Kind.QUOTED), defects)
    host = trimmed(spec[at + 1 :])
    if localpart is None or not host or mend(localpart) != localpart:
        return None
    if len(host) == 1 and host[0].kind is Kind.LITERAL:
        return localpart, "".join(host[0].text.split())
    if host[-1].text == "." and len(host) > 1:
        defects.note(Defect.DOT_AFTER_DOMAIN)
        host = trimmed(host[:-1])
    domain = _dotted(host, (Kind.ATOM,), defects)
    if domain is None or domain.startswith(".") or domain.endswith(".") or ".." in domain:
        return None
    return localpart, domain


def _dotted(found: list[Token], kinds: tuple[Kind, ...], defects: Defects) -> str | None:
    """Words with dots between them as one text, None for anything else; dots in a row or at an end are kept."""
    words = 0
    spaced = dots = False
    previous: Token | None = None
    for token in found:
        if token.kind is Kind.SPACE:
            spaced = True
            continue
        if token.kind in kinds:
            if previous is not None and previous.kind in kinds:
                return None
            words += 1
        elif token.kind is not Kind.SPECIAL or token.text != ".":
            return None
        else:
            dots = dots or previous is None or previous.kind is Kind.SPECIAL
        previous = token
    if not words:
        return None
    if spaced:
        defects.note(Defect.SPACE_IN_ADDRESS)
    if Kind.QUOTED in kinds:
        if words > 1 and any(token.kind is Kind.QUOTED for token in found):
            defects.note(Defect.WORDS_IN_LOCALPART)
        if dots or (previous is not None and previous.kind is Kind.SPECIAL):
            defects.note(Defect.DOTS_IN_LOCALPART)
    return "".join(token.text for token in found if token.kind is not Kind.SPACE)


def display_name(found: list[Token], defects: Defects) -> str:
    """A phrase for people (RFC 5322 §3.2.5); its comments are left out."""
    pieces: list[str] = []
    plain = ""
    for token in found:
        if token.kind is Kind.QUOTED:
            if "=?" in token.text:
                defects.note(Defect.ENCODED_WORD_IN_QUOTES)
            pieces += (decode_words(plain), decode_words(token.text))
            plain = ""
            continue
        if token.kind is Kind.SPECIAL and not "\ud800" <= token.text <= "\udfff":
            defects.note(_IN_PHRASE.get(token.text, Defect.SPECIALS_IN_PHRASE))
        elif token.kind is Kind.LITERAL:
            defects.note(Defect.SPECIALS_IN_PHRASE)
        elif token.kind is Kind.ENCODED:
            defects.note(Defect.ENCODED_SPECIALS)
        plain += " " if token.kind is Kind.SPACE else token.text
    pieces.append(decode_words(plain))
    return " ".join(mend("".join(pieces)).split())


_IN_PHRASE = {"@": Defect.ADDRESS_IN_PHRASE, ".": Defect.DOT_IN_PHRASE, ">": Defect.ANGLE_TWICE}


def comment_of(element: list[Token]) -> str:
    """The last comment beside a bare address: the older way to give a name (RFC 5322 §3.4)."""
    text = next((token.text for token in reversed(element) if token.kind is Kind.SPACE and token.text.strip()), "")
    return " ".join(mend(decode_words(text)).split())
