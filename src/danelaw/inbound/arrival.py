"""A message that came whole and is not ours yet: what steps look at, and what they may change or rule.

Rulings are values. No ruling means: go on. `Refuse` and `Discard` end the examination; `Hold` lets the other steps
speak, and the message is stored for an operator to release.

One message may go on as several. `Arrival.copy` makes another one beside it, with an id, recipients, reverse-path,
content, added fields, findings and holds of its own; the step that made it may change it further, and the steps behind
that one are asked about it as about any message:

    away = arrival.copy("srs", leaving, reverse_path=rewritten)
    arrival.recipients = staying

All that are left at the end are stored in one transaction, and the client is told 250 only after it, with the id of the
first. `Refuse` of one refuses all, `Discard` drops only the one it is said of, `Hold` holds that one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from danelaw.errors import DanelawError
from danelaw.message import Draft, boundary
from danelaw.policy.handling import USUAL, Handling
from danelaw.queue import id_to_text

if TYPE_CHECKING:
    from danelaw.address import ReversePath
    from danelaw.authentication import Verdicts
    from danelaw.smtp import Envelope, Recipient, Reply

PIECE = 64 * 1024
LARGEST_HEADER = 1 << 20
MOST_COPIES = 256
_SHOWN = 10
_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class TooManyCopies(DanelawError):
    """One message was to become more than `MOST_COPIES` others."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who speaks: IP address in text form, port, HELO name, TLS version and cipher (None in clear text), whether it may
    relay, the address it connected to, and as whom it logged in ('' when it did not). `memory` is what steps remember
    of this connection, by their name; it ends with the connection.
    """

    address: str
    port: int
    helo: str = ""
    extended: bool = False
    tls: tuple[str, str] | None = None
    trusted: bool = False
    listener: str = ""
    user: str = ""
    memory: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


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
    def octets(self) -> bytes | Path:
        """The whole message in memory, or the file it is in when it came in one and was not changed; what was changed
        and is in a file is put together in memory.
        """
        if self._begin is None:
            return self._octets if self._path is None else self._path
        return b"".join(self.chunks())

    def edited(self, draft: Draft) -> Content:
        """The message as a draft over these octets has it."""
        header = draft.header_octets()
        if not draft.body_changed:
            return self.with_header(header)
        return EditedContent(draft, header)

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


class EditedContent(Content):
    """A message whose body was changed: it is given out from a draft, piece by piece, and never put together."""

    __slots__ = ("_draft",)

    def __init__(self, draft: Draft, header: bytes) -> None:
        self._draft = draft
        self._path, self._octets = None, b""
        self._begin, self._between, self._body_start = header, b"", 0
        self.header = header
        self.size = draft.size

    @property
    def octets(self) -> bytes:
        """The whole message."""
        return self._draft.to_bytes()

    @property
    def in_memory(self) -> bool:
        """Whether what was not changed lies in memory."""
        return isinstance(self._draft.message.source, bytes)

    def with_header(self, header: bytes) -> Content:
        """The same body below another header."""
        octets = self._draft.to_bytes()
        return Content(octets, len(octets), largest_header=len(self.header) + 4).with_header(header)

    def chunks(self) -> Iterator[bytes]:
        """The whole message in pieces."""
        return self._draft.chunks()

    def body(self) -> Iterator[bytes]:
        """What follows the empty line, in pieces."""
        return self._draft.body_chunks()


@dataclass(slots=True)
class Arrival:
    """One message at its end of data. `envelope` and `content` are as given by the client, without our Received field.

    Steps may change `reverse_path`, `recipients` and `content`, add whole fields with CRLF to `added` (the last one
    added comes to stand on top, below our Received field), record what they found, and make a `copy`. `verdicts` is
    what `Origin` found out, for the steps behind it; None where it was not asked. `context` is what a policy keeps with
    the message, as JSON, `handling` how it wants the message to travel. `demand` is what its sender asks for besides
    REQUIRETLS, as `Handling.demand`; it is apart from `handling`, which scripts set anew.

    `copies` are the other messages made from the same one, shared by all of them; `new_id` numbers them, and is None
    where nothing can be added any more: of a message that is released.
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
    context: str = ""
    handling: Handling = USUAL
    demand: str = ""
    new_id: Callable[[], int] | None = None
    copies: list[Arrival] = field(default_factory=list)
    copy_of: int | None = None

    def copy(
        self,
        step: str,
        recipients: Iterable[Recipient],
        *,
        reverse_path: ReversePath | None = None,
        content: Content | None = None,
    ) -> Arrival:
        """One more message for these recipients, otherwise as this one is now; both findings name it and its `step`.

        Raises `TooManyCopies`, also where none may be made.
        """
        if self.new_id is None:
            raise TooManyCopies("a message that is released is not copied")
        if len(self.copies) >= MOST_COPIES:
            raise TooManyCopies(f"no more than {MOST_COPIES} messages are made of one")
        made = replace(
            self,
            id=self.new_id(),
            recipients=list(recipients),
            reverse_path=self.reverse_path if reverse_path is None else reverse_path,
            content=self.content if content is None else content,
            added=self.added.copy(),
            findings=self.findings.copy(),
            holds=self.holds.copy(),
            copy_of=self.id if self.copy_of is None else self.copy_of,
        )
        self.findings.append(Finding(step, "copied", f"{_names(made.recipients)} get it as {made.id_text}"))
        made.findings.append(Finding(step, "copy", f"of {self.id_text}"))
        self.copies.append(made)
        return made

    @property
    def id_text(self) -> str:
        """The id people see, also in our Received field."""
        return id_to_text(self.id)

    @property
    def findings_text(self) -> str:
        """The findings as the spool keeps them."""
        found = [(finding.step, finding.result, finding.reason) for finding in self.findings]
        return _json(found) if found else ""


def _names(recipients: list[Recipient]) -> str:
    shown = ", ".join(one.forward_path.mailbox.to_text() for one in recipients[:_SHOWN])
    return shown if len(recipients) <= _SHOWN else f"{shown} and {len(recipients) - _SHOWN} more"
