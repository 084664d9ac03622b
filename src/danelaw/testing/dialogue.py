"""What a client says to a lab, and the replies it gets."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from danelaw.smtp import Reply
from danelaw.testing.fate import Fate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from danelaw.testing.labsession import LabSession
    from danelaw.testing.policylab import PolicyLab


class Dialogue:
    """One connection. Each method says one command and gives the `Reply` (`code`, `enhanced`, `text`) it is told.

    `greeting` is what the client was greeted with. Commands are said as real clients say them, so a MAIL after a
    refused EHLO gets what it gets. A client that is told 421 is `closed`; what it says then raises `AssertionError`.
    """

    def __init__(self, lab: PolicyLab, session: LabSession, greeting: Reply) -> None:
        self._lab = lab
        self._session = session
        self._left = False
        self.greeting = greeting

    @property
    def closed(self) -> bool:
        """Whether the gateway, or the client, has ended the connection."""
        return self._left or self._session.connection.closed

    def say(self, line: str | bytes) -> Reply:
        """Any command line, without its CRLF."""
        octets = line.encode("utf-8") if isinstance(line, str) else line
        return self._said(octets + b"\r\n")

    def ehlo(self, name: str = "client.test") -> Reply:
        """EHLO."""
        return self.say(f"EHLO {name}")

    def helo(self, name: str = "client.test") -> Reply:
        """HELO."""
        return self.say(f"HELO {name}")

    def auth(self, user: str, password: str) -> Reply:
        """AUTH PLAIN: the auth hooks are asked, then the file of users."""
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode("ascii")
        return self.say(f"AUTH PLAIN {secret}")

    def mail(self, reverse_path: str = "", parameters: str = "") -> Reply:
        """MAIL FROM, with parameters as on the wire (`REQUIRETLS`, `SIZE=1000`)."""
        return self.say(f"MAIL FROM:<{reverse_path}> {parameters}".rstrip())

    def rcpt(self, recipient: str, parameters: str = "") -> Reply:
        """RCPT TO."""
        return self.say(f"RCPT TO:<{recipient}> {parameters}".rstrip())

    def data(self, message: str | bytes) -> Fate:
        """DATA and the message. Line ends may be LF alone; a message without any recipient is refused at DATA."""
        before, calls = len(self._lab.spool.stored), len(self._lab.calls)
        reply = self.say("DATA")
        if reply.code == 354:
            reply = self._said(_on_the_wire(message))
        return self._lab.fate_of(reply, before, calls)

    def send(self, message: str | bytes, *, sender: str, to: str | Iterable[str]) -> Fate:
        """MAIL, RCPT for each recipient, and DATA; the first refusal of MAIL, or of all recipients, is the fate."""
        recipients = (to,) if isinstance(to, str) else tuple(to)
        before, calls = len(self._lab.spool.stored), len(self._lab.calls)
        reply = self.mail(sender)
        if reply.is_positive:
            answers = [self.rcpt(one) for one in recipients]
            if any(one.is_positive for one in answers):
                return self.data(message)
            reply = answers[-1] if answers else reply
            self.rset()
        return self._lab.fate_of(reply, before, calls)

    def rset(self) -> Reply:
        """RSET."""
        return self.say("RSET")

    def quit(self) -> Reply:
        """QUIT; the disconnect hooks are asked."""
        reply = self.say("QUIT")
        self.leave()
        return reply

    def leave(self) -> None:
        """The connection ends without a word; the disconnect hooks are asked, and have ended when this returns."""
        if not self._left:
            self._left = True
            self._lab.left(self._session)

    def _said(self, octets: bytes) -> Reply:
        if self.closed:
            raise AssertionError("the connection is closed; connect anew")
        return self._lab.said(self._session, octets)

    def __repr__(self) -> str:
        return f"Dialogue({self._session.client_address!r})"


def _on_the_wire(message: str | bytes) -> bytes:
    """With CRLF, dots doubled (RFC 5321 §4.5.2) and the final dot."""
    octets = message.encode("utf-8") if isinstance(message, str) else message
    lines = octets.replace(b"\r\n", b"\n").removesuffix(b"\n").split(b"\n")
    return b"".join(b"." * line.startswith(b".") + line + b"\r\n" for line in lines) + b".\r\n"
