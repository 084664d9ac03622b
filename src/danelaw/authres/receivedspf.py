"""Received-SPF: the result with what is needed to work it out again (RFC 7208 §9.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.authres import writing
from danelaw.authres.errors import FieldTooLarge
from danelaw.authres.results import MAX_FIELD_SIZE, MAX_PROPERTIES
from danelaw.authres.scanner import Scanner

NAME = "Received-SPF"


@dataclass(frozen=True, slots=True)
class ReceivedSPF:
    """One field: `result` in lower case, `comment` for people, `pairs` of key and value in their order."""

    result: str
    comment: str = ""
    pairs: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(
        cls,
        result: str,
        comment: str = "",
        *,
        receiver: str,
        client_ip: str,
        envelope_from: str,
        helo: str,
        identity: str,
        mechanism: str = "",
        problem: str = "",
    ) -> ReceivedSPF:
        """With the keys RFC 7208 §9.1 names; those without a value are left out."""
        pairs = (
            ("receiver", receiver),
            ("client-ip", client_ip),
            ("envelope-from", envelope_from),
            ("helo", helo),
            ("identity", identity),
            ("mechanism", mechanism),
            ("problem", problem),
        )
        return cls(result, comment, tuple(pair for pair in pairs if pair[1]))

    @classmethod
    def from_bytes(cls, body: bytes) -> ReceivedSPF:
        """Read a field body; what cannot be read is passed over. Raises `FieldTooLarge` above `MAX_FIELD_SIZE`."""
        if len(body) > MAX_FIELD_SIZE:
            raise FieldTooLarge(f"the field has {len(body)} octets; {MAX_FIELD_SIZE} are read at most")
        scanner = Scanner(body.decode("utf-8", "replace"))
        scanner.skip()
        scanner.comments.clear()
        result = scanner.word(";").lower()
        scanner.skip()
        comment = " ".join(scanner.comments)
        return cls(result, comment, tuple(_pairs(scanner)))

    def value(self, key: str) -> str | None:
        """The first value of a key, None when it is absent."""
        return next((value for name, value in self.pairs if name == key), None)

    def to_bytes(self, *, utf8: bool = False) -> bytes:
        """The field with its name, folded, CRLF at its end. Raises `UnwritableField` for what cannot be quoted."""
        pieces = [writing.keyword(self.result)]
        if self.comment:
            pieces.append(writing.comment(self.comment))
        pairs = [f"{writing.keyword(key)}={writing.dot_atom(value)};" for key, value in self.pairs]
        if pairs:
            pairs[-1] = pairs[-1].removesuffix(";")
        return writing.folded(NAME, [pieces, pairs] if pairs else [pieces], utf8=utf8)


def _pairs(scanner: Scanner) -> Iterator[tuple[str, str]]:
    for _ in range(MAX_PROPERTIES):
        scanner.skip()
        if not scanner.ahead:
            return
        key = scanner.word(";=").lower()
        if key and scanner.take("="):
            scanner.skip()
            yield key, scanner.word(";")
        scanner.pass_to(";")
        scanner.take(";")
