"""What the lab's servers and attackers saw."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from danelaw.lab.channel import TLSFacts


@dataclass(frozen=True, slots=True)
class ReceivedMessage:
    """A message a mail host took with 250.

    `mail_parameters` and the parameters beside each recipient are ESMTP parameters as they came
    (`("SMTPUTF8", "BODY=8BITMIME")`); `data` is the message with dots unstuffed; `tls` is None in clear text.
    `spied` is True when an attacker between could read it.
    """

    host: str
    client: str
    mail_from: str
    mail_parameters: tuple[str, ...]
    recipients: tuple[tuple[str, tuple[str, ...]], ...]
    data: bytes
    tls: TLSFacts | None
    spied: bool = False


@dataclass(slots=True)
class SessionSeen:
    """A connection to a mail host's address as whoever answers there saw it: a client that said EHLO or HELO (`hello`),
    asked for STARTTLS (`asked`), came through the handshake (`secured`), and sent MAIL (`mail`).
    """

    host: str
    hello: bool = False
    asked: bool = False
    secured: bool = False
    mail: bool = False


@dataclass(slots=True)
class Journal:
    """All of it, kept in memory while the lab runs.

    `seen` holds every connection from outside, in the order they came.
    `envelopes` holds each MAIL and RCPT command as (host, "server" or "attacker", command), accepted or not:
    for a destination that mail must not reach, nothing may appear here.
    """

    messages: list[ReceivedMessage] = field(default_factory=list)
    envelopes: list[tuple[str, str, str]] = field(default_factory=list)
    sessions: int = 0
    seen: list[SessionSeen] = field(default_factory=list)

    def begun(self, host: str) -> SessionSeen:
        """A connection came; gives what is to be noted about it."""
        self.seen.append(SessionSeen(host))
        return self.seen[-1]

    def for_domain(self, domain: str) -> Iterator[ReceivedMessage]:
        """Messages with a recipient at `domain`, compared without regard to case."""
        end = "@" + domain.lower()
        for message in self.messages:
            if any(address.lower().endswith(end) for address, _ in message.recipients):
                yield message

    def exposed(self, domain: str) -> tuple[str, ...]:
        """Every RCPT command for `domain` that any server or attacker got to see."""
        end = f"@{domain.lower()}>"
        return tuple(f"{role} at {host}: {command}" for host, role, command in self.envelopes if end in command.lower())
