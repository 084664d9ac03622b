"""Queries as bytes, and the test whether bytes that came back belong to one (RFC 1035 §4.1, RFC 5452 §9.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from danelaw.dnsdata import Question

_RD = 0x0100
_AD = 0x0020
_CD = 0x0010
_QR = 0x8000
_TC = 0x0200
_OPCODE = 0x7800
_DO = 0x8000
_CLASS_IN = 1
_TYPE_OPT = 41
_HEADER = struct.Struct("!HHHHHH")
# Servers that cannot read a question may return an error without it (RFC 1035 §4.1.1 leaves it open).
_ERRORS_WITHOUT_QUESTION = frozenset({1, 2, 4, 5})


class Belongs(Enum):
    """Whether a datagram answers a query: only `YES` and `TRUNCATED` do, `REFUSES` is an error without question."""

    YES = "yes"
    TRUNCATED = "truncated"
    REFUSES = "refuses"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Query:
    """One query as sent: its id, its question section, and the whole message."""

    question: Question
    ident: int
    section: bytes
    wire: bytes

    @classmethod
    def build(
        cls, question: Question, ident: int, *, payload: int, checking_disabled: bool, recursive: bool = True
    ) -> Query:
        """A query with EDNS (RFC 6891 §6.1.2) and DO (RFC 3225 §3), class IN.

        With `checking_disabled` CD is set and the answer comes unfiltered (RFC 4035 §4.9.2); without it
        AD is set, which asks for the upstream's verdict (RFC 6840 §5.7). `recursive` sets RD; authoritative servers are
        asked without it.
        """
        flags = (_RD if recursive else 0) | (_CD if checking_disabled else _AD)
        section = question.name.to_wire() or b""
        section += struct.pack("!HH", question.rdtype, _CLASS_IN)
        header = _HEADER.pack(ident, flags, 1, 0, 0, 1)
        options = b"\0" + struct.pack("!HHIH", _TYPE_OPT, payload, _DO, 0)
        return cls(question, ident, section, header + section + options)

    def belongs(self, wire: bytes) -> Belongs:
        """Compare id, direction and question; letters of the name in any case (RFC 4343 §3)."""
        if len(wire) < 12:
            return Belongs.NO
        ident, flags, count, *_ = _HEADER.unpack_from(wire)
        if ident != self.ident or not flags & _QR or flags & _OPCODE:
            return Belongs.NO
        if count == 0 and flags & 0x000F in _ERRORS_WITHOUT_QUESTION:
            return Belongs.REFUSES
        end = 12 + len(self.section)
        name, fixed = wire[12 : end - 4], wire[end - 4 : end]
        if count != 1 or fixed != self.section[-4:] or name.lower() != self.section[:-4].lower():
            return Belongs.NO
        return Belongs.TRUNCATED if flags & _TC else Belongs.YES
