"""Fuzz an LMTP server's side: any octets lead to an end for every recipient or to a typed error."""

from __future__ import annotations

import sys

from danelaw.carriers import Addressee, CarrierDown
from danelaw.carriers.lmtp_talk import Heard, conversation, ends_of
from danelaw.errors import DanelawError
from danelaw.smtp import USUAL_CLIENT_LIMITS
from danelaw.smtp.reply_reader import ReplyReader

_TO = tuple(Addressee(number, f"r{number}@x.example") for number in range(3))


def test_one_input(data: bytes) -> None:
    """Everything comes at once, as from a server that does not wait."""
    heard = Heard({})
    talk = conversation("gw.example", "a@b.example", _TO, 100, heard)
    replies = ReplyReader(USUAL_CLIENT_LIMITS)
    replies.feed(data)
    lost = "over"
    try:
        octets = next(talk)
        while octets != b"QUIT\r\n" and (reply := replies.next_reply()) is not None:
            octets = talk.send(reply)
            if octets != b"\0body" and octets.count(b"\n") > 1:
                raise AssertionError(f"more than one line: {octets!r}")
    except CarrierDown:
        return
    except DanelawError as error:
        lost = error.reason
    if ends_of(_TO, heard, lost).keys() != {0, 1, 2}:
        raise AssertionError("somebody has no end")


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
