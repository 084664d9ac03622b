"""Fuzz target: Authentication-Results and Received-SPF fields of strangers. Run with atheris, or feed
`test_one_input` yourself.
"""

from __future__ import annotations

import sys

from danelaw.authres import AuthenticationResults, ReceivedSPF, UnwritableField, claimed, without_claims
from danelaw.message import Header

_OURS = ("mx.example.org",)


def test_one_input(data: bytes) -> None:
    """Reading never fails; what is read and can be written reads back the same; no claim survives."""
    found = AuthenticationResults.from_bytes(data[:60_000])
    try:
        again = AuthenticationResults(found.authserv_id, found.results, found.version).to_bytes(utf8=True)
    except UnwritableField:
        again = b""
    if again:
        header = Header.from_bytes(again + b"\r\n")
        assert len(header.fields) == 1
        second = AuthenticationResults.from_bytes(header.fields[0].body)
        assert second.results == found.results
        assert second.authserv_id == found.authserv_id
    received = ReceivedSPF.from_bytes(data[:60_000])
    assert all(key for key, _ in received.pairs)
    header = Header.from_bytes(b"Authentication-Results:" + data[:60_000])
    kept = Header.from_bytes(without_claims(header, _OURS) + b"\r\n")
    assert claimed(kept, _OURS) == ()


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
