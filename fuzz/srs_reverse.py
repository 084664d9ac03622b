"""Fuzz target: rewritten addresses of strangers (SRS). Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Domain, Localpart, Mailbox, MailboxError
from danelaw.srs import Rewriter, SRSError

_OURS = Domain("srs.ours.test")
_DAY = 20_700


def test_one_input(data: bytes) -> None:
    """Nobody without the key makes an address that leads anywhere; what we made of it leads back."""
    text = data[:200].decode("utf-8", "replace")
    rewriter = Rewriter(_OURS, (b"0123456789abcdef",))
    try:
        sender = Mailbox.from_text(Mailbox(Localpart(text), Domain("sender.test")).to_text())
        there = rewriter.forward(sender, _DAY)
    except (MailboxError, SRSError):
        return
    try:
        rewriter.reverse(Mailbox(sender.localpart, _OURS), _DAY)
    except SRSError:
        pass
    else:
        raise AssertionError(f"{text!r} was not signed by us")
    assert len(there.localpart.content.encode()) <= 64
    if there.localpart.content.startswith("SRS0="):
        assert rewriter.reverse(there, _DAY) == sender


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
