"""A mailbox server of this machine, by LMTP (RFC 2033)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from danelaw.carriers.lmtp_talk import BODY, Heard, Talk, conversation, ends_of
from danelaw.carriers.parcel import CarrierDown, Given, Parcel, Result
from danelaw.errors import DanelawError
from danelaw.smtp import USUAL_CLIENT_LIMITS, BareNewline, Reply
from danelaw.smtp.body_writer import BodyWriter
from danelaw.smtp.reply_reader import ReplyReader


class LMTP:
    """`path` is that of a Unix socket; without one, `host` and `port` name a socket of this machine. One message may
    take `seconds`. A connection serves one message: on this machine a new one costs little.
    """

    def __init__(
        self, name: str, hostname: str, *, path: str = "", host: str = "", port: int = 24, seconds: float = 60.0,
        at_once: int = 20,
    ) -> None:  # fmt: skip
        self.name = name
        self._hostname = hostname
        self._path = path
        self._host = host
        self._port = port
        self._seconds = seconds
        self._places = asyncio.Semaphore(at_once)

    async def carry(self, parcel: Parcel) -> Mapping[int, Given]:
        """Hand it over in one transaction. Raises `CarrierDown`."""
        heard, lost = Heard({}), ""
        talk = conversation(self._hostname, parcel.reverse_path, parcel.addressees, parcel.size, heard)
        try:
            async with self._places, asyncio.timeout(self._seconds):
                await self._converse(parcel, talk)
        except TimeoutError:
            lost = f"no answer within {self._seconds:g} s"
        except BareNewline as error:
            ends = dict.fromkeys([one.number for one in parcel.addressees], _unsendable(error))
            return ends
        except CarrierDown:
            raise
        except (DanelawError, OSError) as error:
            lost = error.reason if isinstance(error, DanelawError) else str(error.strerror or error)
        return ends_of(parcel.addressees, heard, lost)

    async def close(self) -> None:
        """Connections end with their messages."""

    async def _converse(self, parcel: Parcel, talk: Talk) -> None:
        try:
            if self._path:
                reader, writer = await asyncio.open_unix_connection(self._path)
            else:
                reader, writer = await asyncio.open_connection(self._host, self._port)
        except OSError as error:
            raise CarrierDown(f"no connection to {self._path or self._host}: {error.strerror or error}") from None
        replies = ReplyReader(USUAL_CLIENT_LIMITS)
        try:
            octets = next(talk)
            while True:
                await _send(writer, octets, parcel)
                octets = talk.send(await _reply(reader, replies))
                if octets == b"QUIT\r\n":
                    writer.write(octets)
                    return
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _send(writer: asyncio.StreamWriter, octets: bytes, parcel: Parcel) -> None:
    if octets is not BODY:
        writer.write(octets)
        return
    body = BodyWriter(stuff=True)
    for chunk in parcel.chunks():
        writer.write(body.push(chunk))
        await writer.drain()
    writer.write(body.finish())
    await writer.drain()


async def _reply(reader: asyncio.StreamReader, replies: ReplyReader) -> Reply:
    """The next reply, within the limits of SMTP. Raises `DanelawError`."""
    while (reply := replies.next_reply()) is None:
        octets = await reader.read(65_536)
        if not octets:
            raise DanelawError("the server closed the connection")
        replies.feed(octets)
    return reply


def _unsendable(error: BareNewline) -> Given:
    return Given(Result.REFUSED, "5.6.0", "", error.reason)
