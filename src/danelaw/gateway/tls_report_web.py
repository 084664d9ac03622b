"""The server to which others post TLS reports (RFC 8460 §5.4).

Nobody proves who posts: such reports are kept apart from signed ones and give way to them, and rates, sizes and the
octets of all posts under way are limited. A post is answered when its report is stored.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from http import HTTPStatus
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING

from danelaw.config.tls_reporting import reported_on
from danelaw.dmarcreport.allowance import Allowance
from danelaw.errors import DanelawError
from danelaw.net.certificates import ServerCertificates
from danelaw.net.tls import HandshakeFailed, start_tls
from danelaw.state import ReportsDatabase, TLSReportArchive, TLSReportIntake
from danelaw.state.reports_database import FILE_NAME
from danelaw.state.tls_report_intake import read_tls_reports
from danelaw.telemetry import ShortAnswerServer
from danelaw.telemetry.http import response
from danelaw.tlsreport import Posting, PostingError
from danelaw.tlsreport.posting import MOST_HEAD, chunk_size, too_large

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.state.tls_report_intake import TakenTLSReport
    from danelaw.telemetry import Log, Metrics
    from danelaw.tlsreport import Attached

MOST_HELD = 64 << 20
"""Octets of all posts that are on their way at once."""
_CLIENTS = 64
_SECONDS = 30.0
_WATCH_SECONDS = 5.0
_PIECE = 64 << 10
_MOST_DROPPED = 1 << 20
_DROP_SECONDS = 2.0
_LONGEST_REASON = 300
_ANSWERS = {
    "received": HTTPStatus.CREATED,
    "duplicate": HTTPStatus.OK,
    "refused": HTTPStatus.FORBIDDEN,
    "unreadable": HTTPStatus.BAD_REQUEST,
}


class TLSReportWeb(ShortAnswerServer):
    """Serves one socket, `[reports.https] listen` unless it is given one. `clock` gives POSIX seconds."""

    def __init__(
        self,
        config: Config,
        certificates: ServerCertificates | None,
        log: Log,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        """`certificates` are None behind a TLS front."""
        super().__init__(clients=_CLIENTS, seconds=_SECONDS, head=MOST_HEAD)
        section = config.reports
        self._section = section.https
        self._path = config.spool.directory / FILE_NAME
        self._ours = reported_on(config)
        self._keep_seconds = section.keep.total_seconds()
        self._most = section.max_records
        self._certificates = certificates
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._held = 0
        self.address: tuple[str, int] | None = None
        self._one_at_a_time = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        each = self._section.rate if certificates is not None else self._section.rate_total
        self._allowance = Allowance(each, self._section.rate_total)

    async def listen(self, listening: socket.socket | None = None) -> None:
        """Listen where `[reports.https]` says, or on a socket that listens already, and keep looking for new
        certificates. Raises `DanelawError`.
        """
        assert self._section.listen is not None
        if listening is not None:
            await self.start_on(listening)
        else:
            try:
                self.address = await self.start(*self._section.listen.pair)
            except OSError as error:
                raise DanelawError(
                    f"cannot listen on {self._section.listen} for [reports.https]: {error.strerror or error}",
                    advice="choose another port; ports below 1024 need root or CAP_NET_BIND_SERVICE",
                ) from None
        if self._certificates is not None:
            self._watching = asyncio.get_running_loop().create_task(self._watch(self._certificates))

    async def close(self) -> None:
        """Stop listening and end open connections."""
        if self._watching is not None:
            self._watching.cancel()
        await super().close()

    async def opened(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """TLS begins with the first octets of the client, which have been read by then."""
        if self._certificates is None:
            return reader, writer
        first = await reader.read(_PIECE)
        if not first:
            raise ConnectionResetError
        loop = asyncio.get_running_loop()
        inner = asyncio.StreamReader(limit=MOST_HEAD, loop=loop)
        protocol = asyncio.StreamReaderProtocol(inner, loop=loop)
        try:
            secured = await start_tls(
                writer.transport,  # type: ignore[arg-type]
                protocol,
                self._certificates.context,
                server_side=True,
                timeout=_SECONDS,
                first=first,
            )
        except HandshakeFailed as error:
            raise ConnectionResetError(error.reason) from None
        protocol.connection_made(secured)
        return inner, asyncio.StreamWriter(secured, protocol, inner, loop)

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """One post, one answer."""
        client = _address(writer)
        try:
            return await self._take(reader, writer, client)
        except PostingError as error:
            if error.status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_ENTITY_TOO_LARGE):
                self._metrics.tls_reports_received.add("https", "limited")
            answer = _answer(error.status, error.reason)
        except DanelawError as error:
            self._log.error("tls-report", client=client, reason=error.reason, advice=error.advice)
            answer = _answer(HTTPStatus.SERVICE_UNAVAILABLE, "it cannot be stored now")
        writer.write(answer)
        await writer.drain()
        await _drop(reader)  # a connection that closes with octets unread takes the answer with it
        return b""

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, client: str) -> bytes:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise PostingError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large") from None
        posting = Posting.from_head(head, most=self._section.max_size)
        if posting.path != self._section.path:
            raise PostingError(HTTPStatus.NOT_FOUND, "there is nothing here")
        if not self._allowance.take(_network(client), self._clock()):
            raise PostingError(HTTPStatus.TOO_MANY_REQUESTS, "too many reports this hour; come again later")
        if posting.awaits_continue:
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = bytearray()
        try:
            await self._read(reader, posting, body)
            # A large report takes memory while it is read: never several at once.
            async with self._one_at_a_time:
                return await self._keep(bytes(body), client)
        finally:
            self._held -= len(body)

    async def _read(self, reader: asyncio.StreamReader, posting: Posting, body: bytearray) -> None:
        if posting.length is not None:
            await self._read_octets(reader, posting.length, body)
            return
        while size := chunk_size(await _line(reader)):
            if len(body) + size > self._section.max_size:
                raise too_large(self._section.max_size)
            await self._read_octets(reader, size, body)
            await reader.readexactly(2)
        for _ in range(64):  # trailers (RFC 9112 §7.1.2)
            if (await _line(reader)).strip() == b"":
                return
        raise PostingError(HTTPStatus.BAD_REQUEST, "the body has too many trailers")

    async def _read_octets(self, reader: asyncio.StreamReader, count: int, body: bytearray) -> None:
        while count:
            if self._held > MOST_HELD:
                raise PostingError(HTTPStatus.SERVICE_UNAVAILABLE, "too many reports come at once; come again later")
            piece = await reader.read(min(count, _PIECE))
            if not piece:
                raise asyncio.IncompleteReadError(b"", count)
            body += piece
            self._held += len(piece)
            count -= len(piece)

    async def _keep(self, octets: bytes, client: str) -> bytes:
        found = await asyncio.to_thread(read_tls_reports, octets)
        if len(found) != 1:
            self._metrics.tls_reports_received.add("https", "unreadable")
            return _answer(HTTPStatus.BAD_REQUEST, "the body is no TLS report")
        taken = await asyncio.to_thread(self._keep_one, found, client)
        result, words = taken.result, taken.words[:_LONGEST_REASON]
        self._metrics.tls_reports_received.add("https", result)
        self._log.event("tls-report", client=client, result=result, reason=words)
        # Who posts learns no more than it needs: what it sent was taken, or what was wrong with it.
        plain = {"received": "taken", "duplicate": "taken before"}
        return _answer(_ANSWERS[result], plain.get(result, words))

    def _keep_one(self, found: tuple[Attached, ...], client: str) -> TakenTLSReport:
        database = ReportsDatabase(self._path)
        now = self._clock()
        try:
            archive = TLSReportArchive(database, most=self._most)
            archive.forget(now - self._keep_seconds)
            (taken,) = TLSReportIntake(archive, self._ours).keep(found, now, via="https", client=client)
            return taken
        finally:
            database.close()

    async def _watch(self, certificates: ServerCertificates) -> None:
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                certificates.reload_if_changed()
            except DanelawError as error:
                self._log.error("certificate", reason=error.reason, advice=error.advice)


def tls_report_web(config: Config, log: Log, metrics: Metrics, clock: Callable[[], float]) -> TLSReportWeb | None:
    """The server that `[reports.https]` asks for, None without. Raises `DanelawError` for certificates."""
    section = config.reports.https
    if section.listen is None:
        return None
    certificates = ServerCertificates(config.certificate) if section.tls == "own" else None
    return TLSReportWeb(config, certificates, log, metrics, clock)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise PostingError(HTTPStatus.BAD_REQUEST, "a chunk of the body cannot be read") from None


async def _drop(reader: asyncio.StreamReader) -> None:
    dropped = 0
    try:
        async with asyncio.timeout(_DROP_SECONDS):
            while dropped < _MOST_DROPPED and (piece := await reader.read(_PIECE)):
                dropped += len(piece)
    except TimeoutError:
        pass


def _answer(status: HTTPStatus, words: str) -> bytes:
    extra = {
        HTTPStatus.METHOD_NOT_ALLOWED: "Allow: POST\r\n",
        HTTPStatus.TOO_MANY_REQUESTS: "Retry-After: 3600\r\n",
        HTTPStatus.SERVICE_UNAVAILABLE: "Retry-After: 600\r\n",
    }.get(status, "")
    return response(status, words + "\n", extra=extra)


def _address(writer: asyncio.StreamWriter) -> str:
    peer = writer.get_extra_info("peername")
    return str(peer[0]).partition("%")[0] if peer else ""


def _network(client: str) -> str:
    """Whom a rate counts together: an address, of IPv6 the /64 that one site has."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or IPv6Network((int(address) >> 64 << 64, 64)))
    return str(address)
