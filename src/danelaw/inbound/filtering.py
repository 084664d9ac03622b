"""The step that asks filter engines: scanners about whole messages, at once; milters along the session, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias

from danelaw.clientname import ClientName, ReverseResult
from danelaw.filters import (
    Action,
    Filter,
    FilterResult,
    Judgement,
    MilterFilter,
    MilterSession,
    Party,
    Refused,
    Specimen,
    Verdict,
    combined,
)
from danelaw.filters.editing import without_named
from danelaw.filters.judgement import action_of
from danelaw.inbound.arrival import Discard, Finding, Hold, Refuse
from danelaw.inbound.asking import STEP_SECONDS
from danelaw.inbound.filter_changes import carry_out, changes_of, result_fields
from danelaw.inbound.filters_of import FilterSet, Meter
from danelaw.inbound.steps import Stage, Step
from danelaw.message import Header
from danelaw.smtp import EnhancedStatusCode, Reply
from danelaw.smtp.arguments import mail_arguments, rcpt_arguments
from danelaw.smtp.status import StatusCodeError

if TYPE_CHECKING:
    from danelaw.address import ReversePath
    from danelaw.config import Filtering as FilteringSection
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.smtp import MailFrom, Recipient

_Key: TypeAlias = tuple[str, int, str]
_Sessions: TypeAlias = dict[MilterFilter, MilterSession]
NameOf: TypeAlias = "Callable[[Client], Awaitable[ClientName | None]]"

_SECONDS = STEP_SECONDS - 10.0
_RESOLVE = {
    ReverseResult.PASS: "OK",
    ReverseResult.FAIL: "FORGED",
    ReverseResult.PERMERROR: "FAIL",
    ReverseResult.TEMPERROR: "TEMP",
}
_FOUND = Reply.of(554, "5.7.1", "a filter of this gateway refuses the message")
_VIRUS = "a virus was found in the message"
_SPAM = Reply.of(554, "5.7.1", "the message was taken for spam")
_DEFER = Reply.of(451, "4.7.1", "a filter of this gateway asks you to try again later")
_FAILED = Reply.of(451, "4.7.1", "the message cannot be examined at the moment; try again later")
_FAILED_FOR_GOOD = Reply.of(554, "5.7.1", "the message cannot be examined, and is not taken unexamined")
_TOO_LARGE = Reply.of(552, "5.3.4", "the message is too large to be examined, and is not taken unexamined")


class Filtering(Step):
    """Asks every configured filter, carries out what they change, and rules by the operator's rules."""

    name = "filtering"

    def __init__(
        self,
        filters: FilterSet,
        settings: FilteringSection,
        *,
        hostname: str,
        meter: Meter | None = None,
        name_of: NameOf | None = None,
    ) -> None:
        """`name_of` gives the names of a client in DNS, None where nobody looks them up."""
        self._name_of = name_of or _nameless
        self._filters = filters
        self._settings = settings
        self._hostname = hostname
        self._meter = meter or Meter()
        self._scanners = {trusted: filters.scanners(trusted=trusted) for trusted in (False, True)}
        self._milters = {trusted: filters.milters(trusted=trusted) for trusted in (False, True)}
        self._sessions: dict[_Key, _Sessions] = {}
        self.stages = Stage.MESSAGE | Stage.RELEASE
        if any(self._milters.values()):
            self.stages |= Stage.CONNECT | Stage.MAIL | Stage.RECIPIENT
        self.for_trusted = bool(self._scanners[True] or self._milters[True])

    # along the session

    async def connect(self, client: Client) -> Reply | None:
        """Milters are told of the client. One that fails is tried again at MAIL."""
        self.left(client)
        if not self._milters[client.trusted]:
            return None
        return await self._each(client, lambda session: session.connect(), failures_count=False)

    async def transaction(self, client: Client, mail: MailFrom) -> Reply | None:
        """Milters are told of HELO and MAIL."""
        sender, arguments = _address(mail.reverse_path), mail_arguments(mail)
        return await self._each(
            client, lambda session: session.mail(client.helo, client.tls, sender, arguments, client.user)
        )

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """Milters are told of a recipient, and may refuse it alone. Those behind one that does are told of that."""
        address, arguments = recipient.forward_path.mailbox.to_text(), rcpt_arguments(recipient)
        return await self._each(
            client,
            lambda session: session.rcpt(address, arguments),
            unasked=lambda session, reply: session.note_refused(_refused(recipient, reply)),
        )

    def recipient_refused(self, client: Client, recipient: Recipient, reply: Reply) -> None:
        """Milters that want it are told of a recipient that others refused, before the next step."""
        for session in self._sessions.get(_key(client), {}).values():
            session.note_refused(_refused(recipient, reply))

    def command_refused(self, client: Client, line: str) -> None:
        """The same with a command that nobody knows."""
        for session in self._sessions.get(_key(client), {}).values():
            session.note_unknown(line)

    def left(self, client: Client) -> None:
        """The client has gone: milters are told so."""
        for session in self._sessions.pop(_key(client), {}).values():
            session.close()

    async def _each(
        self,
        client: Client,
        ask: Callable[[MilterSession], Awaitable[FilterResult]],
        *,
        failures_count: bool = True,
        unasked: Callable[[MilterSession, Reply], None] = lambda session, reply: None,
    ) -> Reply | None:
        sessions = iter((await self._sessions_of(client)).items())
        for filter, session in sessions:
            result = await ask(session)
            if result.verdict is Verdict.FAILED:
                self._meter.asked(filter, result)
                if not failures_count:
                    continue
            action = action_of(result, self._filters.rules[filter.name])
            # Anything but a plain no waits for the message, when there is something to hold or to mark.
            if action in (Action.REFUSE, Action.DEFER):
                reply = reply_to(result, action)
                for _, other in sessions:
                    unasked(other, reply)
                return reply
        return None

    async def _sessions_of(self, client: Client) -> _Sessions:
        milters = self._milters[client.trusted]
        if not milters:
            return {}
        key = _key(client)
        sessions = self._sessions.get(key)
        if sessions is None:
            party = self._party(client, await self._name_of(client))
            sessions = self._sessions[key] = {milter: milter.begin(party) for milter in milters}
        return sessions

    def _party(self, client: Client, found: ClientName | None) -> Party:
        names = found.names if found is not None else ()
        claimed = found.claimed if found is not None else ()
        return Party(
            self._hostname,
            client.address,
            client.port,
            names[0].ascii if names else None,
            client.listener,
            claimed[0].ascii if claimed else None,
            "" if found is None else _RESOLVE[found.result],
        )

    # the message

    async def message(self, arrival: Arrival) -> Ruling | None:
        """All filters' results become one ruling; changes are made unless the message goes nowhere."""
        return self.ruling(arrival, await self.judged(arrival))

    async def judged(self, arrival: Arrival) -> Judgement:
        """What all filters together say; their changes to the message are made, their findings recorded."""
        client = arrival.client
        end = asyncio.get_running_loop().time() + _SECONDS
        if not client.trusted:
            self._remove_foreign(arrival)
        results = await self._scanned(arrival)
        for one, result in zip(self._scanners[client.trusted], results, strict=True):
            self._take(arrival, one, result)
        judgement = self._combined(results)
        for filter, session in (await self._sessions_of(client)).items():
            if judgement.action >= Action.DISCARD:
                break
            result = await self._in_time(session, await self._specimen(arrival), filter, end)
            self._take(arrival, filter, result)
            results.append(result)
            judgement = self._combined(results)
        return judgement

    async def _in_time(
        self, session: MilterSession, specimen: Specimen, filter: MilterFilter, end: float
    ) -> FilterResult:
        """A milter's word; it has failed once the time of the whole step is over, so that its own rule decides."""
        if asyncio.get_running_loop().time() < end:
            try:
                async with asyncio.timeout_at(end):
                    return await session.message(specimen)
            except TimeoutError:
                session.close()
        return FilterResult(filter.name, Verdict.FAILED, f"all filters together had {_SECONDS:g} s")

    async def release(self, arrival: Arrival) -> Ruling | None:
        """Scanners look again at what was held before they were done with it; their changes are not made any more."""
        judgement = self._combined(await self._scanned(arrival))
        return Hold(judgement.reason, self.name) if judgement.action >= Action.HOLD else None

    async def _scanned(self, arrival: Arrival) -> list[FilterResult]:
        specimen = await self._specimen(arrival)
        return list(await asyncio.gather(*(one.examine(specimen) for one in self._scanners[arrival.client.trusted])))

    def _combined(self, results: list[FilterResult]) -> Judgement:
        return combined(results, self._filters.rules, self._filters.thresholds)

    def _remove_foreign(self, arrival: Arrival) -> None:
        header, removed = without_named(arrival.content.header, self._settings.remove)
        if removed:
            arrival.content = arrival.content.with_header(header)
            arrival.findings.append(Finding(self.name, "removed", f"fields of strangers: {', '.join(removed[:10])}"))

    def _take(self, arrival: Arrival, filter: Filter, result: FilterResult) -> None:
        self._meter.asked(filter, result)
        edits = result.edits if self._filters.sections[filter.name].edits else ()
        words = [result.reason, *(["rules " + ", ".join(result.names[:20])] if len(result.names) > 1 else ())]
        if edits:
            words.append(changes_of(edits))
        if result.server:
            words.append(f"{result.server}, {result.seconds:.3f} s")
        arrival.findings.append(Finding(filter.name, result.verdict.value, "; ".join(word for word in words if word)))
        if edits:
            carry_out(arrival, result)

    def ruling(self, arrival: Arrival, judgement: Judgement) -> Ruling | None:
        """What is done about it; a message that is kept gets the fields that tell of it."""
        action, because = judgement.action, judgement.because
        if action in (Action.REFUSE, Action.DEFER):
            return Refuse(_SPAM if because is None else reply_to(because, action), self.name)
        if action is Action.DISCARD:
            return Discard(judgement.reason, self.name)
        if self._settings.fields:
            fields = result_fields(judgement, self._filters.thresholds.tag)
            # A filter that brought its own field of that name has said it already.
            header = arrival.content.header
            parsed = Header.from_bytes(header, max_octets=len(header), max_fields=len(header) + 1)
            present = {field.key for field in parsed}
            arrival.added.extend(field for field in fields if field.partition(b":")[0].lower() not in present)
        return Hold(judgement.reason, self.name) if action is Action.HOLD else None

    async def _specimen(self, arrival: Arrival) -> Specimen:
        client = arrival.client
        found = await self._name_of(client)
        recipients = tuple(one.forward_path.mailbox.to_text() for one in arrival.recipients)
        return Specimen(
            arrival.id_text,
            self._hostname,
            client.address,
            client.port,
            client.helo,
            _address(arrival.reverse_path),
            recipients,
            arrival.content,
            client.tls,
            found.names[0].ascii if found is not None and found.names else None,
            client.user,
            mail_arguments=mail_arguments(arrival.envelope),
            rcpt_arguments=tuple(rcpt_arguments(one) for one in arrival.recipients),
        )


def _refused(recipient: Recipient, reply: Reply) -> Refused:
    address, status = recipient.forward_path.mailbox.to_text(), reply.enhanced
    return Refused(address, rcpt_arguments(recipient), "" if status is None else status.to_text(), reply.text)


def reply_to(result: FilterResult, action: Action) -> Reply:
    """What a client is told: the filter's own words where it has some and they fit the action."""
    if result.reply is not None and (result.reply[0] >= 500) == (action is Action.REFUSE):
        code, enhanced, lines = result.reply
        text = "\n".join(line for line in lines) or _FOUND.text
        return Reply(code, _status(code, enhanced), text)
    if result.verdict is Verdict.FAILED:
        return _FAILED_FOR_GOOD if action is Action.REFUSE else _FAILED
    if result.verdict is Verdict.TOO_LARGE:
        return _TOO_LARGE
    if action is Action.DEFER:
        return _DEFER
    if result.score is not None:
        return _SPAM
    if result.names:
        return Reply.of(554, "5.7.1", f"{_VIRUS}: {result.names[0]}")
    return _FOUND


def _status(code: int, enhanced: str | None) -> EnhancedStatusCode:
    try:
        status = EnhancedStatusCode.from_text(enhanced or "")
    except StatusCodeError:
        return EnhancedStatusCode(code // 100, 7, 1)
    return status.with_class(code // 100)


async def _nameless(client: Client) -> ClientName | None:
    return None


def _key(client: Client) -> _Key:
    return client.address, client.port, client.listener


def _address(path: ReversePath) -> str:
    return "" if path.mailbox is None else path.mailbox.to_text()
