"""The receipt of one message, from the spool alone: what `danelaw explain --proof` writes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

from danelaw import __version__
from danelaw.errors import DanelawError
from danelaw.hashchain import entry_of, path_of, way
from danelaw.outbound.explanation import explanation
from danelaw.queue import Attempt, QueuedMessage, id_from_text
from danelaw.receipt import (
    MOST_ANSWERS,
    MOST_OCTETS,
    MOST_TRIES,
    Envelope,
    LogPlace,
    Receipt,
    Receiver,
    Try,
    read_basis,
    read_session,
    write,
)
from danelaw.spool.attempts import Recorded, recorded_of
from danelaw.spool.evidence import evidence_blob
from danelaw.spool.links import end_of_day, link_at
from danelaw.spool.shards import in_each
from danelaw.spool.view import find_message


class NoReceipt(DanelawError):
    """There is nothing to write a receipt of, or what would show it is kept no more."""


def proof(
    directory: Path,
    what: str,
    now: float,
    *,
    omit_addresses: bool = False,
    sign: Callable[[bytes], tuple[bytes, bytes]] | None = None,
) -> tuple[str, bytes]:
    """Queue id and receipt of the message that `danelaw explain` takes `what` for; `now` in POSIX seconds.

    With `omit_addresses` neither sender nor recipients nor Message-ID are in it. `sign` as in `receipt.write`. Raises
    `NoSuchMessage`, `NoReceipt`, `SpoolError`.
    """

    def look(connection: sqlite3.Connection) -> tuple[bool, str, bytes]:
        found = explanation(connection, what, now)["message"]
        octets = write(receipt_of(connection, found["id"], now, omit_addresses=omit_addresses), sign)
        return not found["finished"], str(found["id"]), octets

    # As `danelaw explain` chooses among shards: the newest that waits, else the newest.
    _, name, octets = max(in_each(directory, look), key=lambda one: one[:2])
    if len(octets) > MOST_OCTETS:
        raise _too_much(name, f"its receipt would have {len(octets)} octets", f"{MOST_OCTETS} octets")
    return name, octets


def receipt_of(connection: sqlite3.Connection, id_text: str, now: float, *, omit_addresses: bool = False) -> Receipt:
    """The receipt of one message, from a reading connection. Raises `NoReceipt`, `NoSuchMessage`."""
    number = id_from_text(id_text)
    message, _ = find_message(connection, number)
    recorded = recorded_of(connection, number)
    if not recorded:
        raise NoReceipt(
            f"{id_text} was not tried yet, so there is nothing to show", advice=f"danelaw explain {id_text}"
        )
    if len(recorded) > MOST_TRIES:
        raise _too_much(id_text, f"it was tried {len(recorded)} times", f"{MOST_TRIES} tries")
    evidence, answers = _evidence(connection, recorded)
    if answers > MOST_ANSWERS:
        raise _too_much(id_text, f"its tries rest on {answers} DNS answers", f"{MOST_ANSWERS} of them")
    return Receipt(
        written_at=now,
        written_by=f"danelaw {__version__}",
        envelope=_envelope(message, omit_addresses=omit_addresses),
        tries=tuple(Try(one.number, one.record, _place(connection, one)) for one in recorded),
        evidence=evidence,
    )


def _too_much(name: str, found: str, most: str) -> NoReceipt:
    return NoReceipt(
        f"there can be no receipt of {name}: {found}, and a receipt holds {most} at most",
        advice=f"danelaw explain {name} --dns",
    )


def _envelope(message: QueuedMessage, *, omit_addresses: bool) -> Envelope:
    return Envelope(
        id=message.id_text,
        received_at=message.received_at,
        sender=None if omit_addresses else message.reverse_path,
        size=message.size,
        message_id=None if omit_addresses else message.message_id,
        requiretls=message.requiretls,
        tls_required_no=message.tls_required_no,
        recipients=tuple(
            Receiver(one.number, None if omit_addresses else one.forward_path, one.state.words)
            for one in message.recipients
        ),
    )


def _evidence(connection: sqlite3.Connection, recorded: Iterable[Recorded]) -> tuple[dict[bytes, bytes], int]:
    """All that the tries name, and what that names; and how many DNS answers they rest on."""
    found: dict[bytes, bytes] = {}
    answers: dict[bytes, int] = {}

    def fetch(digest: bytes) -> bytes:
        if digest not in found:
            blob = evidence_blob(connection, digest)
            if blob is None:
                raise NoReceipt(
                    f"the evidence {digest.hex()[:8]}… is not kept any more",
                    advice="[history] keep says how long it is kept; write receipts before",
                )
            found[digest] = blob
        return found[digest]

    for one in recorded:
        attempt = Attempt.decode(one.record)
        for digest in attempt.digests:
            fetch(digest)
        named: list[bytes] = []
        if attempt.basis:
            basis = read_basis(found[attempt.basis])
            named += basis.responses
            answers[attempt.basis] = len(basis.answers)
        if attempt.session:
            session = read_session(found[attempt.session])
            named += (*session.chain, *(session.anchors or ()))
        for digest in named:
            fetch(digest)
    return found, sum(answers.values())


def _place(connection: sqlite3.Connection, one: Recorded) -> LogPlace | None:
    """Where a try stands in the log; None for those recorded before there was one, or whose link is forgotten."""
    own = None if one.link is None else link_at(connection, one.link)
    if own is None:
        return None
    entry = entry_of(one.message, one.number, one.record)
    if entry not in own.entries:
        raise NoReceipt(
            "a try is not what its link in the log says: the record was changed", advice="danelaw log verify"
        )
    index = own.entries.index(entry)
    numbers = way(end_of_day(connection, own.link.number), own.link.number)
    links = [link_at(connection, number) for number in numbers]
    return LogPlace(
        index, len(own.entries), path_of(own.entries, index), tuple(kept.link for kept in links if kept is not None)
    )
