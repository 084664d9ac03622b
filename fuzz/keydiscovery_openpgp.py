"""Fuzz target: OpenPGP key rings from DNS and the web. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Mailbox
from danelaw.keydiscovery import KeySource, OpenPGPError, certificates
from danelaw.keydiscovery.judging import openpgp_keys

_MAILBOX = Mailbox.from_text("anna@example.org")


def test_one_input(data: bytes) -> None:
    """Any octets are refused in words, or give certificates that read the same again from their own octets."""
    try:
        found = certificates(data)
    except OpenPGPError as error:
        assert error.reason
        return
    for one in found:
        assert certificates(one.octets) == (one,)
        assert len(bytes.fromhex(one.fingerprint)) == (20 if one.version == 4 else 32)
    for key in openpgp_keys(data, _MAILBOX, KeySource.WKD, 1_790_000_000.0, must_name=True):
        assert key.reason
        assert not key.usable or "anna@example.org" in [address.lower() for address in key.addresses]


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
