"""Fuzz target: fields of addresses and encoded words. Run with atheris, or feed `test_one_input` yourself.

The input is split at NUL LF into the values of From fields.
"""

from __future__ import annotations

import sys

from danelaw.message import author_addresses, decode_field, encode_words, mailboxes


def test_one_input(data: bytes) -> None:
    """No address without its @ in the octets, none with white space in its domain, and what is given reads again."""
    values = data.split(b"\0\n")
    for value in values:
        found = mailboxes(value)
        assert len(found.mailboxes) <= value.count(b"@")
        for mailbox in found.mailboxes:
            assert mailbox.domain
            assert not set(mailbox.domain) & set(' \t\r\n<>@,;"()')
            assert mailbox.display_name.isprintable() or mailbox.display_name.encode()
            again = mailboxes(f"<{mailbox.address}>".encode())
            assert [(one.localpart, one.domain) for one in again.mailboxes] == [(mailbox.localpart, mailbox.domain)]
        text = decode_field(value)
        text.encode()
        assert decode_field(encode_words(text).replace("\r\n", "").encode()) == text
    authors = author_addresses([(b"From", b"From:" + value + b"\r\n") for value in values])
    assert authors.fields == len(values)
    assert len(authors.mailboxes) <= 100


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
