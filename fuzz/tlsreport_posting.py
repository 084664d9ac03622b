"""Fuzz target: HTTP requests that post TLS reports. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.tlsreport import Posting, PostingError
from danelaw.tlsreport.posting import chunk_size

MOST = 1000


def test_one_input(data: bytes) -> None:
    """A head is a post within its limit, or refused with a status; a chunk's line is a size, or refused."""
    try:
        posting = Posting.from_head(data, most=MOST)
    except PostingError as error:
        assert 400 <= error.status < 600
        assert error.reason
    else:
        assert posting.path.startswith("/")
        assert posting.length is None or 0 <= posting.length <= MOST
    try:
        assert 0 <= chunk_size(data) <= 1 << 24
    except PostingError as error:
        assert error.status == 400


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
