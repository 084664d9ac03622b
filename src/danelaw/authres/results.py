"""Authentication-Results: read as it comes, written by the book (RFC 8601 §2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.authres import writing
from danelaw.authres.errors import FieldTooLarge
from danelaw.authres.scanner import Scanner

NAME = "Authentication-Results"
MAX_FIELD_SIZE = 65_536
"""Octets of one field that are read."""
MAX_RESULTS = 200
MAX_PROPERTIES = 1_000


@dataclass(frozen=True, slots=True)
class Property:
    """What was checked, such as `smtp.mailfrom=anna@example.org` (RFC 8601 §2.2 `propspec`).

    `ptype` is smtp, header, body, policy or one registered later; "" for the malformed kind some large senders write.
    """

    ptype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """One method with its result (RFC 8601 §2.2 `resinfo`); names and result are lower case, `comment` all of them."""

    method: str
    result: str
    reason: str = ""
    properties: tuple[Property, ...] = ()
    comment: str = ""
    version: int | None = None

    def value(self, ptype: str, name: str) -> str | None:
        """The first value of a property, None when it is absent."""
        return next((item.value for item in self.properties if (item.ptype, item.name) == (ptype, name)), None)

    def _pieces(self) -> Iterator[str]:
        version = f"/{self.version}" if self.version is not None else ""
        yield f"{writing.keyword(self.method)}{version}={writing.keyword(self.result)}"
        if self.comment:
            yield writing.comment(self.comment)
        if self.reason:
            yield f"reason={writing.value(self.reason)}"
        for item in self.properties:
            name = f"{writing.keyword(item.ptype)}.{writing.keyword(item.name)}"
            yield f"{name}={writing.property_value(item.value)}"


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One field. `authserv_id` says whose word it is: believe it only when that is us (RFC 8601 §5).

    No `results` is what "none" stands for. `defects` say what was malformed; what could be read is there anyway.
    """

    authserv_id: str
    results: tuple[MethodResult, ...] = ()
    version: int | None = None
    defects: tuple[str, ...] = ()

    @classmethod
    def from_bytes(cls, body: bytes) -> AuthenticationResults:
        """Read a field body (`Field.body` or `Field.value`): comments, folding and quoted strings wherever they are.

        Raises `FieldTooLarge` above `MAX_FIELD_SIZE`, and nothing else.
        """
        if len(body) > MAX_FIELD_SIZE:
            raise FieldTooLarge(f"the field has {len(body)} octets; {MAX_FIELD_SIZE} are read at most")
        scanner = Scanner(body.decode("utf-8", "replace"))
        authserv_id, version = _whose(scanner)
        results = tuple(_results(scanner))
        return cls(authserv_id, results, version, tuple(scanner.defects))

    def to_bytes(self, *, utf8: bool = False) -> bytes:
        """The field with its name, folded, CRLF at its end; `utf8` for messages that may have UTF-8 (RFC 8616 §5).

        Values are quoted where they must be. Raises `UnwritableField` for control characters, names that are no
        keywords, and values no line can hold.
        """
        begin = writing.value(self.authserv_id) + (f" {self.version}" if self.version is not None else "")
        if not self.results:
            return writing.folded(NAME, [[f"{begin};", "none"]], utf8=utf8)
        lines = [[begin], *(list(result._pieces()) for result in self.results)]
        for line in lines[:-1]:
            line[-1] += ";"
        return writing.folded(NAME, lines, utf8=utf8)

    def of(self, method: str) -> tuple[MethodResult, ...]:
        """The results of one method."""
        return tuple(result for result in self.results if result.method == method)


def _whose(scanner: Scanner) -> tuple[str, int | None]:
    """authserv-id and version. A field that begins with a result has neither, though the grammar wants an id."""
    scanner.skip()
    begin = scanner.place
    identity = scanner.word(";=")
    scanner.skip()
    if scanner.ahead == "=":
        scanner.place = begin
        scanner.comments.clear()
        scanner.defects.append("no authserv-id")
        return "", None
    if not identity:
        scanner.defects.append("no authserv-id")
    version = None
    if scanner.ahead not in ("", ";"):
        word = scanner.word(";")
        version = _number(word)
        scanner.skip()
        if version is None or scanner.ahead not in ("", ";"):
            scanner.defects.append("words behind the authserv-id")
            scanner.pass_to(";")
    if not scanner.take(";"):
        scanner.defects.append("neither results nor none")
    return identity, version


def _results(scanner: Scanner) -> Iterator[MethodResult]:
    number = properties = 0
    while True:
        scanner.skip()
        if not scanner.ahead:
            return
        if number == MAX_RESULTS or properties >= MAX_PROPERTIES:
            scanner.defects.append("more results or properties than are read")
            return
        result = _result(scanner)
        if result is not None:
            number += 1
            properties += len(result.properties)
            yield result
        scanner.pass_to(";")
        scanner.take(";")


def _result(scanner: Scanner) -> MethodResult | None:
    scanner.comments.clear()
    method = scanner.word(";=/").lower()
    version = None
    if scanner.take("/"):
        scanner.skip()
        version = _number(scanner.word(";="))
    named = scanner.take("=")
    scanner.skip()
    result = scanner.word(";").lower() if named else ""
    if not method or not result:
        if method != "none" or named:
            scanner.defects.append("a method without a result, or the reverse")
        return None
    reason, properties = _details(scanner)
    return MethodResult(method, result, reason, tuple(properties), " ".join(scanner.comments), version)


def _details(scanner: Scanner) -> tuple[str, list[Property]]:
    """Reason and properties behind a result, in any order."""
    reason = ""
    properties: list[Property] = []
    while True:
        scanner.skip()
        if scanner.ahead in ("", ";") or len(properties) == MAX_PROPERTIES:
            return reason, properties
        ptype, name = scanner.word(";=.").lower(), ""
        if scanner.take("."):
            scanner.skip()
            name = scanner.word(";=").lower()
        if not scanner.take("="):
            scanner.defects.append("words that are no property")
            continue
        scanner.skip()
        value = scanner.word(";")
        if name:
            properties.append(Property(ptype, name, value))
        elif ptype == "reason":
            reason = value
        else:
            scanner.defects.append("a property without its type")
            properties.append(Property("", ptype, value))


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else None
