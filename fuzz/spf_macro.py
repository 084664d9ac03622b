"""Fuzz target: macro-strings and the values put into them. Run with atheris, or feed `test_one_input` yourself.

The input up to the first line feed is the macro-string, the rest the value of every letter.
"""

from __future__ import annotations

import sys

from danelaw.spf import MacroString, RecordError
from danelaw.spf.macro import fit
from danelaw.spf.request import absolute_name

_READERS = (MacroString.from_text, MacroString.explanation, MacroString.domain_spec)


def test_one_input(data: bytes) -> None:
    """What is read expands, and what it expands to is a name of DNS or none at all."""
    text, _, value = data.decode("latin-1").partition("\n")
    values = dict.fromkeys("slodiphvcrt", value)
    for read in _READERS:
        try:
            macro = read(text)
        except RecordError as error:
            assert error.reason
            continue
        assert macro.to_text() == text
        assert read(macro.to_text()) == macro
        expanded = macro.expand(values)
        assert macro.letters or "%" in text or expanded == text
        name = absolute_name(fit(expanded))
        assert name is None or (len(name.to_wire() or b"") <= 255 and name.is_absolute())


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
