"""The conversation: commands out, answers and edits in."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, TypeAlias

from danelaw.milter import macros as macro_table
from danelaw.milter.answers import Answer, Disposition, answer_of
from danelaw.milter.edits import Edit, edit_of
from danelaw.milter.errors import MilterError
from danelaw.milter.negotiation import Negotiated, read_options, write_options
from danelaw.milter.vocabulary import (
    ALL_ACTIONS,
    ALL_STEPS,
    SINCE,
    STAGES,
    UNANSWERED,
    UNWANTED,
    Action,
    Command,
    ProtocolStep,
)


class _NeedData(Enum):
    NEED_DATA = "need data"


NEED_DATA: Final = _NeedData.NEED_DATA
"""Nothing more can be told before more octets come."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The filter is still at work: the time it has may begin anew, within the time for the whole message."""


MilterEvent: TypeAlias = Negotiated | Answer | Edit | Progress | _NeedData
Macros: TypeAlias = Mapping[str, str]

_NONE: Macros = {}
_CONNECTION_STEPS = (Command.CONNECT, Command.HELO)
_LASTING = (Disposition.ACCEPT, Disposition.DISCARD, Disposition.SHUTDOWN, Disposition.CONN_FAIL)
_PROGRESS = ord("p")


@dataclass(slots=True)
class _Words:
    """The filter's last words: for the connection and for the message."""

    connection: Answer | None = None
    message: Answer | None = None
    skipped: set[Command] = field(default_factory=set)


class MilterConnection:
    """One connection to a filter. `largest_packet` bounds each packet of the filter, `largest_total` all it says about
    one message, `most_edits` their number; `actions` and `steps` are what it is offered.
    """

    def __init__(
        self,
        *,
        largest_packet: int,
        largest_total: int,
        most_edits: int = 1000,
        actions: Action = ALL_ACTIONS,
        steps: ProtocolStep = ALL_STEPS,
    ) -> None:
        self._largest_packet = largest_packet
        self._largest_total = largest_total
        self._most_edits = most_edits
        self._offer = (actions, steps)
        self._in = bytearray()
        self._out: list[bytes] = []
        self._said = self._edits = 0
        self._words = _Words()
        self._in_message = False
        self.due: Command | None = None
        """The command whose answer is awaited."""
        self.agreed: Negotiated | None = None
        """What was agreed, once it was."""

    # octets

    def receive_data(self, data: bytes) -> None:
        """Octets from the filter. Raises `MilterError` when it says more than it may, or speaks unasked."""
        self._said += len(data)
        if self._said > self._largest_total:
            raise MilterError(f"the filter says more than {self._largest_total} octets about one message")
        if self.due is None and data:
            raise MilterError("the filter speaks without being asked")
        self._in += data

    def data_to_send(self) -> bytes:
        """What is to be sent to the filter; asking takes it away."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def next_event(self) -> MilterEvent:
        """The next thing the filter said. Raises `MilterError`."""
        packet = self._packet()
        if packet is None:
            return NEED_DATA
        octet, data = packet
        assert self.due is not None, "receive_data takes nothing unasked"
        if self.due is Command.OPTNEG:
            self.agreed = read_options(octet, data, *self._offer)
            self.due = None
            self._nothing_more()
            return self.agreed
        if octet == _PROGRESS:
            return Progress()
        found = edit_of(octet, data)
        if found is not None:
            return self._edit(*found)
        answer = answer_of(octet, data)
        if answer is None:
            raise MilterError(f"the filter answers {bytes((octet,))!r}, which is nothing the protocol knows")
        self._answered(self.due, answer)
        self._nothing_more()
        return answer

    def _nothing_more(self) -> None:
        # What stands behind an answer would be taken for the answer to the next question.
        if self._in:
            raise MilterError("the filter speaks without being asked")

    def _packet(self) -> tuple[int, bytes] | None:
        if len(self._in) < 4:
            return None
        (length,) = struct.unpack_from(">I", self._in)
        if not 1 <= length <= self._largest_packet:
            raise MilterError(f"the filter sends a packet of {length} octets where {self._largest_packet} are allowed")
        if len(self._in) < 4 + length:
            return None
        octet, data = self._in[4], bytes(memoryview(self._in)[5 : 4 + length])
        del self._in[: 4 + length]
        return octet, data

    def _edit(self, edit: Edit, right: Action) -> Edit:
        assert self.agreed is not None
        if self.due is not Command.BODYEOB:
            raise MilterError("the filter changes the message before its end")
        if not right & self.agreed.actions:
            raise MilterError(f"the filter changes what it did not ask to change ({right.name})")
        self._edits += 1
        if self._edits > self._most_edits:
            raise MilterError(f"the filter makes more than {self._most_edits} edits")
        return edit

    def _answered(self, command: Command, answer: Answer) -> None:
        self.due = None
        disposition = answer.disposition
        if disposition is Disposition.SKIP:
            self._words.skipped.add(command)
        elif disposition in (Disposition.SHUTDOWN, Disposition.CONN_FAIL) or (
            command in _CONNECTION_STEPS and disposition is not Disposition.CONTINUE
        ):
            self._words.connection = answer
        elif command is Command.UNKNOWN or (command is Command.RCPT and disposition not in _LASTING):
            pass  # said about that command or recipient alone
        elif disposition is not Disposition.CONTINUE:
            self._words.message = answer
        if command is Command.BODYEOB:
            self._in_message = False

    # what it means

    @property
    def ruling(self) -> Answer | None:
        """The filter's last word on the message or the connection; None while it wants to hear more."""
        return self._words.connection or self._words.message

    @property
    def leading_space(self) -> bool:
        """Values of fields go with the octets behind the colon as they are."""
        return self.agreed is not None and ProtocolStep.HDR_LEADSPC in self.agreed.steps

    @property
    def largest_chunk(self) -> int:
        """Most octets in one piece of the body."""
        assert self.agreed is not None
        return self.agreed.largest_data

    # commands; each gives True when an answer is due

    def open(self) -> None:
        """Offer everything; the filter answers with what it takes."""
        self._send(Command.OPTNEG, write_options(*self._offer))
        self.due = Command.OPTNEG

    def connect(self, hostname: str, address: str, port: int, macros: Macros = _NONE) -> bool:
        """A client: its name (its address in brackets when it has none), IP address in text form, port."""
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            family = b"U"
        else:
            shown = str(parsed) if parsed.version == 4 else f"IPv6:{parsed}"
            family = struct.pack(">cH", b"4" if parsed.version == 4 else b"6", port) + _string(shown.encode())
        return self._tell(Command.CONNECT, _string(_octets(hostname)) + family, macros)

    def helo(self, name: str, macros: Macros = _NONE) -> bool:
        """HELO or EHLO."""
        return self._tell(Command.HELO, _string(_octets(name)), macros)

    def mail(self, path: bytes, arguments: Sequence[bytes] = (), macros: Macros = _NONE) -> bool:
        """MAIL: the path in angle brackets, the parameters as they came. Begins a message."""
        self._begin_message()
        return self._tell(Command.MAIL, b"".join(map(_string, (path, *arguments))), macros)

    def rcpt(self, path: bytes, arguments: Sequence[bytes] = (), macros: Macros = _NONE) -> bool:
        """RCPT, as with `mail`."""
        return self._tell(Command.RCPT, b"".join(map(_string, (path, *arguments))), macros)

    def data(self, macros: Macros = _NONE) -> bool:
        """DATA."""
        return self._tell(Command.DATA, b"", macros)

    def header(self, name: bytes, value: bytes) -> bool:
        """One field, in the form of `fields_of`."""
        return self._tell(Command.HEADER, _string(name) + _string(value))

    def end_of_header(self, macros: Macros = _NONE) -> bool:
        """The empty line behind the header."""
        return self._tell(Command.EOH, b"", macros)

    def body(self, chunk: bytes) -> bool:
        """A piece of the body, at most `largest_chunk` octets."""
        return self._tell(Command.BODY, chunk)

    def end_of_message(self, macros: Macros = _NONE) -> bool:
        """The end: the filter's edits and its answer follow."""
        return self._tell(Command.BODYEOB, b"", macros)

    def unknown(self, line: str) -> bool:
        """A command line that is no SMTP command known here."""
        return self._tell(Command.UNKNOWN, _string(_octets(line)))

    def abort(self) -> None:
        """The message under way will not end; the connection goes on. An answer still due makes this impossible."""
        if self._in_message:
            self._send(Command.ABORT)
        self._in_message = False
        self._words.message = None

    def quit(self) -> None:
        """The client has gone."""
        self._send(Command.QUIT)

    def next_client(self) -> bool:
        """The client has gone and another follows on this connection; False when the filter is too old for that."""
        if not self._speaks(Command.QUIT_NC) or self.due is not None:
            return False
        self._send(Command.QUIT_NC)
        self._words, self._in_message, self._said, self._edits = _Words(), False, 0, 0
        return True

    def _begin_message(self) -> None:
        if self._in_message:
            self.abort()
        self._words.message, self._in_message, self._said, self._edits = None, True, 0, 0
        self._words.skipped.clear()

    def wants(self, command: Command) -> bool:
        """Whether the filter is told of this step: it wants it, its version has it, its last word is due."""
        assert self.agreed is not None, "open first"
        unwanted = UNWANTED.get(command, ProtocolStep(0))
        return (
            self._speaks(command)
            and self.ruling is None
            and command not in self._words.skipped
            and not unwanted & self.agreed.steps
        )

    def _speaks(self, command: Command) -> bool:
        return self.agreed is not None and self.agreed.version >= SINCE.get(command, 0)

    def _tell(self, command: Command, data: bytes = b"", macros: Macros = _NONE) -> bool:
        assert self.due is None, f"an answer to {self.due} is due"
        if not self.wants(command):
            return False
        agreed = self.agreed
        assert agreed is not None
        if macros:
            self._send_macros(command, agreed, macros)
        self._send(command, data)
        if UNANSWERED.get(command, ProtocolStep(0)) & agreed.steps:
            return False
        self.due = command
        return True

    def _send_macros(self, command: Command, agreed: Negotiated, macros: Macros) -> None:
        stage = STAGES[command]
        chosen = agreed.macros.get(stage, macro_table.DEFAULTS[stage])
        packed = macro_table.packed(chosen, macros)
        if packed:
            self._send(Command.MACRO, command.value + packed)

    def _send(self, command: Command, data: bytes = b"") -> None:
        self._out.append(struct.pack(">Ic", len(data) + 1, command.value) + data)


def _string(octets: bytes) -> bytes:
    return octets.replace(b"\0", b"?") + b"\0"


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
