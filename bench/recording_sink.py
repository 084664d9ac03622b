"""Next hops that write down whatever they accept, and refuse, defer or break off as the recipient's name asks.

`later-…` is answered 451 at its first try, `never-…` always 550; everything else is taken. A message counts as accepted
once the 250 to its final dot is handed to the kernel, for each recipient that was accepted.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field

_NAMED = re.compile(rb"^X-Crash-Id: ?(\S+)", re.MULTILINE)
_FINAL = re.compile(rb"^Final-Recipient: ?rfc822; ?(\S+)", re.MULTILINE | re.IGNORECASE)
_MESSAGE_ID = re.compile(rb"^Message-ID: ?(\S+)", re.MULTILINE | re.IGNORECASE)


@dataclass
class Record:
    """What arrived: (message id, recipient) with how often; the digest of each body; notices by what they report."""

    arrived: Counter[tuple[str, str]] = field(default_factory=Counter)
    digests: dict[str, set[str]] = field(default_factory=dict)
    notices: dict[tuple[str, str], Counter[str]] = field(default_factory=dict)
    deferred: set[tuple[str, str]] = field(default_factory=set)
    octets: int = 0

    def take(self, recipients: list[str], body: bytes) -> str:
        """A message was accepted for these recipients; gives its name, `notice` for one about others."""
        self.octets += len(body)
        head, _, rest = body.partition(b"\r\n\r\n")
        named = _NAMED.search(head)
        if named is None:
            return "notice " + ",".join(self._take_notice(body))
        name = named[1].decode()
        self.digests.setdefault(name, set()).add(hashlib.sha256(rest).hexdigest())
        for recipient in recipients:
            self.arrived[name, recipient] += 1
        return name + " " + ",".join(recipients)

    def _take_notice(self, body: bytes) -> list[str]:
        """Gives the recipients it is about."""
        about, own = _NAMED.search(body), _MESSAGE_ID.search(body)
        assert about is not None, body[:2000]
        assert own is not None, body[:2000]
        told = [recipient.decode() for recipient in _FINAL.findall(body)]
        for recipient in told:
            self.notices.setdefault((about[1].decode(), recipient), Counter())[own[1].decode()] += 1
        return told


class RecordingSink(asyncio.Protocol):
    """One connection of the next hop."""

    def __init__(self, record: Record) -> None:
        self.record = record
        self.buffer = bytearray()
        self.scanned = 0
        self.in_data = False
        self.recipients: list[str] = []
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._say(b"220 sink ESMTP")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while self._body() if self.in_data else self._line():
            pass

    def _say(self, line: bytes) -> None:
        assert self.transport is not None
        self.transport.write(line + b"\r\n")

    def _body(self) -> bool:
        end = self.buffer.find(b"\r\n.\r\n", max(0, self.scanned - 5))
        if end < 0:
            self.scanned = len(self.buffer)
            return False
        body = bytes(self.buffer[: end + 2]).replace(b"\r\n..", b"\r\n.")
        del self.buffer[: end + 5]
        self.in_data, self.scanned = False, 0
        # Said in full, so that a record of what the gateway heard tells what it knew to be delivered.
        self._say(b"250 2.0.0 taken " + self.record.take(self.recipients, body).encode())
        return True

    def _line(self) -> bool:
        end = self.buffer.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self.buffer[:end])
        del self.buffer[: end + 2]
        verb = line[:4].upper()
        if verb == b"EHLO":
            self._say(b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SIZE 0")
        elif verb == b"MAIL":
            self.recipients = []
            self._say(b"250 2.1.0 ok")
        elif verb == b"RCPT":
            self._say(self._recipient(line))
        elif verb == b"DATA" and not self.recipients:
            self._say(b"554 5.5.1 no recipients")
        elif verb == b"DATA":
            self.in_data = True
            self._say(b"354 go")
        elif verb == b"QUIT":
            self._say(b"221 bye")
            assert self.transport is not None
            self.transport.close()
            return False
        else:
            self._say(b"250 ok")
        return True

    def _recipient(self, line: bytes) -> bytes:
        address = line[line.index(b"<") + 1 : line.index(b">")].decode()
        kind, _, rest = address.partition("-")
        if kind == "never":
            return b"550 5.1.1 no such user"
        if kind == "later" and (kind, rest) not in self.record.deferred:
            self.record.deferred.add((kind, rest))
            return b"451 4.2.0 not now"
        self.recipients.append(address)
        return b"250 2.1.5 ok"
