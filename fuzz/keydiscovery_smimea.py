"""Fuzz target: SMIMEA records. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Mailbox
from danelaw.dane import TLSARecord, TLSARecordError
from danelaw.keydiscovery.judging import smime_keys

_MAILBOX = Mailbox.from_text("anna@example.org")


def test_one_input(data: bytes) -> None:
    """Any RDATA gives a certificate with its facts, or a reason why it holds none."""
    try:
        record = TLSARecord.from_wire(data)
    except TLSARecordError as error:
        assert error.reason
        return
    keys, problems = smime_keys([record], _MAILBOX, 1_790_000_000.0)
    assert len(keys) + len(problems) == 1
    for key in keys:
        assert key.reason
        assert key.octets == record.association


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
