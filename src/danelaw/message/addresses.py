"""Who a field of addresses names: From, Sender, Reply-To, To, Cc (RFC 5322 §3.4, groups in From by RFC 6854 §2.1).

Reading is tolerant and invents nothing: an address is given only where its `@`, local-part and domain stand together,
alone or in angle brackets. What readers could take in two ways is given with a defect that is `ambiguous`. An address
in a display name, comment or encoded word is none.

`author_addresses` reads what DMARC calls the author domain (RFC 9989 §5.3.1): all From fields of the message count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from danelaw.message.addrspec import Place, addr_spec, comment_of, display_name, without_route
from danelaw.message.defects import Defect, Defects
from danelaw.message.encodedwords import decode_words, encode_words
from danelaw.message.tokens import ANGLE, ANGLE_END, DOT_ATOM, Token, index, is_space, tokens, trimmed, unfold

MAX_FIELD = 256 * 1024
MAX_MAILBOXES = 10_000
MAX_AUTHORS = 100
MAX_AUTHOR_OCTETS = 64 * 1024

# Most fields there are: plain words or one quoted string, then an address in brackets; or the address alone.
_ATOM = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]++"
_DOTS = rf"{_ATOM}(?:\.{_ATOM})*+"
_PHRASE = re.compile(rf"{_ATOM}(?: {_ATOM})*\Z")
_USUAL = re.compile(
    rf'[ ]?(?:(?:({_ATOM}(?:[ ]{_ATOM})*+)|"([A-Za-z0-9 ,.@_&\'\-]*)")?[ ]?<({_DOTS})@({_DOTS})>|({_DOTS})@({_DOTS}))\Z'
)
_REMEMBERED_OCTETS = 512
"""Octets of a field whose mailboxes are remembered."""


@dataclass(frozen=True, slots=True)
class NamedMailbox:
    """A mailbox as a header field writes it.

    `display_name` for people, encoded words decoded, "" without one (a comment behind a bare address counts as one);
    `localpart` the content without quotes; `domain` as written (A- or U-labels, or a literal in brackets), without
    comments and final dot; `group` the name of the group it stands in.
    """

    display_name: str
    localpart: str
    domain: str
    group: str | None = None

    @property
    def address(self) -> str:
        """`localpart@domain`, quoted where it must be."""
        if DOT_ATOM.match(self.localpart):
            return f"{self.localpart}@{self.domain}"
        quoted = self.localpart.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{quoted}"@{self.domain}'

    def to_text(self) -> str:
        """As a field writes it, without the group: the name as a phrase, quoted or encoded where it must be.

        Encoded names of some length have CRLF and a space within (RFC 2047 §2); addresses beyond ASCII are for
        messages with SMTPUTF8 (RFC 6532 §3.2).
        """
        if not self.display_name:
            return self.address
        name = encode_words(self.display_name)
        if name == self.display_name and not _PHRASE.match(name):
            name = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
        return f"{name} <{self.address}>"


class Addresses(NamedTuple):
    """The mailboxes of one field, in order, and what was odd about it."""

    mailboxes: tuple[NamedMailbox, ...]
    defects: tuple[Defect, ...] = ()


@dataclass(frozen=True, slots=True)
class Authors:
    """The author addresses of a message: `fields` counts its From fields, all of which were read."""

    mailboxes: tuple[NamedMailbox, ...]
    defects: tuple[Defect, ...]
    fields: int

    @property
    def domains(self) -> tuple[str, ...]:
        """The distinct domains in lower case, as written; address literals included."""
        return tuple(dict.fromkeys(mailbox.domain.lower() for mailbox in self.mailboxes))

    @property
    def ambiguous(self) -> bool:
        """True when another reader may see another author: several From fields, an @ before the brackets, and so on."""
        return any(defect.ambiguous for defect in self.defects)


def author_addresses(
    raw_fields: Iterable[tuple[bytes, bytes]],
    *,
    max_octets: int = MAX_AUTHOR_OCTETS,
    max_mailboxes: int = MAX_AUTHORS,
) -> Authors:
    """The mailboxes of all From fields among (name, whole field) pairs, as `Field.name` and `Field.raw` are.

    Zero or several `domains`: DMARC cannot be validated as such (RFC 9989 §5.3.1, §11.5). What goes beyond
    `max_octets` or `max_mailboxes` of all fields together is not read; a defect says so.
    """
    defects = Defects()
    found: list[NamedMailbox] = []
    count = 0
    for name, raw in raw_fields:
        if name.lower() != b"from":
            continue
        count += 1
        if len(found) >= max_mailboxes:
            defects.note(Defect.TOO_MANY_ADDRESSES)
            continue
        value = raw[raw.index(b":") + 1 :]
        most = max_mailboxes - len(found)
        usual = len(value) <= min(_REMEMBERED_OCTETS, max_octets)
        one = _mailboxes(value, most) if usual else mailboxes(value, max_octets=max_octets, max_mailboxes=most)
        max_octets = max(max_octets - len(value), 0)
        found += one.mailboxes
        defects.update(dict.fromkeys(one.defects))
    if count != 1:
        defects.note(Defect.SEVERAL_FROM if count else Defect.NO_FROM)
    return Authors(tuple(found), defects.seen(), count)


@lru_cache(maxsize=1_024)  # who writes writes again
def _mailboxes(field_value: bytes, max_mailboxes: int) -> Addresses:
    return mailboxes(field_value, max_mailboxes=max_mailboxes)


def mailboxes(field_value: bytes, *, max_octets: int = MAX_FIELD, max_mailboxes: int = MAX_MAILBOXES) -> Addresses:
    """The mailboxes in the octets behind a field's colon, folding included. Never raises.

    What lies beyond `max_octets` is not read, nor are more than `max_mailboxes`; a defect says so.
    """
    defects = Defects()
    if len(field_value) > max_octets:
        defects.note(Defect.FIELD_TOO_LONG)
        field_value = field_value[:max_octets]
    text = unfold(field_value, defects)
    usual = _USUAL.match(text)
    if usual is not None and max_mailboxes:
        words, quoted, localpart, domain, bare, bare_domain = usual.groups()
        name = " ".join((decode_words(words) if words else quoted or "").split())
        return Addresses((NamedMailbox(name, localpart or bare, domain or bare_domain),), defects.seen())
    reader = _Reader(defects, max_mailboxes)
    reader.read(tokens(text, defects))
    return Addresses(tuple(reader.mailboxes), defects.seen())


class _Reader:
    """Takes a list of tokens apart at its commas, colons and semicolons."""

    __slots__ = ("_defects", "_group", "_members", "_most", "mailboxes")

    def __init__(self, defects: Defects, most: int) -> None:
        self._defects = defects
        self._most = most
        self._group: str | None = None
        self._members = 0
        self.mailboxes: list[NamedMailbox] = []

    def read(self, found: list[Token]) -> None:
        """All elements, until there are too many mailboxes."""
        if is_space(found):
            self._defects.note(Defect.EMPTY_FIELD)
            return
        begin = 0
        place = Place()
        for position, token in enumerate(found):
            separator = place.pass_over(token, grouped=self._group is not None)
            if not separator:
                continue
            element = found[begin:position]
            after_group = begin > 0 and found[begin - 1].text == ";"
            begin = position + 1
            if separator == ":":
                self._group, self._members = display_name(element, self._defects), 0
            elif separator == ";":
                self._semicolon(element)
            elif not (after_group and is_space(element)):
                self._element(element)
            if len(self.mailboxes) > self._most:
                break
        else:
            self._end(found[begin:], found[begin - 1].text if begin else "")
        if len(self.mailboxes) > self._most:
            self._defects.note(Defect.TOO_MANY_ADDRESSES)
            del self.mailboxes[self._most :]

    def _end(self, element: list[Token], separator: str) -> None:
        if not is_space(element) or separator == ",":
            self._element(element)
        if self._group is not None:
            self._defects.note(Defect.GROUP_NOT_CLOSED)

    def _semicolon(self, element: list[Token]) -> None:
        if self._group is None:
            self._defects.note(Defect.SEMICOLON_AS_COMMA)
        if not is_space(element):
            self._element(element)
        if self._group is not None and not self._members:
            self._defects.note(Defect.EMPTY_GROUP)
        self._group = None

    def _element(self, element: list[Token]) -> None:
        """One address of the list, whatever its form."""
        if is_space(element):
            self._defects.note(Defect.EMPTY_ELEMENT)
            return
        begin = index(element, "<")
        if begin is None:
            closing = index(element, ">")
            if closing is not None:
                self._defects.note(Defect.ANGLE_TWICE)
                # RFC 7103 §7.1.3, §7.1.5: a bracket is too much, or a comma stands within brackets.
                element = element[:closing] if is_space(element[closing + 1 :]) else element
            self._add(comment_of(element), element)
            return
        name = display_name(element[:begin], self._defects)
        while begin is not None and len(self.mailboxes) <= self._most:
            end = index(element, ">", begin)
            if end is None:
                self._defects.note(Defect.ANGLE_NOT_CLOSED)
                end = len(element)
            begin += 1
            while begin < end and element[begin] == ANGLE:
                self._defects.note(Defect.ANGLE_TWICE)
                begin += 1
            self._add(name, without_route(element[begin:end], self._defects))
            begin = index(element, "<", end)
            if begin is not None:
                self._defects.note(Defect.ADDRESSES_WITHOUT_COMMA)
                name = display_name(element[end + 1 : begin], self._defects)
            else:
                self._behind(element[end + 1 :])

    def _behind(self, rest: list[Token]) -> None:
        """What stands between an address in brackets and the next comma."""
        if not is_space(rest):
            only_brackets = all(token == ANGLE_END for token in trimmed(rest))
            self._defects.note(Defect.ANGLE_TWICE if only_brackets else Defect.TEXT_AFTER_ADDRESS)

    def _add(self, name: str, spec: list[Token]) -> None:
        address = addr_spec(spec, self._defects)
        if address is None:
            self._defects.note(Defect.NO_ADDRESS if index(spec, "@") is not None else Defect.NO_DOMAIN)
            return
        self._members += 1
        self.mailboxes.append(NamedMailbox(name, *address, self._group))
