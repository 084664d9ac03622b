"""Fuzz target: DKIM key records, and the keys in them. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.dkim import DKIMKeyRecord, KeyRecordError, KeyRefused, PublicKey


def test_one_input(data: bytes) -> None:
    """A record read survives writing and reading, and its key verifies nothing it did not sign."""
    try:
        record = DKIMKeyRecord.from_text(data)
    except KeyRecordError as error:
        assert error.reason
        return
    assert DKIMKeyRecord.from_text(record.to_text()) == record
    try:
        key = PublicKey.from_octets(record.key_type, record.public_key)
    except KeyRefused as error:
        assert error.reason
        return
    assert key.bits == 256 or key.key_type == "rsa"
    assert not key.verifies(b"\xff" * (key.bits // 8), b"\x00" * 32)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
