"""Milters as filters: a whole message at once, or step by step beside the SMTP session of a client."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from danelaw.filters.engine import Engine
from danelaw.filters.filter import Filter, Servers
from danelaw.filters.milter_talk import Party, Refused, Talk, described, result_of
from danelaw.filters.result import FilterError, FilterResult, Verdict
from danelaw.filters.specimen import Specimen
from danelaw.filters.stream import ServerAddress
from danelaw.milter import Answer, Disposition

_MOST_NOTES = 50


class Milter(Engine):
    """Any program that speaks the milter protocol. `step_seconds` is the longest wait for one answer."""

    kind = "milter"

    def __init__(self, *, step_seconds: float, largest: int) -> None:
        self._step_seconds = step_seconds
        self._largest = largest

    async def open(self, server: ServerAddress) -> Talk:
        """An agreed connection."""
        return await Talk.open(server, self._step_seconds, self._largest)

    async def examine(self, server: ServerAddress, specimen: Specimen) -> FilterResult:
        """The whole session at once, for a message whose client has been answered already."""
        talk = await self.open(server)
        try:
            return await whole_session(talk, specimen)
        finally:
            talk.close()

    async def ping(self, server: ServerAddress) -> str:
        """What it agrees to."""
        talk = await self.open(server)
        agreed = talk.connection.agreed
        assert agreed is not None
        talk.close()
        return described(agreed)


async def whole_session(talk: Talk, specimen: Specimen) -> FilterResult:
    """From connect to the end of the message. A recipient that is refused here was accepted from the client before, so
    unless the filter refuses all of them the client is asked to come again.
    """
    for answer in (await talk.greet(Party.of(specimen)), await talk.helo(specimen.helo, specimen.tls)):
        if _ends(answer):
            return result_of(answer)
    answer = await talk.mail(specimen.sender, specimen.mail_arguments, specimen.user)
    if _ends(answer):
        return result_of(answer)
    refused: list[Answer] = []
    for number, recipient in enumerate(specimen.recipients):
        answer = await talk.rcpt(recipient, specimen.rcpt_arguments[number] if specimen.rcpt_arguments else ())
        if answer is not None and answer.refuses:
            refused.append(answer)
        elif _ends(answer):
            return result_of(answer)
    if refused:
        if len(refused) == len(specimen.recipients):
            return result_of(refused[0])
        return FilterResult("", Verdict.DEFER, "the filter refuses a recipient that was accepted before")
    return await _ending(talk, specimen)


async def _ending(talk: Talk, specimen: Specimen) -> FilterResult:
    answer = await talk.content(specimen)
    return result_of(answer, tuple(talk.edits), leading_space=talk.connection.leading_space)


def _ends(answer: Answer | None) -> bool:
    """Whether nothing more needs to be told."""
    return answer is not None and answer.disposition not in (Disposition.CONTINUE, Disposition.SKIP)


class MilterFilter(Filter):
    """A milter that may be asked step by step: `begin` a session for a client."""

    def __init__(
        self, name: str, engine: Milter, servers: Servers, *, seconds: float, largest: int, at_once: int = 20
    ) -> None:
        super().__init__(name, engine, servers, seconds=seconds, largest=largest, at_once=at_once)
        self.milter = engine
        self.seconds = seconds
        self.largest = largest

    def begin(self, party: Party) -> MilterSession:
        """A session for a client that has connected; nothing is sent yet."""
        return MilterSession(self, party)


class MilterSession:
    """One client before one milter. Every method gives a result, `Verdict.FAILED` where the milter fails; then the
    connection is dropped and made anew at the next step, with what the filter must know told again.
    """

    def __init__(self, filter: MilterFilter, party: Party) -> None:
        self._filter = filter
        self._party = party
        self._talk: Talk | None = None
        self._server: ServerAddress | None = None
        self._helo: tuple[str, tuple[str, str] | None] | None = None
        self._sender: str | None = None
        self._unknown: list[str] = []
        self._refused: list[Refused] = []

    async def connect(self) -> FilterResult:
        """The client has connected."""
        return await self._step(self._opened)

    async def mail(
        self,
        helo: str,
        tls: tuple[str, str] | None,
        sender: str,
        arguments: tuple[str, ...] = (),
        user: str = "",
    ) -> FilterResult:
        """MAIL, and HELO before it where that is news. An earlier message that did not end is over."""

        async def tell() -> Answer | None:
            answer = await self._opened()
            if not _ends(answer) and self._helo != (helo, tls):
                answer = await self._open_talk.helo(helo, tls)
                self._helo = (helo, tls)
            if not _ends(answer):
                self._refused.clear()  # of a message that did not end
                await self._tell_notes()
                answer = await self._open_talk.mail(sender, arguments, user)
            self._sender = sender
            return answer

        self._sender = None
        return await self._step(tell)

    async def rcpt(self, recipient: str, arguments: tuple[str, ...] = ()) -> FilterResult:
        """RCPT. Nothing when MAIL could not be told: the message is then told as a whole at its end."""
        if self._talk is None or self._sender is None:
            return FilterResult(self._filter.name, Verdict.CLEAN)

        async def tell() -> Answer | None:
            await self._tell_notes()
            return await self._open_talk.rcpt(recipient, arguments)

        return await self._step(tell)

    def note_unknown(self, line: str) -> None:
        """A command nobody knows was refused: the milter is told before the next step, if it wants to hear of such."""
        if len(self._unknown) < _MOST_NOTES:
            self._unknown.append(line)

    def note_refused(self, recipient: Refused) -> None:
        """The same with a recipient that was refused."""
        if self._sender is not None and len(self._refused) < _MOST_NOTES:
            self._refused.append(recipient)

    async def _tell_notes(self) -> None:
        unknown, self._unknown = self._unknown, []
        refused, self._refused = self._refused, []
        for line in unknown:
            await self._open_talk.unknown(line)
        for recipient in refused:
            await self._open_talk.refused_rcpt(recipient)

    async def message(self, specimen: Specimen) -> FilterResult:
        """The message has come. A conversation that broke is held again as a whole, once, with any server."""
        filter = self._filter
        if specimen.content.size > filter.largest:
            self._give_up_message()
            return FilterResult(filter.name, Verdict.TOO_LARGE, f"larger than {filter.largest} octets, not shown to it")
        if self._talk is not None and self._sender is not None:
            loop = asyncio.get_running_loop()
            begun, server = loop.time(), str(self._server)
            try:
                async with asyncio.timeout(filter.seconds):
                    await self._tell_notes()
                    ruling = self._talk.connection.ruling
                    result = result_of(ruling) if ruling else await _ending(self._talk, specimen)
            except (TimeoutError, FilterError) as error:
                self._drop(error.reason if isinstance(error, FilterError) else f"nothing within {filter.seconds:g} s")
                if isinstance(error, TimeoutError):
                    return self._failed(f"{server}: no answer within {filter.seconds:g} s", loop.time() - begun)
            else:
                assert self._server is not None
                filter.servers.succeeded(self._server)
                self._give_up_message()
                return replace(result, filter=filter.name, server=server, seconds=loop.time() - begun)
        self._sender = None
        return await filter.examine(specimen)

    def close(self) -> None:
        """The client has gone."""
        if self._talk is not None:
            if self._server is not None:
                self._filter.servers.given_up(self._server)
            self._talk.close()
        self._talk = self._server = self._helo = self._sender = None
        self._unknown, self._refused = [], []

    async def _step(self, tell: Callable[[], Awaitable[Answer | None]]) -> FilterResult:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._filter.seconds):
                answer = await tell()
        except FilterError as error:
            reason = error.reason
        except TimeoutError:
            reason = f"no answer within {self._filter.seconds:g} s"
        except BaseException:
            self.close()
            raise
        else:
            result = result_of(answer)
            return replace(result, filter=self._filter.name, server=str(self._server), seconds=loop.time() - begun)
        self._drop(reason)
        return self._failed(reason, loop.time() - begun)

    async def _opened(self) -> Answer | None:
        """Connect and tell of the client, unless that was done."""
        if self._talk is not None and self._talk.stream.usable:
            return self._talk.connection.ruling
        self.close()
        filter = self._filter
        self._server, self._talk = await filter.servers.first(filter.milter.open, filter.seconds, settles=False)
        return await self._open_talk.greet(self._party)

    @property
    def _open_talk(self) -> Talk:
        assert self._talk is not None
        return self._talk

    def _give_up_message(self) -> None:
        """Between messages nothing is under way."""
        self._sender = None
        if self._talk is not None and self._talk.connection.due is None:
            self._talk.connection.abort()

    def _drop(self, reason: str) -> None:
        if self._talk is not None and self._server is not None:
            self._filter.servers.failed(self._server, reason)
            self._talk.stream.close()
        self._talk = self._server = self._helo = self._sender = None

    def _failed(self, reason: str, seconds: float) -> FilterResult:
        return FilterResult(self._filter.name, Verdict.FAILED, reason, seconds=seconds)
