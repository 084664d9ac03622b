"""Fields from outside that claim to be ours: nobody may find them in what we pass on (RFC 8601 §5)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.authres.errors import FieldTooLarge
from danelaw.authres.results import NAME, AuthenticationResults
from danelaw.authres.scanner import Scanner
from danelaw.message import Field, Header
from danelaw.message.header import FIELD

_VERSION = re.compile(r"[0-9]{1,9}\Z")


def claimed(header: Header, authserv_ids: Iterable[str]) -> tuple[Field, ...]:
    """The Authentication-Results fields that carry one of our ids, or might to somebody who reads less strictly.

    Ids are compared like domains, U-labels and A-labels alike (RFC 8616 §5). A field too large to read, or malformed
    and with our id anywhere in it, counts as a claim: to lose a stranger's broken field costs nothing.
    """
    ours = _canonical_forms(tuple(authserv_ids))
    return tuple(field for field in header.all(NAME) if _claims(field, ours))


def without_claims(header: Header, authserv_ids: Iterable[str]) -> bytes:
    """`header.raw` without those fields, every other octet as it was."""
    gone = {field.offset for field in claimed(header, authserv_ids)}
    if not gone:
        return header.raw
    return b"".join(field.raw for field in header.tiles if field.offset not in gone)


def without_claims_among(text: bytes, authserv_ids: Iterable[str]) -> bytes:
    """Lines of which not all are fields, without those fields that claim to be ours."""
    gone = {field.raw for field in claimed(Header(text, len(text)), authserv_ids)}
    return FIELD.sub(lambda match: b"" if match[1] in gone else match[0], text) if gone else text


@lru_cache(maxsize=64)
def _canonical_forms(identities: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_canonical(identity) for identity in identities if identity)


def _claims(field: Field, ours: frozenset[str]) -> bool:
    try:
        found = AuthenticationResults.from_bytes(field.body)
    except FieldTooLarge:
        return True
    if _canonical(found.authserv_id) in ours:
        return True
    text = field.body.decode("utf-8", "replace")
    squeezed = _squeezed(text)
    if _canonical(squeezed) in ours or _canonical(_VERSION.sub("", squeezed)) in ours:
        return True
    lowered = text.lower()
    return bool(found.defects) and any(identity in lowered for identity in ours)


def _squeezed(text: str) -> str:
    """What stands before the first semicolon, without comments, white space, quotes and controls."""
    scanner = Scanner(text)
    words = []
    scanner.skip()
    while scanner.ahead not in ("", ";"):
        words.append(scanner.word(";"))
        scanner.skip()
    return "".join(character for character in "".join(words) if character.isprintable() and character not in ' "')


def _canonical(identity: str) -> str:
    try:
        return Domain.from_text(identity).ascii
    except DomainError:
        return identity.strip().lower()
