"""The receipt as a file: `danelaw/receipt/1`, written and read.

One JSON object in one form only (`danelaw.receipt.form.indented`). `digest` is the SHA-256 of that form of all other
members but `signature`, so that damage shows; it proves nothing against who writes it anew. `signature` is Ed25519
(RFC 8032) by the gateway over the digest. docs/receipts.md describes every member.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from danelaw.hashchain import Link
from danelaw.queue import Attempt, InvalidQueueId, id_from_text
from danelaw.receipt.form import Fields, FormError, canonical, check_form, digest_of, indented, parse, time_in
from danelaw.receipt.kinds import Contradiction, Kind

SCHEMA = "danelaw/receipt/1"
MOST_OCTETS = 16 << 20
MOST_TRIES = 512
_MOST_EVIDENCE = 8192
_MOST_LINKS = 512
_MOST_RECIPIENTS = 100_000
_SIGNED = b"danelaw/receipt/1 signature\x00"


@dataclass(frozen=True, slots=True)
class LogPlace:
    """Where a try stands in the log: entry `index` of `entries` in the last of `links`, which go back to it from a
    later one, latest first.
    """

    index: int
    entries: int
    path: tuple[bytes, ...]
    links: tuple[Link, ...]


@dataclass(frozen=True, slots=True)
class Try:
    """One recorded try: `number` is its place among those stored together, `record` as it was stored."""

    number: int
    record: str
    log: LogPlace | None


@dataclass(frozen=True, slots=True)
class Receiver:
    """One recipient: `to` is None where addresses are left out, `state` one word of the closed vocabulary."""

    number: int
    to: str | None
    state: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is said of the message; times are POSIX seconds, `sender` and `message_id` None where they are left out."""

    id: str
    received_at: float
    sender: str | None
    size: int
    message_id: str | None
    requiretls: bool
    tls_required_no: bool
    recipients: tuple[Receiver, ...]

    @property
    def number(self) -> int:
        """The id as a number. Raises `InvalidQueueId`."""
        return id_from_text(self.id)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A receipt. `evidence` is by SHA-256; `signature` is (public key, signature), both raw, of the `digest`."""

    written_at: float
    written_by: str
    envelope: Envelope
    tries: tuple[Try, ...]
    evidence: Mapping[bytes, bytes]
    digest: bytes = b""
    signature: tuple[bytes, bytes] | None = None


def signed_octets(digest: bytes) -> bytes:
    """What a signature is made over."""
    return _SIGNED + digest


# Writing


def write(receipt: Receipt, sign: Callable[[bytes], tuple[bytes, bytes]] | None = None) -> bytes:
    """The octets of a receipt. `sign` gives public key and signature for what `signed_octets` says."""
    body = {
        "schema": SCHEMA,
        "written_at": round(receipt.written_at, 3),
        "written_by": receipt.written_by,
        "message": _of_envelope(receipt.envelope),
        "tries": [_of_try(one) for one in receipt.tries],
        "evidence": {
            digest.hex(): base64.b64encode(octets).decode("ascii") for digest, octets in receipt.evidence.items()
        },
    }
    return seal(body, sign)


def seal(body: Mapping[str, Any], sign: Callable[[bytes], tuple[bytes, bytes]] | None = None) -> bytes:
    """The octets of a receipt with these members: digest and signature are made for them."""
    bare = {name: value for name, value in body.items() if name not in ("digest", "signature")}
    digest = hashlib.sha256(indented(bare)).digest()
    whole = bare | {"digest": digest.hex(), "signature": None}
    if sign is not None:
        key, signature = sign(signed_octets(digest))
        whole["signature"] = {"ed25519": key.hex(), "value": signature.hex()}
    return indented(whole)


def _of_envelope(envelope: Envelope) -> dict[str, Any]:
    return {
        "id": envelope.id,
        "received_at": envelope.received_at,
        "from": envelope.sender,
        "size": envelope.size,
        "message_id": envelope.message_id,
        "requiretls": envelope.requiretls,
        "tls_required_no": envelope.tls_required_no,
        "recipients": [{"number": one.number, "to": one.to, "state": one.state} for one in envelope.recipients],
    }


def _of_try(one: Try) -> dict[str, Any]:
    log = one.log and {
        "index": one.log.index,
        "entries": one.log.entries,
        "path": [digest.hex() for digest in one.log.path],
        "links": [
            {
                "number": link.number,
                "at": link.at,
                "root": link.root.hex(),
                "previous": link.previous.hex(),
                "jump": link.jump.hex(),
            }
            for link in one.log.links
        ],
    }
    return {
        "number": one.number,
        "record": one.record,
        "claims": Attempt.decode(one.record).claims(),
        "log": log,
    }


# Reading


def read(octets: bytes) -> Receipt:
    """Read a receipt: its form, its version, its digest, and that each piece of evidence is the one it is called. What
    it claims is not judged. Raises `Contradiction`.
    """
    try:
        value = parse(octets, MOST_OCTETS)
        fields = Fields(value, "the receipt")
        schema = fields.text("schema")
        if schema != SCHEMA:
            raise Contradiction(Kind.VERSION, f"its form is {schema[:60]!r}, and {SCHEMA} is what can be verified")
        check_form(value, octets, indented, "the receipt")
        receipt = _receipt(fields)
        fields.done()
    except FormError as error:
        raise Contradiction(Kind.FORM, error.reason) from None
    bare = {name: item for name, item in value.items() if name not in ("digest", "signature")}
    if hashlib.sha256(indented(bare)).digest() != receipt.digest:
        raise Contradiction(Kind.ALTERED, "it was altered after it was written: its digest is another")
    for digest, blob in receipt.evidence.items():
        if hashlib.sha256(blob).digest() != digest:
            raise Contradiction(Kind.EVIDENCE, f"the evidence {digest.hex()[:8]}… is not what its digest says")
    return receipt


def _receipt(fields: Fields) -> Receipt:
    return Receipt(
        written_at=fields.number("written_at"),
        written_by=fields.text("written_by"),
        envelope=_envelope(Fields(fields.inner("message"), "the message")),
        tries=tuple(_try(item, number) for number, item in enumerate(fields.members("tries", MOST_TRIES), 1)),
        evidence=dict(_evidence(fields.inner("evidence"))),
        digest=fields.digest("digest"),
        signature=_signature(fields.inner_or_none("signature")),
    )


def _envelope(fields: Fields) -> Envelope:
    found = Envelope(
        id=fields.text("id"),
        received_at=fields.number("received_at"),
        sender=fields.text_or_none("from"),
        size=fields.integer("size"),
        message_id=fields.text_or_none("message_id"),
        requiretls=fields.truth("requiretls"),
        tls_required_no=fields.truth("tls_required_no"),
        recipients=tuple(_receiver(item) for item in fields.members("recipients", _MOST_RECIPIENTS)),
    )
    fields.done()
    try:
        found.number  # noqa: B018 - raises where the id is none
    except InvalidQueueId as error:
        raise FormError(error.reason) from None
    numbers = [one.number for one in found.recipients]
    if len(set(numbers)) != len(numbers):
        raise FormError("a recipient stands twice")
    return found


def _receiver(item: Any) -> Receiver:
    fields = Fields(_object(item, "a recipient"), "a recipient")
    found = Receiver(fields.integer("number"), fields.text_or_none("to"), fields.text("state"))
    fields.done()
    return found


def _try(item: Any, position: int) -> Try:
    fields = Fields(_object(item, f"try {position}"), f"try {position}")
    found = Try(fields.integer("number"), fields.text("record"), _log(fields.inner_or_none("log"), position))
    claims = fields.inner("claims")
    fields.done()
    if found.number >= 1 << 32:
        raise FormError(f"try {position} has no number that can be one")
    try:
        attempt = Attempt.decode(found.record)
        recorded = attempt.claims()
        octets = canonical(recorded)
    except Exception as error:  # a record is an array of anything
        raise FormError(f"the record of try {position} cannot be read: {error}") from None
    for time in (attempt.time, attempt.judged_at, attempt.duration):
        time_in(time, f"a time of try {position}")
    if canonical(claims) != octets:  # to Python 1 is true, and 25.0 is 25
        differing = sorted(name for name in claims | recorded if claims.get(name) != recorded.get(name))
        raise Contradiction(
            Kind.RECORD, f"try {position}: what is claimed is not what was recorded ({', '.join(differing)[:80]})"
        )
    return found


def _log(item: Mapping[str, Any] | None, position: int) -> LogPlace | None:
    if item is None:
        return None
    fields = Fields(item, f"the place of try {position} in the log")
    links = []
    for one in fields.members("links", _MOST_LINKS):
        link = Fields(_object(one, "a link"), "a link")
        links.append(
            Link(
                link.integer("number"),
                link.integer("at"),
                link.digest("root"),
                link.digest("previous"),
                link.digest("jump"),
            )
        )
        link.done()
    found = LogPlace(
        fields.integer("index"), fields.integer("entries"), tuple(fields.digests("path", 64)), tuple(links)
    )
    fields.done()
    if not links:
        raise FormError(f"the place of try {position} in the log has no link")
    return found


def _evidence(items: Mapping[str, Any]) -> Iterable[tuple[bytes, bytes]]:
    if len(items) > _MOST_EVIDENCE:
        raise FormError(f"there are more than {_MOST_EVIDENCE} pieces of evidence")
    for name, text in items.items():
        digest = digest_of(name, "the name of a piece of evidence")
        try:
            octets = base64.b64decode(text, validate=True) if isinstance(text, str) else None
        except (binascii.Error, ValueError):
            octets = None
        if octets is None or base64.b64encode(octets).decode("ascii") != text:
            raise FormError(f"the evidence {name[:8]}… is not in base64")
        yield digest, octets


def _signature(item: Mapping[str, Any] | None) -> tuple[bytes, bytes] | None:
    if item is None:
        return None
    fields = Fields(item, "the signature")
    key = fields.digest("ed25519")
    try:
        value = bytes.fromhex(text := fields.text("value"))
    except ValueError:
        value, text = b"", ""
    fields.done()
    if len(value) != 64 or value.hex() != text:
        raise FormError("the signature is no Ed25519 signature in hexadecimal")
    return key, value


def _object(item: Any, what: str) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise FormError(f"{what} is no object")
    return item
