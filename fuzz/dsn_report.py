"""Any octets as a finished notice, and inside of one: seven bits or a refusal, and the parts stay apart."""

from __future__ import annotations

import sys

from danelaw.dsn import DSNError, redacted, seven_bit
from danelaw.dsn.report import Report

_FRAME = b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\n%b\r\n--b--\r\n"


def test_one_input(data: bytes) -> None:
    """Octets as the notice, and as a part of one."""
    for notice in (data, _FRAME % data, _FRAME % (b"Content-Type: message/rfc822\r\n\r\n" + data)):
        for form in (seven_bit, redacted):
            try:
                content = form(notice)
            except DSNError:
                continue
            assert form is redacted or content.isascii()
            if content is not notice and b"\r\n\r\nSomebody answered" not in content:
                Report.from_bytes(content)


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
