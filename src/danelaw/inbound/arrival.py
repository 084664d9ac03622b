"""A message that came whole and is not ours yet: what steps look at, and what they may change or rule.

Rulings are values. No ruling means: go on. `Refuse` and `Discard` end the examination; `Hold` lets the other steps
speak, and the message is stored for an operator to release.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from danelaw.message import boundary
from danelaw.queue import id_to_text

if TYPE_CHECKING:
    from danelaw.address import ReversePath
    from danelaw.authentication import Verdicts
    from danelaw.smtp import Envelope, Recipient, Reply

PIECE = 64 * 1024
LARGEST_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class Client:
    """Who speaks: IP address in text form, port, HELO name, TLS version and cipher (None in clear text), whether it may
    relay, the address it connected to, and as whom it logged in ('' when it did not).
    """

    address: str
    port: int
    helo: str = ""
    extended: bool = False
    tls: tuple[str, str] | None = None
    trusted: bool = False
    listener: str = ""
    user: str = ""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client is told no: a 5xx for good, a 4xx for now."""

    reply: Reply
    step: str = ""


@dataclass(frozen=True, slots=True)
class Discard:
    """The client is told 250, and the message goes nowhere; `reason` is logged."""

    reason: str
    step: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """The message is stored and waits for an operator, or until `seconds` have passed (None: the usual retention)."""

    reason: str
    step: str = ""
    seconds: float | None = None


Ruling: TypeAlias = Refuse | Discard | Hold


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing a step found out, kept with the message and shown by `danelaw explain`: which step, the result in one
    word (`pass`, `listed`, `spam`), and the evidence in words.
    """

    step: str
    result: str
    reason: str = ""


class Content:
    """The octets of a message, header and body, in memory or in a file; never changed in place."""

    __slots__ = ("_begin", "_between", "_body_start", "_octets", "_path", "header", "size")

    def __init__(self, source: bytes | Path, size: int, *, largest_header: int = LARGEST_HEADER) -> None:
        """`size` counts its octets. A file must stay until the message's fate is known.

        Raises `HeaderTooLarge` when no empty line comes within `largest_header` octets.
        """
        self._path = source if isinstance(source, Path) else None
        if isinstance(source, bytes):
            self._octets = octets = source
        else:
            self._octets = b""
            with source.open("rb") as file:
                octets = file.read(largest_header + 4)
        end, self._body_start = boundary(octets, largest_header)
        self._begin: bytes | None = None
        self._between = octets[end : self._body_start]
        self.header = octets[:end]
        """The header with the CRLF of its last field, without the empty line."""
        self.size = size

    @property
    def in_memory(self) -> bool:
        """False when reading means reading a file: do that in a thread."""
        return self._path is None

    def with_header(self, header: bytes) -> Content:
        """The same body below another header, which ends with the CRLF of its last field."""
        changed = Content.__new__(Content)
        changed._path, changed._octets = self._path, self._octets
        changed._body_start, changed._between = self._body_start, self._between
        changed._begin = header + self._between
        changed.header = header
        changed.size = self.size - len(self.header) + len(header)
        return changed

    def with_body(self, body: bytes) -> Content:
        """The same header over another body."""
        return Content(self.header + b"\r\n" + body, len(self.header) + 2 + len(body), largest_header=len(self.header))

    def chunks(self) -> Iterator[bytes]:
        """The whole message in pieces."""
        if self._begin is None:
            yield from self._from(0)
        else:
            yield self._begin
            yield from self._from(self._body_start)

    def body(self) -> Iterator[bytes]:
        """What follows the empty line, in pieces; nothing where there is no body."""
        return self._from(self._body_start)

    def _from(self, start: int) -> Iterator[bytes]:
        if self._path is None:
            yield self._octets[start:] if start else self._octets
            return
        with self._path.open("rb") as file:
            file.seek(start)
            while piece := file.read(PIECE):
                yield piece


@dataclass(slots=True)
class Arrival:
    """One message at its end of data. `envelope` and `content` are as given by the client, without our Received field.

    Steps may change `reverse_path`, `recipients` and `content`, add whole fields with CRLF to `added` (the last one
    added comes to stand on top, below our Received field), and record what they found. `verdicts` is what `Origin`
    found out, for the steps behind it; None where it was not asked.
    """

    id: int
    received_at: float
    client: Client
    envelope: Envelope
    content: Content
    reverse_path: ReversePath
    recipients: list[Recipient]
    added: list[bytes] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    holds: list[Hold] = field(default_factory=list)
    verdicts: Verdicts | None = None

    @property
    def id_text(self) -> str:
        """The id people see, also in our Received field."""
        return id_to_text(self.id)

    @property
    def findings_text(self) -> str:
        """The findings as the spool keeps them."""
        found = [(finding.step, finding.result, finding.reason) for finding in self.findings]
        return json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else ""
