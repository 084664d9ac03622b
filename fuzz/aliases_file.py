"""Fuzz target: map files of aliases. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Domain, Mailbox
from danelaw.aliases import Aliases, AliasFileError, AliasMap

_OURS = Domain("ours.test")


def test_one_input(data: bytes) -> None:
    """A file is read, or refused with lines; every entry of one that was read can be found and followed."""
    text = data[:20_000].decode("utf-8", "replace")
    try:
        read = AliasMap.from_text(text, "map", domain=_OURS)
        aliases = Aliases([read], separator="+")
    except AliasFileError as error:
        assert error.problems
        assert all(0 < problem.line <= len(text.splitlines()) for problem in error.problems)
        return
    for key in read.entries:
        address = Mailbox.from_text("x" + key.replace("@.", "@y.") if key.startswith("@") else key)
        assert aliases.find(address) is not None
        assert len(aliases.expand(address, 50).mailboxes) <= 50


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
