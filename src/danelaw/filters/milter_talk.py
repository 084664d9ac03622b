"""A connection to a milter with its conversation: one question at a time, edits collected, everything limited."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from danelaw.filters.result import FilterError, FilterResult, Verdict, plain
from danelaw.filters.specimen import Specimen, pieces
from danelaw.filters.stream import ServerAddress, Stream
from danelaw.message import Header
from danelaw.milter import (
    NEED_DATA,
    Action,
    Answer,
    Command,
    Disposition,
    MilterConnection,
    MilterError,
    Negotiated,
    Progress,
    ProtocolStep,
    Quarantine,
    ReplaceBody,
    fields_of,
)

if TYPE_CHECKING:
    from danelaw.milter import Edit

LARGEST_PACKET = (1 << 20) + 4096
_CIPHER_BITS = re.compile(r"AES_?(128|256)|CHACHA20")


@dataclass(frozen=True, slots=True)
class Party:
    """Both ends of an SMTP connection: our host name, the client, the listener's address as text. `client_name` leads
    back to the client, `client_ptr` is what its address is called whether it does or not; `resolve` says how that went:
    OK, FAIL, FORGED or TEMP.
    """

    hostname: str
    client_address: str
    client_port: int
    client_name: str | None = None
    listener: str = ""
    client_ptr: str | None = None
    resolve: str = ""

    @classmethod
    def of(cls, specimen: Specimen) -> Party:
        """The parties of a message."""
        return cls(specimen.hostname, specimen.client_address, specimen.client_port, specimen.client_name)

    def macros(self) -> dict[str, str]:
        """The macros of the connection."""
        name = self.shown_name
        host, _, port = self.listener.rpartition(":")
        daemon = {"{daemon_addr}": host.strip("[]"), "{daemon_port}": port, "{if_addr}": host.strip("[]")}
        return {
            "j": self.hostname,
            "v": "danelaw",
            "_": f"{name} [{self.client_address}]" if self.client_name else name,
            "{daemon_name}": "danelaw",
            "{client_addr}": self.client_address,
            "{client_port}": str(self.client_port),
            "{client_name}": name if self.client_name else "unknown",
            "{client_ptr}": self.client_ptr or self.client_name or "unknown",
            "{client_resolve}": self.resolve or ("OK" if self.client_name else "FAIL"),
            "{if_name}": self.hostname,
            **(daemon if host else {}),
        }

    @property
    def shown_name(self) -> str:
        """The client's name, its address in brackets where none is known."""
        return self.client_name or f"[{self.client_address}]"


@dataclass(frozen=True, slots=True)
class Refused:
    """A recipient that was refused: its address, the parameters it came with, and enhanced code and words of the no."""

    address: str
    arguments: tuple[str, ...]
    status: str
    words: str


@dataclass(slots=True)
class Talk:
    """An agreed connection. `edits` are those of the message that ended last."""

    stream: Stream
    connection: MilterConnection
    step_seconds: float
    edits: list[Edit] = field(default_factory=list)

    @classmethod
    async def open(cls, server: ServerAddress, step_seconds: float, largest: int) -> Talk:
        """Connect and agree. Raises `FilterError`."""
        stream = await Stream.open(server)
        connection = MilterConnection(largest_packet=LARGEST_PACKET, largest_total=2 * largest + LARGEST_PACKET)
        talk = cls(stream, connection, step_seconds)
        try:
            connection.open()
            await talk.hear()
        except BaseException:
            stream.close()
            raise
        return talk

    def close(self) -> None:
        """Say goodbye and hang up; safe at any moment."""
        if self.connection.due is None and self.connection.agreed is not None and self.stream.usable:
            self.connection.quit()
            self.stream.leave(self.connection.data_to_send())
        else:
            self.stream.close()

    async def ask(self, due: bool) -> Answer | None:
        """Send what there is, and wait for the answer where one is due."""
        if due:
            answer = await self.hear()
            assert isinstance(answer, Answer)
            return answer
        return None

    async def flush(self) -> None:
        """Send what there is."""
        out = self.connection.data_to_send()
        if out:
            await self.stream.send(out)

    async def hear(self) -> Answer | Negotiated:
        """The answer; edits before it are collected, and progress buys time."""
        await self.flush()
        try:
            while True:
                event = self.connection.next_event()
                if isinstance(event, Answer | Negotiated):
                    return event
                if event is NEED_DATA:
                    async with asyncio.timeout(self.step_seconds):
                        data = await self.stream.read()
                    if not data:
                        raise FilterError("it hangs up in the middle of the conversation")
                    self.connection.receive_data(data)
                elif not isinstance(event, Progress):
                    self.edits.append(event)
        except MilterError as error:
            raise FilterError(error.reason) from None
        except TimeoutError:
            raise FilterError(f"no answer to {_named(self.connection.due)} within {self.step_seconds:g} s") from None

    # the steps

    async def greet(self, party: Party) -> Answer | None:
        """Tell it of a connection."""
        told = self.connection.connect(party.shown_name, party.client_address, party.client_port, party.macros())
        return await self.ask(told)

    async def helo(self, name: str, tls: tuple[str, str] | None) -> Answer | None:
        """Tell it of HELO."""
        macros = {} if tls is None else {"{tls_version}": tls[0], "{cipher}": tls[1], "{verify}": "NOT"}
        bits = _CIPHER_BITS.search(tls[1]) if tls is not None else None
        if bits is not None:
            macros["{cipher_bits}"] = bits[1] or "256"
        return await self.ask(self.connection.helo(name, macros))

    async def mail(self, sender: str, arguments: Sequence[str] = (), user: str = "") -> Answer | None:
        """Tell it of MAIL and its parameters."""
        self.edits.clear()
        macros = _address_macros("mail", sender) | ({"{auth_authen}": user} if user else {})
        return await self.ask(self.connection.mail(_path(sender), _octets(arguments), macros))

    async def rcpt(self, recipient: str, arguments: Sequence[str] = ()) -> Answer | None:
        """Tell it of a recipient."""
        macros = _address_macros("rcpt", recipient)
        return await self.ask(self.connection.rcpt(_path(recipient), _octets(arguments), macros))

    async def refused_rcpt(self, recipient: Refused) -> None:
        """Tell it of a recipient that was refused, where it wants to know; its answer changes nothing."""
        agreed = self.connection.agreed
        if agreed is None or ProtocolStep.RCPT_REJ not in agreed.steps:
            return
        macros = {
            "{rcpt_mailer}": "error",
            "{rcpt_host}": recipient.status,
            "{rcpt_addr}": recipient.words,
        }
        await self.ask(self.connection.rcpt(_path(recipient.address), _octets(recipient.arguments), macros))

    async def unknown(self, line: str) -> None:
        """Tell it of a command nobody knows; the client has its answer already."""
        await self.ask(self.connection.unknown(line))

    async def content(self, specimen: Specimen) -> Answer | None:
        """Tell it the message until it has had its last word; None when it was never asked."""
        connection = self.connection
        macros = {"i": specimen.ident}
        answer = await self.ask(connection.data(macros | {"{nrcpts}": str(len(specimen.recipients))}))
        if connection.wants(Command.HEADER):
            for name, value in fields_of(specimen.content.header, leading_space=connection.leading_space):
                answer = await self.ask(connection.header(name, value))
                if connection.ruling is not None:
                    break
        answer = await self.ask(connection.end_of_header(macros)) or answer
        if connection.wants(Command.BODY):
            async for chunk in _chunks(pieces(specimen.content, body_only=True), connection.largest_chunk):
                answer = await self.ask(connection.body(chunk))
                if not connection.wants(Command.BODY):
                    break
                if not connection.due:
                    await self.flush()
        ended = connection.end_of_message(macros | _message_id(specimen)) if connection.ruling is None else False
        return await self.ask(ended) or connection.ruling or answer


def result_of(answer: Answer | None, edits: tuple[Edit, ...] = (), *, leading_space: bool = False) -> FilterResult:
    """An answer as a result; None is a filter that had nothing to say."""
    disposition = Disposition.CONTINUE if answer is None else answer.disposition
    if answer is not None and answer.refuses:
        verdict = Verdict.DEFER if answer.temporary else Verdict.FOUND
        if disposition is not Disposition.REPLYCODE:
            return FilterResult("", verdict, "try again later" if answer.temporary else "refused without a reason")
        lines = tuple(plain(line) for line in answer.lines)
        shown = " ".join((str(answer.code), *filter(None, (answer.enhanced,)), *lines))
        return FilterResult("", verdict, plain(shown), reply=(answer.code, answer.enhanced, lines))
    if disposition is Disposition.DISCARD:
        return FilterResult("", Verdict.DISCARD, "the filter took it and says to discard it")
    held = [edit for edit in edits if isinstance(edit, Quarantine)]
    if held:
        reason = plain(held[-1].reason) or "the filter says to quarantine it"
        return FilterResult("", Verdict.HOLD, reason, edits=edits, leading_space=leading_space)
    return FilterResult("", Verdict.CLEAN, _changes(edits), edits=edits, leading_space=leading_space)


def _changes(edits: tuple[Edit, ...]) -> str:
    if not edits:
        return ""
    kinds = dict.fromkeys(type(edit).__name__ for edit in edits if not isinstance(edit, ReplaceBody))
    if any(isinstance(edit, ReplaceBody) for edit in edits):
        kinds["ReplaceBody"] = None
    return f"changes the message: {', '.join(kinds)}"


def described(agreed: Negotiated) -> str:
    """What was agreed, for people."""
    rights = [action.name or "" for action in Action if action in agreed.actions]
    return f"milter protocol {agreed.version}, may: {', '.join(rights) or 'change nothing'}"


async def _chunks(source: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """Pieces of exactly `size` octets, the last one shorter."""
    rest = b""
    async for piece in source:
        view = memoryview(rest + piece if rest else piece)
        whole = len(view) - len(view) % size
        for start in range(0, whole, size):
            yield bytes(view[start : start + size])
        rest = bytes(view[whole:])
    if rest:
        yield rest


def _message_id(specimen: Specimen) -> dict[str, str]:
    header = specimen.content.header
    found = Header.from_bytes(header + b"\r\n", max_octets=len(header) + 2, max_fields=len(header) + 1).message_id
    return {} if found is None else {"{msg_id}": found}


def _octets(arguments: Sequence[str]) -> tuple[bytes, ...]:
    return tuple(one.encode("utf-8", "surrogateescape") for one in arguments)


def _path(address: str) -> bytes:
    return f"<{address}>".encode("utf-8", "surrogateescape")


def _address_macros(kind: str, address: str) -> dict[str, str]:
    host = address.rpartition("@")[2]
    return {f"{{{kind}_addr}}": address, f"{{{kind}_host}}": host, f"{{{kind}_mailer}}": "smtp"}


def _named(command: Command | None) -> str:
    return "the end of the message" if command is Command.BODYEOB else "a question" if command is None else command.name
