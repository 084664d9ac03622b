"""Both ends of a gateway under test: clients, next hops that do as told, and the gateway between them.

Everything runs in one process over real sockets, under uvloop as `danelaw serve` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import uvloop

from danelaw.config import load
from danelaw.gateway import Gateway
from danelaw.lab.certificates import Authorities, Credential
from danelaw.queue import id_from_text
from danelaw.spool.view import shown
from danelaw.telemetry import Log

T = TypeVar("T")
PATIENCE = 20.0
OFFERS = ("PIPELINING", "SIZE 0", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES")
CLOSE = "close"
_LINES = 64 << 20


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a test's coroutine."""
    return uvloop.run(work)


def patience(seconds: float = PATIENCE) -> float:
    """So many seconds of ours, on a loop whose time may pass faster (`reliability_time.FastLoop`)."""
    return seconds * float(getattr(asyncio.get_running_loop(), "pace", 1.0))


async def until(condition: Callable[[], T], what: str = "the condition", seconds: float = PATIENCE) -> T:
    """Wait until `condition()` is true and give its value; raises `TimeoutError` saying what was awaited."""
    try:
        async with asyncio.timeout(patience(seconds)):
            while not (value := condition()):
                await asyncio.sleep(patience(0.01))
            return value
    except TimeoutError:
        raise TimeoutError(f"{what} did not come about in {seconds:g} s") from None


# the client's end


@dataclass(slots=True)
class Answer:
    """A reply of the gateway."""

    code: int
    lines: list[str]

    @property
    def text(self) -> str:
        """All lines, joined."""
        return "\n".join(self.lines)


class Client:
    """A client that can do everything wrong."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def connect(
        cls,
        address: tuple[str, int],
        *,
        source: str = "127.0.0.1",
        context: ssl.SSLContext | None = None,
        name: str = "",
    ) -> Self:
        """Connect; with `context` TLS begins at once."""
        tls = {"ssl": context, "server_hostname": name} if context is not None else {}
        return cls(*await asyncio.open_connection(*address, local_addr=(source, 0), **tls))  # type: ignore[arg-type]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.writer.transport.abort()
        await asyncio.sleep(0)

    async def answer(self) -> Answer:
        """Read one reply; raises `EOFError` when the gateway closed."""
        lines: list[str] = []
        async with asyncio.timeout(patience()):
            while True:
                line = (await self.reader.readline()).decode()
                if not line:
                    raise EOFError("connection closed")
                lines.append(line[4:].rstrip("\r\n"))
                if line[3] == " ":
                    return Answer(int(line[:3]), lines)

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.writer.write(octets)

    async def say(self, line: str) -> Answer:
        """One command, one reply."""
        self.send(line.encode() + b"\r\n")
        return await self.answer()

    async def expect(self, code: int, line: str = "") -> Answer:
        """`say`, or only read when there is no line, and insist on the code."""
        answer = await self.say(line) if line else await self.answer()
        assert answer.code == code, f"{line!r}: {answer}"
        return answer

    async def closed(self) -> None:
        """Wait until the gateway closes; whatever it says before is read and dropped."""
        async with asyncio.timeout(patience()):
            with contextlib.suppress(ConnectionError):
                while await self.reader.read(65536):
                    pass

    async def greeted(self, name: str = "client.test") -> Answer:
        """Greeting and EHLO."""
        await self.expect(220)
        return await self.expect(250, f"EHLO {name}")

    async def start_tls(self, name: str = "gw.test") -> None:
        """STARTTLS with a context that checks nothing."""
        await self.expect(220, "STARTTLS")
        await self.writer.start_tls(lenient(), server_hostname=name, ssl_handshake_timeout=patience())

    async def message(self, body: bytes, *recipients: str, sender: str = "anna@sender.test", mail: str = "",
                      rcpt: str = "") -> str:  # fmt: skip
        """One message by DATA; gives its queue id."""
        await self.expect(250, f"MAIL FROM:<{sender}>{mail}")
        for recipient in recipients:
            await self.expect(250, f"RCPT TO:<{recipient}>{rcpt}")
        await self.expect(354, "DATA")
        self.send(stuffed(body) + b".\r\n")
        return (await self.expect(250)).text.rpartition(" ")[2]

    async def offer(self, body: bytes, *recipients: str, sender: str = "anna@sender.test") -> Answer:
        """One message by DATA; gives what is said to its end."""
        await self.expect(250, f"MAIL FROM:<{sender}>")
        for recipient in recipients:
            await self.expect(250, f"RCPT TO:<{recipient}>")
        await self.expect(354, "DATA")
        self.send(stuffed(body) + b".\r\n")
        return await self.answer()


def stuffed(body: bytes) -> bytes:
    """A body with dots stuffed (RFC 5321 §4.5.2)."""
    return (b"\r\n" + body).replace(b"\r\n.", b"\r\n..")[2:]


def lenient() -> ssl.SSLContext:
    """A client's context that checks nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def peer_names(client: Client) -> tuple[str, ...]:
    """The DNS-IDs of the certificate the gateway showed."""
    from danelaw.pkix import read_certificate

    return read_certificate(client.writer.get_extra_info("ssl_object").getpeercert(True)).dns_ids


# the next hop's end


@dataclass(slots=True)
class Taken:
    """A message the sink took: MAIL and RCPT lines as they came, and the octets."""

    connection: int
    mail: str
    recipients: list[str]
    data: bytes
    tls: bool

    @property
    def content(self) -> bytes:
        """Without the Received field the gateway put in front."""
        assert self.data.startswith(b"Received:")
        end = 0
        while True:
            end = self.data.index(b"\r\n", end) + 2
            if self.data[end : end + 1] not in (b" ", b"\t"):
                return self.data[end:]


@dataclass(slots=True)
class _Talk:
    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tls: bool = False
    mail: str = ""
    recipients: list[str] = field(default_factory=list)


class Sink:
    """A next hop. `answer(verb, line, connection)` may return a reply of its own, `CLOSE`, or None for the usual one.

    Verbs are those of SMTP, `GREETING` before and `DOT` after the message.
    """

    def __init__(
        self,
        answer: Callable[[str, str, int], str | Awaitable[str | None] | None] = lambda verb, line, connection: None,
        *,
        offers: tuple[str, ...] = OFFERS,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.answer = answer
        self.offers = offers
        self.context = context
        self.taken: list[Taken] = []
        self.lines: list[tuple[int, str]] = []
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_LINES)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in tuple(self.open):
            writer.transport.abort()
        if error is None:  # what went wrong before must not be hidden by what follows from it
            await until(lambda: not self.open, "the end of all conversations")

    @property
    def hop(self) -> str:
        """As a next hop in the configuration."""
        return f"[127.0.0.1]:{self.port}"

    @property
    def smarthost(self) -> str:
        """`[delivery]` with it as the next hop of everything."""
        return f'[delivery]\nnext_hop = "{self.hop}"\n'

    async def messages(self, count: int = 1) -> list[Taken]:
        """Wait until it has taken so many."""
        await until(lambda: len(self.taken) >= count, f"message {count} at the sink")
        return self.taken

    def said(self, verb: str) -> list[str]:
        """All commands of this verb."""
        return [line for _, line in self.lines if line.upper().startswith(verb)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        talk = _Talk(self.connections, reader, writer)
        try:
            if await self._say(talk, "GREETING", "", "220 sink.test ESMTP"):
                while line := (await reader.readline()).decode("utf-8", "surrogateescape").rstrip("\r\n"):
                    self.lines.append((talk.number, line))
                    if not await self._command(talk, line.split(" ")[0].upper(), line):
                        break
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.open.discard(writer)
            writer.close()

    async def _say(self, talk: _Talk, verb: str, line: str, usual: str) -> bool:
        answer = self.answer(verb, line, talk.number)
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer == CLOSE:
            return False
        talk.writer.write((answer or usual).encode() + b"\r\n")
        await talk.writer.drain()
        return (answer or usual)[:3] not in ("421", "221")

    async def _command(self, talk: _Talk, verb: str, line: str) -> bool:
        usual = "250 2.0.0 fine"
        if verb == "EHLO":
            offers = [*self.offers, *(["STARTTLS"] if self.context is not None and not talk.tls else [])]
            usual = "\r\n".join(f"250-{text}" for text in ("sink.test", *offers[:-1])) + f"\r\n250 {offers[-1]}"
        elif verb == "STARTTLS":
            before = self.answer(verb, line, talk.number)
            if before is not None:
                return await self._say(talk, verb, line, "")
            await self._say(talk, verb, line, "220 go")
            assert self.context is not None
            await talk.writer.start_tls(self.context)
            talk.tls = True
            return True
        elif verb == "DATA":
            usual = "354 go" if talk.recipients else "503 5.5.1 no recipients"
        elif verb == "QUIT":
            usual = "221 2.0.0 bye"
        answer = self.answer(verb, line, talk.number)
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer == CLOSE:
            return False
        reply = answer or usual
        talk.writer.write(reply.encode() + b"\r\n")
        if verb in ("MAIL", "RSET"):
            talk.mail, talk.recipients = line, []
        if verb == "RCPT" and reply.startswith("250"):
            talk.recipients.append(line)
        if reply.startswith("354"):
            return await self._data(talk)
        return reply[:3] not in ("421", "221")

    async def _data(self, talk: _Talk) -> bool:
        first = await talk.reader.readexactly(3)
        raw = first if first == b".\r\n" else first + await talk.reader.readuntil(b"\r\n.\r\n")
        data = (b"\r\n" + raw[:-3]).replace(b"\r\n.", b"\r\n")[2:]
        taken = Taken(talk.number, talk.mail, talk.recipients, data, talk.tls)
        answer = self.answer("DOT", "", talk.number)
        if isinstance(answer, Awaitable):
            answer = await answer
        if answer is None or answer.startswith("2"):
            self.taken.append(taken)
        talk.mail, talk.recipients = "", []
        if answer == CLOSE:
            return False
        talk.writer.write((answer or "250 2.0.0 taken").encode() + b"\r\n")
        return (answer or "250")[:3] != "421"


# the gateway between

CONFIG = """
hostname = "gw.test"
[[listen]]
address = "127.0.0.1:0"
{listen}
[relay]
networks = ["127.0.0.0/8"]
[spool]
directory = {spool}
min_free = "1M"
[resolver]
servers = ["127.0.0.1:9"]
timeout = "50ms"
deadline = "100ms"
[mta_sts]
enabled = false
[doctor]
at_start = false
{more}
"""


@dataclass(slots=True)
class Running:
    """A started gateway with what a test looks at."""

    gateway: Gateway
    directory: Path
    log: Any

    @property
    def address(self) -> tuple[str, int]:
        """Of the first listener."""
        return self.gateway.listening[0]

    @property
    def bodies(self) -> list[str]:
        """The files of large bodies in the spool."""
        return sorted(path.name for path in self.directory.glob("spool/*/bodies/*"))

    async def client(self, **options: Any) -> Client:
        """A client that was greeted and said EHLO."""
        client = await Client.connect(self.address, **options)
        await client.greeted()
        return client

    async def send(self, *recipients: str, body: bytes = b"Subject: hello\r\n\r\nhi\r\n", **options: Any) -> str:
        """One message; gives its queue id."""
        async with await self.client() as client:
            return await client.message(body, *recipients, **options)

    def look(self, message: str) -> dict[str, Any]:
        """A message as `queue show` has it."""
        return dict(shown(self.gateway.parts.spool.reader, id_from_text(message), self.gateway.clock()))

    async def reaches(self, message: str, state: str) -> dict[str, Any]:
        """Wait until a message has this state."""
        await until(lambda: self.look(message)["state"] == state, f"{message} {state}")
        return self.look(message)

    async def tried(self, message: str, tries: int = 1) -> dict[str, Any]:
        """Wait until a message was tried so often."""
        await until(lambda: len(self.look(message)["attempts"]) >= tries, f"try {tries} of {message}")
        return self.look(message)

    def lines(self, event: str) -> list[str]:
        """Log lines of one event."""
        self.log_flushed()
        return [line for line in self.log.lines if f" {event} " in f"{line} "]

    def log_flushed(self) -> None:
        """Write what the log gathered."""
        self.gateway.log.flush()


def configured(directory: Path, more: str = "", *, listen: str = "", replace: dict[str, str] | None = None) -> Path:
    """Write the configuration; `more` are further sections, `replace` exchanges words of the usual ones."""
    directory.mkdir(parents=True, exist_ok=True)
    text = CONFIG.format(spool=json.dumps(str(directory / "spool")), more=more, listen=listen)
    for old, new in (replace or {}).items():
        assert old in text
        text = text.replace(old, new)
    path = directory / "danelaw.toml"
    path.write_text(text)
    return path


@contextlib.asynccontextmanager
async def gateway(
    directory: Path, more: str = "", clock: Callable[[], float] = time.time, **options: Any
) -> AsyncIterator[Running]:
    """A gateway on this configuration."""
    log, sink = Log.in_memory()
    running = Gateway(load(configured(directory, more, **options)), log=log, clock=clock)
    await running.start()
    try:
        yield Running(running, directory, sink)
    finally:
        if running._parts is not None:
            await running.stop()


def certificate(directory: Path, *names: str, authorities: Authorities | None = None) -> Credential:
    """Write `NAME.pem` and `NAME.key` of a new certificate."""
    directory.mkdir(parents=True, exist_ok=True)
    issued = (authorities or Authorities(time.time())).public.issue(names)
    (directory / f"{names[0]}.pem").write_bytes(issued.chain_pem)
    (directory / f"{names[0]}.key").write_bytes(issued.key_pem)
    return issued


def certificate_section(directory: Path, name: str = "gw.test") -> str:
    """`[[certificate]]` for it."""
    return f'[[certificate]]\nchain = "{directory}/{name}.pem"\nkey = "{directory}/{name}.key"\n'
