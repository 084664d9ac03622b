"""Fuzz target: TLSA records and presented chains of strangers. Run with atheris, or feed `test_one_input` yourself.

The input is a list of parts, each behind two octets of length: first the RDATA of records, then, behind an
empty part, the certificates of a chain. An input without such a form is taken as one record in text.
"""

from __future__ import annotations

import sys

from danelaw.address import Domain
from danelaw.dane import TLSARecord, TLSARecordError, usable, verify

_NOW = 1_790_000_000.0
_NAMES = (Domain("mx.example.org"), Domain("example.org"))


def parts(data: bytes) -> tuple[list[bytes], list[bytes]]:
    """RDATA of records and certificates of a chain."""
    found: tuple[list[bytes], list[bytes]] = ([], [])
    position = which = 0
    while position + 2 <= len(data) and len(found[which]) < 40:
        size = int.from_bytes(data[position : position + 2], "big")
        part = data[position + 2 : position + 2 + size]
        position += 2 + size
        if not part and not which:
            which = 1
        else:
            found[which].append(part)
    return found


def test_one_input(data: bytes) -> None:
    """Verdicts come one per record, a match is usable, and text leads back to the record."""
    try:
        text = TLSARecord.from_text(data.decode("latin-1"))
        assert TLSARecord.from_text(text.to_text()) == text
    except TLSARecordError:
        pass
    rdatas, chain = parts(data)
    records = [TLSARecord(one[0], one[1], one[2], one[3:]) for one in rdatas if len(one) >= 3]
    judged = usable(records)
    result = verify(records, chain, _NAMES, _NOW)
    assert [verdict.record for verdict in result.verdicts] == records
    assert [verdict.usable for verdict in result.verdicts] == [verdict.usable for verdict in judged]
    assert all(verdict.usable for verdict in result.verdicts if verdict.matched)
    assert result.ok == any(verdict.matched for verdict in result.verdicts)
    assert (result.tlsrpt is None) == result.ok
    for record in records:
        assert TLSARecord.from_text(record.to_text()) == record


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
