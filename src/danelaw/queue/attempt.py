"""One try at one host: what was demanded, what was found, what became of it, and where the proof lies.

Log, explain, DSN, TLSRPT and the console all read this record. It is stored as a compact JSON array whose first
element is the version of the form, the last an object of what some tries have not, left out where it is empty; names
are only ever added to it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from danelaw.errors import DanelawError

FORM_VERSION = 1
_quoted = json.encoder.encode_basestring
_SOMETIMES = frozenset({"cause", "demander", "refused", "demand", "basis", "session", "judged_at"})
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class UnreadableAttempt(DanelawError):
    """A stored attempt cannot be read: damaged, or written by a newer danelaw."""


@dataclass(slots=True)
class RecordReason:
    """What became of one published record (TLSA, STS pattern): its text, and why it matched or did not."""

    record: str
    usable: bool
    matched: bool
    reason: str


@dataclass(slots=True)
class Attempt:
    """One try. `time` is POSIX seconds when it began, `duration` seconds.

    `recipients` are the numbers of the recipients it was for. `destination` is the next hop, `host` the MX name,
    `address` and `port` where we connected (empty and 0 when it did not come that far). `requirement` and
    `protection` are words of the closed vocabulary; `outcome` is `delivered | waiting | returned`. `reply` is the
    last SMTP reply, `reason` one line for people, `detail` the longer chain in words. `records` gives the reason
    per record. `tlsrpt` is the RFC 8460 §4.3 result type, empty on success. `refused` are those of `recipients` that
    were not taken in a try that delivered to others. `demand` is the sender's demand it was made under, as
    `RoutingKey.demand` spells it. `cause` and `demander` are words of `danelaw.dsn.Cause` and `Demander`: what went
    wrong and who demanded protection. Of a delivery `demander` is whose wish made it other than the destination's own
    records would, `waived` for TLS-Required: No, and nearly always empty. `judged_at` is when it was judged, in POSIX
    seconds, 0 when it was not.

    `basis` and `session` are the SHA-256 digests of what `danelaw.receipt` needs to judge again, empty where there is
    nothing to judge. They name the DNS responses and certificates it rests on (`named_by`), which are not listed here:
    a dozen digests would be more than all the rest. `evidence` has that list in tries of older danelaws, else nothing.
    """

    time: float
    destination: str
    recipients: tuple[int, ...] = ()
    host: str = ""
    address: str = ""
    port: int = 25
    requirement: str = ""
    protection: str = ""
    tls_version: str = ""
    cipher: str = ""
    reply: str = ""
    outcome: str = ""
    reason: str = ""
    detail: str = ""
    records: tuple[RecordReason, ...] = ()
    evidence: tuple[bytes, ...] = ()
    tlsrpt: str = ""
    duration: float = 0.0
    facts: str = ""
    cause: str = ""
    demander: str = ""
    refused: tuple[int, ...] = ()
    demand: str = ""
    basis: bytes = b""
    session: bytes = b""
    judged_at: float = 0.0

    @property
    def digests(self) -> tuple[bytes, ...]:
        """All evidence the record itself names."""
        return (*self.evidence, *(digest for digest in (self.basis, self.session) if digest))

    def to_json(self) -> dict[str, Any]:
        """The same as a JSON object, digests in hexadecimal."""
        return asdict(self) | {
            "recipients": list(self.recipients),
            "refused": list(self.refused),
            "records": [asdict(record) for record in self.records],
            "evidence": [digest.hex() for digest in self.evidence],
            "basis": self.basis.hex(),
            "session": self.session.hex(),
        }

    def claims(self) -> dict[str, Any]:
        """As `to_json`, but what is named in the object at the end of the stored form is not there where it is empty:
        so what an older danelaw recorded looks today as it did then.
        """
        return {name: value for name, value in self.to_json().items() if value or name not in _SOMETIMES}

    def encode(self) -> str:
        """The stored form: about 200 characters for a delivery."""
        # Put together by hand: json's encoder sets itself up anew for every value, which costs four times as much.
        words = (self.host, self.address)
        more = (
            self.requirement,
            self.protection,
            self.tls_version,
            self.cipher,
            self.reply,
            self.outcome,
            self.reason,
            self.detail,
        )
        records = _encode([(r.record, r.usable, r.matched, r.reason) for r in self.records]) if self.records else "[]"
        evidence = ",".join([f'"{digest.hex()}"' for digest in self.evidence])
        return (
            f"[{FORM_VERSION},{self.time:.3f},{_quoted(self.destination)},[{','.join(map(str, self.recipients))}],"
            f"{','.join(map(_quoted, words))},{self.port},{','.join(map(_quoted, more))},"
            f"{records},[{evidence}],{_quoted(self.tlsrpt)},{self.duration:.4f},{_quoted(self.facts)}{self._rest()}]"
        )

    def _rest(self) -> str:
        """The object at the end, with its comma; nothing where all of it is empty."""
        kept = []
        if self.basis:
            kept.append(f'"basis":"{self.basis.hex()}"')
        if self.session:
            kept.append(f'"session":"{self.session.hex()}"')
        if self.judged_at:
            kept.append(f'"judged_at":{self.judged_at:.3f}')
        if self.cause or self.demander or self.refused or self.demand:  # of few tries only
            named = {"cause": self.cause, "demander": self.demander, "refused": self.refused, "demand": self.demand}
            kept.append(_encode({name: value for name, value in named.items() if value})[1:-1])
        return f",{{{','.join(kept)}}}" if kept else ""

    @classmethod
    def decode(cls, text: str) -> Attempt:
        """Read the stored form. Raises `UnreadableAttempt`."""
        try:
            fields: list[Any] = json.loads(text)
            if fields[0] != FORM_VERSION:
                raise UnreadableAttempt(f"attempt has form {fields[0]}, this danelaw reads form {FORM_VERSION}")
            words = [str(word) for word in fields]
            rest: dict[str, Any] = dict(fields[20]) if len(fields) > 20 else {}
            return cls(
                time=float(fields[1]),
                destination=words[2],
                recipients=tuple(int(number) for number in fields[3]),
                host=words[4],
                address=words[5],
                port=int(fields[6]),
                requirement=words[7],
                protection=words[8],
                tls_version=words[9],
                cipher=words[10],
                reply=words[11],
                outcome=words[12],
                reason=words[13],
                detail=words[14],
                records=tuple(RecordReason(str(r), bool(u), bool(m), str(w)) for r, u, m, w in fields[15]),
                evidence=tuple(bytes.fromhex(digest) for digest in fields[16]),
                tlsrpt=words[17],
                duration=float(fields[18]),
                facts=str(fields[19]) if len(fields) > 19 else "",
                cause=str(rest.get("cause", "")),
                demander=str(rest.get("demander", "")),
                refused=tuple(int(number) for number in rest.get("refused", ())),
                demand=str(rest.get("demand", "")),
                basis=bytes.fromhex(rest.get("basis", "")),
                session=bytes.fromhex(rest.get("session", "")),
                judged_at=float(rest.get("judged_at", 0)),
            )
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            raise UnreadableAttempt(f"attempt is damaged: {error}") from error
