"""`danelaw send` against a small server of its own."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from danelaw.cli.send import command, compose
from danelaw.errors import DanelawError


class Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        for line in self.rfile:
            self.server.lines.append(line.rstrip(b"\r\n").decode())  # type: ignore[attr-defined]
            self.wfile.write(self.reply(line.upper()))
            if line.upper().startswith(b"DATA"):
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    self.server.message.append(line)  # type: ignore[attr-defined]
                self.wfile.write(b"250 2.0.0 queued as Q1\r\n")
            if line.upper().startswith(b"QUIT"):
                return

    def reply(self, line: bytes) -> bytes:
        if line.startswith(b"EHLO"):
            return b"250-test\r\n250-SIZE 1000000\r\n250-8BITMIME\r\n250 HELP\r\n"
        if b"<NOBODY@" in line:
            return b"550 5.1.1 no such mailbox\r\n"
        if b"<REFUSED@" in line:
            return b"550 5.7.1 not you\r\n"
        if line.startswith(b"QUIT"):
            return b"221 2.0.0 bye\r\n"
        return b"354 go on\r\n" if line.startswith(b"DATA") else b"250 2.0.0 ok\r\n"


class Server(socketserver.ThreadingTCPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.lines: list[str] = []
        self.message: list[bytes] = []


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def invoke(server: Server, *args: str) -> Result:
    where = f"127.0.0.1:{server.server_address[1]}"
    return CliRunner().invoke(command, ["--server", where, *args], standalone_mode=False)


def test_a_message_is_handed_over(server: Server, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes("Grüße\n.\n".encode())
    result = invoke(server, "--from", "a@b.example", "--to", "c@d.example", "--body", str(body))
    assert result.exception is None
    assert "took it for 1 of 1: 250 2.0.0 queued as Q1" in result.output
    assert "next: danelaw explain '<" in result.output
    assert any(line.startswith("mail FROM:<a@b.example> SIZE=") and "8BITMIME" in line for line in server.lines)
    assert "Grüße".encode() + b"\r\n" in server.message
    assert b"..\r\n" in server.message


def test_protection_is_asked_for_in_the_field(server: Server) -> None:
    assert invoke(server, "--from", "a@example.org", "--to", "b@example.org", "--demand", "dane").exit_code == 0
    assert server.message[0] == b"Danelaw-Require: dane\r\n"


def test_refused_recipients_are_named_with_exit_status_1(server: Server) -> None:
    result = invoke(server, "--from", "", "--to", "c@d.example", "--to", "nobody@d.example", "--json")
    assert isinstance(result.exception, SystemExit)
    assert result.exception.code == 1
    assert json.loads(result.output)["refused"] == {"nobody@d.example": "550 5.1.1 no such mailbox"}


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--from", "refused@b.example", "--to", "c@d.example"], "550 5.7.1 not you"),
        (["--from", "a@b.example", "--to", "c@d.example", "--starttls"], "does not offer STARTTLS"),
        (["--from", "a@b.example", "--to", "bücher@d.example"], "SMTPUTF8"),
        (["--from", "a@b.example", "--to", "c@d.example", "--subject", "a\nb"], "line break"),
        (["--from", "a@b.example", "--to", "c@d.example", "--body", "/nonexistent"], "cannot be read"),
    ],
)
def test_what_does_not_work_is_said_in_words(server: Server, args: list[str], words: str) -> None:
    result = invoke(server, *args)
    assert isinstance(result.exception, DanelawError)
    assert words in result.exception.reason


def test_a_server_that_is_not_there_is_named() -> None:
    args = ["--server", "127.0.0.1:1", "--from", "a@b.example", "--to", "c@d.example"]
    result = CliRunner().invoke(command, args, standalone_mode=False)
    assert isinstance(result.exception, DanelawError)
    assert "danelaw serve" in str(result.exception.advice)


def test_a_message_with_a_header_is_kept_as_it_is() -> None:
    text = b"Subject: x\r\nMessage-ID: <1@x>\r\n\r\nbody\r\n"
    assert compose("a@b", ("c@d",), "unused", text) == (text, "<1@x>")
    without, message_id = compose("a@b", ("c@d",), "unused", b"Subject: x\n\nMessage-ID: <no@x>\n")
    assert without == f"Message-ID: {message_id}\r\n".encode() + b"Subject: x\r\n\r\nMessage-ID: <no@x>\r\n"
