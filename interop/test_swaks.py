"""swaks as a client: STARTTLS, pipelining, 8-bit text, sizes, and line ends that must not pass."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from interop.daemons import run
from interop.gateway import Gateway
from interop.mail import Receiver, message, without_trace
from interop.report import Report

pytestmark = [
    pytest.mark.needs("swaks", "postfix", "nsd", "unbound"),
    pytest.mark.namespace,
    pytest.mark.timeout(240),
]
SECTION = "swaks as client"
LIMIT = 2 * 1024 * 1024


def swaks(gateway: Gateway, data: bytes | None, directory: Path, *more: str) -> tuple[int, str]:
    """Exit status and transcript; `data` goes out as it is, dot-stuffing apart."""
    file = directory / "message"
    file.write_bytes(data or b"Subject: test\r\n\r\ntest\r\n")
    command = ["swaks", "--server", f"{gateway.host.address}:25", "--helo", "client.example", "--no-data-fixup"]
    command += ["--from", "anna@sender.example", "--to", "anna@dane.lab", "--timeout", "20s"]
    done = run(*command, "--data", f"@{file}", "--suppress-data", *more)
    return done.returncode, done.stdout + done.stderr


def as_swaks_wants(data: bytes) -> bytes:
    """With --no-data-fixup the file holds what goes over the wire: stuffed dots and the final dot included."""
    stuffed = b"\r\n".join(b"." + line if line.startswith(b".") else line for line in data.split(b"\r\n"))
    return stuffed + b"."


@pytest.mark.parametrize(
    ("what", "options", "size"),
    [
        ("plain", (), 0),
        ("starttls", ("--tls",), 0),
        ("pipelining", ("--pipeline",), 0),
        ("tls-pipelining", ("--tls", "--pipeline"), 0),
        ("sni", ("--tls", "--tls-sni", "mx.provider.lab"), 0),
        ("100-kB", ("--tls",), 100_000),
        ("just-below-the-limit", ("--tls",), LIMIT - 20_000),
    ],
)
def test_messages_arrive_intact(
    what: str, options: tuple[str, ...], size: int, gateway: Gateway, receiver: Receiver, tmp_path: Path, report: Report
) -> None:
    identity = f"swaks-{what}"
    data = message(identity, more=b"0123456789 abcdefghijklmnopqrstuvwxyz \xc3\xa9\r\n" * (size // 42))
    status, said = swaks(gateway, as_swaks_wants(data), tmp_path, *options)
    assert status == 0, said
    assert ("TLS started" in said) == ("--tls" in options), said
    assert without_trace(receiver.wait_for(identity)) == data.replace(b"\r\n", b"\n")
    report.text(SECTION, f"- {what}: {len(data)} octets, 8 bit, arrived byte for byte")


def test_what_is_too_large_is_refused(gateway: Gateway, tmp_path: Path, report: Report) -> None:
    data = message("swaks-large", more=(b"y" * 76 + b"\r\n") * (LIMIT // 78 + 10))
    status, said = swaks(gateway, as_swaks_wants(data), tmp_path, "--tls")
    assert status != 0
    assert "552 5.3.4" in said, said[-600:]
    report.text(SECTION, f"- {len(data)} octets where {LIMIT} are the limit: 552 5.3.4")


@pytest.mark.parametrize(
    ("what", "damage"),
    [
        ("LF alone", (b"trailing  \t\r\n", b"trailing  \t\n")),
        ("CR alone", (b"trailing  \t\r\n", b"trailing  \t\r")),
        ("LF . LF", (b"trailing  \t\r\n", b"trailing  \t\n.\n")),
        ("LF . CRLF", (b"trailing  \t\r\n", b"trailing  \t\n.\r\n")),
        ("CR . CRLF", (b"trailing  \t\r\n", b"trailing  \t\r.\r\n")),
    ],
)
def test_bare_line_ends_are_refused(
    what: str, damage: tuple[bytes, bytes], gateway: Gateway, receiver: Receiver, tmp_path: Path, report: Report
) -> None:
    identity = "swaks-bare-" + "".join(c for c in what if c.isalpha())
    before = len(receiver.messages())
    data = as_swaks_wants(message(identity)).replace(*damage)
    status, said = swaks(gateway, data, tmp_path, "--tls")
    assert status != 0, said
    assert "554 5.6.0" in said, said[-600:]
    assert len(receiver.messages()) == before
    report.text(SECTION, f"- {what} in the text: 554 5.6.0, nothing delivered")


def test_offers(gateway: Gateway, tmp_path: Path, report: Report) -> None:
    _, said = swaks(gateway, None, tmp_path, "--tls", "--quit-after", "MAIL")
    for keyword in ("PIPELINING", "8BITMIME", "SMTPUTF8", "CHUNKING", "DSN", "ENHANCEDSTATUSCODES", "STARTTLS"):
        assert keyword in said, keyword
    assert "REQUIRETLS" in said.split("TLS started")[1]
    assert "REQUIRETLS" not in said.split("TLS started")[0]
    report.text(SECTION, "- REQUIRETLS is offered after STARTTLS and not before (RFC 8689 §2)")


def test_bdat_pipelined_by_hand(gateway: Gateway, receiver: Receiver) -> None:
    """swaks knows no BDAT, so three messages go out in one piece (RFC 2920, RFC 3030 §4.2)."""
    messages = {f"burst-{number}": message(f"burst-{number}") for number in range(3)}
    script = b"EHLO client.example\r\n"
    for data in messages.values():
        script += b"MAIL FROM:<anna@sender.example> BODY=8BITMIME\r\nRCPT TO:<anna@dane.lab>\r\n"
        script += b"BDAT %d LAST\r\n" % len(data) + data
    with socket.create_connection((gateway.host.address, 25), 20) as connection:
        assert connection.recv(4096).startswith(b"220 ")
        connection.sendall(script + b"QUIT\r\n")
        said = b"".join(iter(lambda: connection.recv(65536), b""))
    assert said.count(b"\r\n250 ") >= 9, said
    for identity, data in messages.items():
        assert without_trace(receiver.wait_for(identity)) == data.replace(b"\r\n", b"\n")
