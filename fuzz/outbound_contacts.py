"""Any octets in TXT records: the addresses found are mailboxes that can stand in a field, and few."""

from __future__ import annotations

import sys

from danelaw.outbound.contacts import MOST_REPORT_ADDRESSES, report_mailboxes


def test_one_input(data: bytes) -> None:
    """One record, and two when the octets have a line end."""
    for texts in ((data,), (b"v=TLSRPTv1;rua=" + data,), tuple(data.split(b"\n"))):
        found = report_mailboxes(texts)
        assert len(found) <= MOST_REPORT_ADDRESSES
        for address in found:
            assert "@" in address
            assert address.isascii()
            assert not any(character in address for character in "\r\n\x00")


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
