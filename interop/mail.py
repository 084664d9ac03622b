"""Messages to send, and what arrived of them: bytes without the trace fields that servers put on top."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from pathlib import Path

from interop.daemons import until
from interop.exported import Exported, ExportedHost

from bench.postfix import Postfix

# RFC 5321 §4.4: what relays and the final delivery put on top; Postfix adds the other two for its own use.
_TRACE = (b"received:", b"return-path:", b"delivered-to:", b"x-original-to:")

HEAD = b"From: Anna <anna@sender.example>\r\nTo: <anna@dane.lab>\r\nSubject: gr\xc3\xbc\xc3\x9fe\r\n"
# Things that get lost on the way: leading dots, trailing blanks, long and empty lines, folded and odd fields, 8 bit.
BODY = b"\r\n".join(
    [
        b"X-Folded: one",
        b"\ttwo  ",
        b"X-Empty:",
        b"MIME-Version: 1.0",
        b"Content-Type: text/plain; charset=utf-8",
        b"Content-Transfer-Encoding: 8bit",
        b"",
        b".",
        b"..",
        b".hidden",
        b"From here",
        b"trailing  \t",
        b"x" * 990,
        b"\xc3\xa4\xc3\xb6\xc3\xbc \xff\xfe",
        b"",
        b"",
        b"end",
        b"",
    ]
)


def message(identity: str, *, more: bytes = b"") -> bytes:
    """A message with a Message-ID of its own."""
    return (
        HEAD
        + f"Message-ID: <{identity}@sender.example>\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n".encode()
        + (BODY + more)
    )


def submit(address: str, port: int, recipients: Sequence[str], data: bytes) -> str:
    """Hand in by SMTP as 8-bit MIME; gives the last reply's text."""
    with smtplib.SMTP(address, port, local_hostname="client.example", timeout=30) as client:
        client.ehlo()
        code, words = client.mail("anna@sender.example", ["BODY=8BITMIME"])
        assert code == 250, words
        for recipient in recipients:
            code, words = client.rcpt(recipient)
            assert code == 250, words
        code, words = client.data(data)
        assert code == 250, words
    return words.decode()


def without_trace(data: bytes) -> bytes:
    """A message as it was before servers put their fields on top; line ends as LF."""
    lines = data.replace(b"\r\n", b"\n").split(b"\n")
    at = 0
    while at < len(lines) and lines[at].lower().startswith(_TRACE):
        at += 1
        while at < len(lines) and lines[at][:1] in (b" ", b"\t"):
            at += 1
    return b"\n".join(lines[at:])


class Receiver:
    """A real Postfix as mail server of an exported domain, with the parameters written for it."""

    def __init__(self, directory: Path, exported: Exported, host: ExportedHost, more: dict[str, str] | None = None):
        self._mail = directory / "mail"
        account = "65534"
        # Final delivery is a Maildir; nothing of it comes from the export.
        delivery = {
            "local_transport": "virtual",
            "virtual_mailbox_base": str(self._mail),
            "virtual_mailbox_maps": "static:inbox/",
            "virtual_uid_maps": f"static:{account}",
            "virtual_gid_maps": f"static:{account}",
            "virtual_mailbox_limit": "0",
        }
        settings = delivery | exported.parameters(host.parameters) | (more or {})
        self.host = host
        self.postfix = Postfix(directory, 25, settings, address=host.address)

    def start(self) -> None:
        """Start it."""
        self._mail.mkdir(parents=True)
        self._mail.chmod(0o777)
        self.postfix.start()

    def stop(self) -> None:
        """Stop it."""
        self.postfix.stop()

    def messages(self) -> list[bytes]:
        """What lies in the mailbox."""
        return [file.read_bytes() for file in sorted((self._mail / "inbox" / "new").glob("*"))]

    def wait_for(self, identity: str, seconds: float = 30.0) -> bytes:
        """The message with this Message-ID, once it is there; raises `AssertionError` with the log."""
        wanted = f"<{identity}@sender.example>".encode()
        found: list[bytes] = []

        def arrived() -> bool:
            found[:] = [data for data in self.messages() if wanted in data]
            return bool(found)

        assert until(arrived, seconds, every=0.1), f"{identity} did not arrive\n{self.postfix.log}"
        return found[0]
