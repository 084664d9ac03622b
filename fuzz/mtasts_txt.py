"""Fuzz target: TXT records at `_mta-sts`. Run with atheris, or feed `test_one_input` yourself.

The input is split at line feeds into the texts of an RRset.
"""

from __future__ import annotations

import sys

from danelaw.mtasts import RecordError, STSRecord
from danelaw.mtasts.record import select


def test_one_input(data: bytes) -> None:
    """A record read is one that can be written and read again, and several texts give one record at most."""
    texts = data.decode("latin-1").split("\n")
    for text in texts:
        try:
            record = STSRecord.from_text(text)
        except RecordError as error:
            assert error.reason
            continue
        assert text.startswith("v=STSv1")
        assert 1 <= len(record.id) <= 32
        assert STSRecord.from_text(record.to_text()) == record
        assert select([text]) == record
    try:
        chosen = select(texts)
    except RecordError:
        return
    assert chosen is None or any(f"id={chosen.id}" in text for text in texts)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
