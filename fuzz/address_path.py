"""Fuzz the address grammar: any text is a path or a typed error, and what was read can be written and read again.

python -m fuzz.address_path [libFuzzer options]
"""

from __future__ import annotations

import sys

from danelaw.address import Domain, ForwardPath, MailboxError, PathError, ReversePath

_HERE = Domain.from_text("mx.example.org")


def test_one_input(data: bytes) -> None:
    """Read the octets as a forward-path and as a reverse-path."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        forward = ForwardPath.from_text(text, postmaster_at=_HERE)
    except PathError:
        forward = None
    if forward is not None:
        written = forward.to_text()
        assert ForwardPath.from_text(written).mailbox == forward.mailbox
        assert not set(written) & set("\r\n\0")
        written.encode()
    try:
        reverse = ReversePath.from_text(text)
    except MailboxError:
        return
    assert ReversePath.from_text(reverse.to_text()) == reverse
    if reverse.mailbox is not None:
        assert forward is not None
        assert reverse.mailbox == forward.mailbox


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
