"""Fuzz target: requests for protection in headers and addresses. Run with atheris, or feed `test_one_input`."""

from __future__ import annotations

import sys

from danelaw.address import Domain, Mailbox, MailboxError
from danelaw.demanding import (
    FIELD_WORDS,
    DemandError,
    TagDomain,
    demand_in_field,
    signed_fields,
    touched,
    without_requests,
)
from danelaw.demanding.removal import field_bodies
from danelaw.tlspolicy import SenderDemand

_TAGS = TagDomain(Domain("tls.shop.example"))
_FRAMES = (
    b"%b",
    b"Danelaw-Require:%b\r\n",
    b"To: a@b.example.%b.tls.shop.example\r\n",
    b"To: %b.dane.tls.shop.example>\r\n",
    b"DKIM-Signature:%b\r\nDanelaw-Require: dane\r\n",
)


def test_one_input(data: bytes) -> None:
    """What was taken out is out, all else stays in its order, and an address either means one demand or is refused."""
    for frame in _FRAMES:
        header = frame % data
        left = without_requests(header, _TAGS)
        assert without_requests(left) == left, "no field is left"
        assert not field_bodies(left)
        assert (left != header) is bool(touched(header, _TAGS))
        assert len(left) <= len(header)
        signed_fields(header)
        try:
            demand = demand_in_field(field_bodies(header))
        except DemandError as error:
            assert error.reason.isascii()
            assert error.reason.isprintable()
        else:
            assert demand is SenderDemand.NONE or demand.word in FIELD_WORDS
    text = data[:250].decode("utf-8", "replace")
    for address in (text, f"a@{text}.tls.shop.example", f"a@b.{text}.tls.shop.example"):
        try:
            mailbox = Mailbox.from_text(address)
            meant, demand = _TAGS.untagged(mailbox)
        except MailboxError:
            continue
        except DemandError as error:
            assert error.reason.isascii()
            continue
        assert not _TAGS.claims(meant)
        assert (demand is SenderDemand.NONE) is (meant == mailbox)
        assert _TAGS.untagged(meant) == (meant, SenderDemand.NONE)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
