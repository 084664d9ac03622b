"""Fuzz the SMTP server: any octets in any chunks, an owner that says yes or no, and what must hold all the same.

python -m fuzz.smtp_server [libFuzzer options]
"""

from __future__ import annotations

import sys
from dataclasses import replace

from danelaw.address import Domain
from danelaw.smtp import (
    NEED_DATA,
    NEED_REPLY,
    USUAL_LIMITS,
    BareNewlines,
    BodyChunk,
    EndOfMessage,
    MessageRefused,
    Reply,
    Reset,
    ServerConnection,
    ServerSettings,
)
from danelaw.smtp.body_writer import is_canonical

_LIMITS = replace(USUAL_LIMITS, text_line=1000, stream_above=64, message_size=2000, errors=30)
_HOST = Domain.from_text("mx.example.org")
_SETTINGS = [
    ServerSettings(
        hostname=_HOST,
        limits=_LIMITS,
        starttls=True,
        requiretls=True,
        bare_newlines=mode,
        auth=auth,
        auth_in_clear=True,
    )
    for auth in ((), ("PLAIN", "LOGIN"))
    for mode in BareNewlines
]
_NO = Reply.of(550, "5.7.1", "No")


def _run(settings: ServerSettings, chunks: list[bytes], refusals: int, *, tls: bool) -> tuple[list[str], bytes]:
    server = ServerConnection(settings, tls=tls)
    server.screens = refusals % 3 == 0
    server.greet()
    told: list[str] = []
    sent = server.data_to_send()
    body = b""
    answered = 0
    for chunk in chunks:
        if server.awaiting_tls:
            break
        server.receive_data(chunk)
        while (event := server.next_event()) is not NEED_DATA:
            if event is NEED_REPLY:
                answered += 1
                if refusals >> (answered % 8) & 1:
                    server.reply(_NO)
                elif told[-1] in ("AuthRequested", "AuthResponse") and answered % 3:
                    server.challenge(b"more")
                else:
                    server.accept()
            elif isinstance(event, BodyChunk):
                body += event.data
            else:
                if isinstance(event, EndOfMessage):
                    body += event.body
                    assert is_canonical(body), "a bare CR or LF reached the owner"
                    assert len(body) == event.size <= settings.limits.message_size
                if isinstance(event, EndOfMessage | MessageRefused | Reset):
                    body = b""
                told.append(type(event).__name__)
        sent += server.data_to_send()
    return told, sent


def test_one_input(data: bytes) -> None:
    """The first octets choose settings, refusals and the chunking; the rest is what the client sends."""
    if len(data) < 4:
        return
    settings, tls, refusals, step = (
        _SETTINGS[(data[0] & 1) | (data[0] >> 1 & 2)],
        bool(data[0] & 2),
        data[1],
        data[2] % 61 + 1,
    )
    octets = data[3:]
    whole = _run(settings, [octets], refusals, tls=tls)
    cut = _run(settings, [octets[i : i + step] for i in range(0, len(octets), step)], refusals, tls=tls)
    if b"STARTTLS" not in octets.upper():
        # Behind STARTTLS the moment at which octets arrive decides between handshake and attack.
        assert whole == cut, "chunking changed the conversation"
    for line in whole[1].split(b"\r\n")[:-1]:
        assert line[:3].isdigit()
        assert line[3:4] in (b" ", b"-")
        assert b"\n" not in line
        assert b"\r" not in line


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
