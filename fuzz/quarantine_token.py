"""Fuzz target: tokens of digests' links. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys
from base64 import urlsafe_b64encode

from danelaw.quarantine.tokens import Key, Token, TokenError

_KEYS = {1: Key(1, b"k" * 32)}


def test_one_input(data: bytes) -> None:
    """No text opens that was not sealed, whether it is given as text or as the octets of a token."""
    for text in (data.decode("utf-8", "replace"), urlsafe_b64encode(data).rstrip(b"=").decode("ascii")):
        try:
            token = Token.opened(text, _KEYS, 0.0)
        except TokenError as error:
            assert error.reason
            continue
        assert token.sealed(_KEYS[1]) == text


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
