"""Fuzz target: TXT records at `_smtp._tls`. Run with atheris, or feed `test_one_input` yourself.

The input is split at line feeds into the texts of an RRset.
"""

from __future__ import annotations

import sys

from danelaw.tlsreport import Destination, ReportError, TLSRPTRecord
from danelaw.tlsreport.record import MOST_DESTINATIONS, select


def test_one_input(data: bytes) -> None:
    """What is to be sent to can be read again from its URI, is mail or HTTPS, and never a number or a bare name."""
    texts = data.decode("latin-1").split("\n")
    for text in texts:
        try:
            record = TLSRPTRecord.from_text(text)
        except ReportError as error:
            assert error.reason
            continue
        assert text.startswith("v=TLSRPTv1")
        assert len(record.destinations) <= MOST_DESTINATIONS
        assert record.destinations or record.refused
        for one in record.destinations:
            assert one.uri in text
            assert Destination.from_uri(one.uri) == one
            assert bool(one.mailbox) != bool(one.host)
            assert one.mailbox.isprintable()
            assert one.host == "" or "." in one.host
        assert all(one.reason for one in record.refused)
    try:
        chosen = select(texts)
    except ReportError:
        return
    assert chosen is None or sum(text.startswith("v=TLSRPTv1") for text in texts) >= 1


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
