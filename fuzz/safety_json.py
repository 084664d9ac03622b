"""Fuzz target: bulk requests and files of tokens. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.safety.enquiry import Enquiry, EnquiryError
from danelaw.safety.tokens import TokenFileError, Tokens


def test_one_input(data: bytes) -> None:
    """Any octets are refused in words, or give at most as many texts as may be asked."""
    try:
        enquiry = Enquiry.from_json(data, 5)
        assert 1 <= len(enquiry.texts) <= 5
        assert enquiry.deadline is None or 0 <= enquiry.deadline < 1_000_000
    except EnquiryError as error:
        assert error.reason
    try:
        tokens = Tokens.from_text(data.decode("utf-8", "replace"))
        assert tokens.name_of(data) is None
    except TokenFileError as error:
        assert error.reason


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
