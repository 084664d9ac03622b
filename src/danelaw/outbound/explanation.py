"""What happened to a message and why, from the spool alone: the one function behind `danelaw explain`.

It reads through any reading connection, beside a running gateway or without one.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import dns.exception
import dns.message
from cryptography import x509

from danelaw.errors import DanelawError
from danelaw.queue import Filter, InvalidQueueId, id_from_text
from danelaw.spool import NoSuchMessage
from danelaw.spool.evidence import evidence_blob
from danelaw.spool.shards import in_each
from danelaw.spool.view import alone, find_message, finished_page, messages_by_message_id, shown, waiting_page

SCHEMA = "danelaw/explain/1"
_CANDIDATES = 20


def explanation(connection: sqlite3.Connection, what: str, now: float) -> dict[str, Any]:
    """Explain a message named by queue id, Message-ID, address or domain; `now` in POSIX seconds.

    Where several fit, the newest that waits is explained, else the newest; `candidates` lists all (at most 20).
    docs/schemas/explain.md describes the result. Raises `NoSuchMessage` when nothing fits.
    """
    taken_as, candidates = _candidates(connection, what.strip(), now)
    if not candidates:
        raise NoSuchMessage(
            f"no message in the queue or in history fits {what!r} (taken as {taken_as})",
            advice="danelaw queue list, or danelaw queue list --finished",
        )
    waiting = [number for number, finished in candidates if not finished]
    chosen = waiting[-1] if waiting else candidates[-1][0]
    message = shown(connection, chosen, now)
    return {
        "schema": SCHEMA,
        "asked": what,
        "taken_as": taken_as,
        "candidates": [_line(connection, number) for number, _ in candidates],
        "now": now,
        "message": message,
        "alone": _alone(connection, message),
    }


def explained(directory: Path, what: str, now: float, *, with_proofs: bool = False) -> dict[str, Any]:
    """`explanation` over all shards of a spool, with the recorded DNS answers when asked for. Raises `NoSuchMessage`,
    `SpoolError`.
    """

    def look(connection: sqlite3.Connection) -> dict[str, Any]:
        found = explanation(connection, what, now)
        return found | {"proofs": proofs(connection, found)} if with_proofs else found

    found = in_each(directory, look)
    # Ids sort by time: the newest that waits, else the newest.
    chosen = max(found, key=lambda one: (not one["message"]["finished"], one["message"]["id"]))
    candidates = sorted((line for one in found for line in one["candidates"]), key=lambda line: str(line["id"]))
    return chosen | {"candidates": candidates[-_CANDIDATES:]}


def _candidates(connection: sqlite3.Connection, what: str, now: float) -> tuple[str, list[tuple[int, bool]]]:
    """How `what` was read, and (id, finished) of every message that fits, oldest first."""
    if "@" not in what and "." not in what:
        try:
            number = id_from_text(what)
        except InvalidQueueId:
            return "queue id", []
        try:
            return "queue id", [(number, find_message(connection, number)[1])]
        except NoSuchMessage:
            return "queue id", []
    if "@" in what:
        found = messages_by_message_id(connection, what, _CANDIDATES)
        if found or what.startswith("<"):
            return "Message-ID", sorted(found)
        chosen = Filter.from_text(f"to:{what} or from:{what}")
        return "address", _matching(connection, chosen, now)
    return "domain", _matching(connection, Filter.from_text(f"to:*@{what} or host:{what}"), now)


def _matching(connection: sqlite3.Connection, chosen: Filter, now: float) -> list[tuple[int, bool]]:
    found: list[tuple[int, bool]] = []
    for pages, finished in ((finished_page, True), (waiting_page, False)):
        after: int | None = 0
        newest: list[tuple[int, bool]] = []
        while after is not None:
            page = pages(connection, chosen, now, after, 1000)
            newest = (newest + [(message.id, finished) for message in page.messages])[-_CANDIDATES:]
            after = page.after
        found += newest
    return sorted(found)[-_CANDIDATES:]


def _line(connection: sqlite3.Connection, number: int) -> dict[str, Any]:
    message, finished = find_message(connection, number)
    return {
        "id": message.id_text,
        "received_at": message.received_at,
        "from": message.reverse_path,
        "to": [recipient.forward_path for recipient in message.recipients[:3]],
        "recipient_count": message.recipient_count,
        "states": sorted({recipient.state.words for recipient in message.recipients}),
        "finished": finished,
    }


def _alone(connection: sqlite3.Connection, message: dict[str, Any]) -> dict[str, Any] | None:
    """Whether others wait for the same hosts; None for a message that waits for nothing."""
    waiting = [recipient for recipient in message["recipients"] if recipient["state"] in ("waiting", "held")]
    if not waiting:
        return None
    next_hop = waiting[0]["host"]
    hosts = sorted({item["host"] for item in message["attempts"] if item["destination"] == next_hop and item["host"]})
    found = alone(connection, next_hop, hosts)
    return {
        "messages": found.messages,
        "domains": list(found.domains),
        "hosts": hosts,
        "since": found.since,
        "last_success": found.last_success,
        "successes": found.successes,
    }


def proofs(connection: sqlite3.Connection, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The recorded evidence of the last try that has any, readable: DNS responses and presented certificates.

    `wire` is hexadecimal, so that the verdict can be derived again (`danelaw explain --dns` does).
    """
    tries = [item for item in found["message"]["attempts"] if item["evidence"] or item["basis"]]
    result = []
    # A basis that is forgotten stands for all it named.
    for digest in (tries[-1]["evidence"] or [tries[-1]["basis"]]) if tries else []:
        blob = evidence_blob(connection, bytes.fromhex(digest))
        entry = {"sha256": digest, "at": tries[-1]["time"]}
        result.append(entry | (_readable(blob) if blob is not None else {"kind": "forgotten", "text": ""}))
    return result


def _readable(blob: bytes) -> dict[str, Any]:
    if blob[:1] == b"\x30":
        try:
            certificate = x509.load_der_x509_certificate(blob)
            text = f"{certificate.subject.rfc4514_string()} until {certificate.not_valid_after_utc:%Y-%m-%d}"
            return {"kind": "certificate", "text": text, "wire": blob.hex()}
        except ValueError:
            pass
    try:
        return {"kind": "dns", "text": dns.message.from_wire(blob).to_text(), "wire": blob.hex()}
    except (dns.exception.DNSException, ValueError) as error:
        raise DanelawError(f"a piece of evidence cannot be read: {error}") from None
