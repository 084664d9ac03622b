"""Any octets as original message and remote reply: the notice stays a report of three parts."""

from __future__ import annotations

import sys

from danelaw.dsn import DSN, Action, DSNRecipient, build, envelope_of


def test_one_input(data: bytes) -> None:
    """Octets of the original; the same as text in every field a stranger can fill."""
    text = data[:600].decode("utf-8", "replace")
    recipient = DSNRecipient(
        address="bob@example.org",
        action=Action.FAILED,
        status="5.0.0",
        reason=text,
        diagnostic=text,
        remote_mta=text[:60],
        orcpt=text[:80],
    )
    notice = DSN(
        reporting_mta="mx.example.org",
        to="anna@example.org",
        recipients=(recipient,),
        original=data[:65_536].replace(b"_", b"-"),
        envid=text[:80],
        smtputf8=len(data) % 2 == 1,
        eight_bit=len(data) % 3 != 0,
    )
    content = build(notice, date=0.0, message_id="<n@mx.example.org>", boundary="=_fuzz")
    assert content.count(b"\r\n--=_fuzz\r\n") == 3
    assert content.endswith(b"\r\n--=_fuzz--\r\n")
    assert content.count(b"\r") == content.count(b"\n") == content.count(b"\r\n")
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert content.isascii() or notice.smtputf8 or notice.eight_bit
    envelope_of(notice, content)


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
