"""A mail host of the lab: a small SMTP server of its own (RFC 5321), apart from `danelaw.smtp` so that the two check
each other, with every misbehaviour a scenario can ask for.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass, field

from danelaw.lab.channel import Channel, Closed
from danelaw.lab.received import Journal, ReceivedMessage, SessionSeen
from danelaw.lab.scenario import Behaviour, StartTLS

_MAX_MESSAGE = 64 << 20
_PATH = re.compile(r"(?:FROM|TO):\s*<([^>]*)>(.*)", re.IGNORECASE | re.DOTALL)


@dataclass(slots=True)
class _Session:
    """State of one connection."""

    channel: Channel
    seen: SessionSeen
    client: str = ""
    extended: bool = False
    mail_from: str | None = None
    mail_parameters: tuple[str, ...] = ()
    recipients: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    chunks: bytearray = field(default_factory=bytearray)

    def forget(self) -> None:
        """Back to before MAIL (RFC 5321 §4.1.1.5)."""
        self.mail_from, self.mail_parameters = None, ()
        self.recipients, self.chunks = [], bytearray()


class MailHost:
    """Serves one host name. `context` is what STARTTLS uses; None when the host has no certificate."""

    def __init__(
        self, name: str, behaviour: Behaviour, context: ssl.SSLContext | None, journal: Journal, *, spied: bool = False
    ) -> None:
        self.name = name
        self._behaviour = behaviour
        self._replies = {stage.upper(): reply for stage, reply in behaviour.replies}
        self._recipients = {local.lower(): reply for local, reply in behaviour.recipients}
        self._context = context
        self._journal = journal
        self._spied = spied

    async def converse(self, channel: Channel) -> None:
        """Hold one SMTP session until QUIT or the end of the connection."""
        self._journal.sessions += 1
        # Behind an attacker it is the attacker whom the client talks to, and who notes it.
        seen = SessionSeen(self.name) if self._spied else self._journal.begun(self.name)
        if self._behaviour.greeting_delay:
            await asyncio.sleep(self._behaviour.greeting_delay)
        if self._drops("CONNECT"):
            return
        session = _Session(channel, seen)
        greeting = self._replies.get("GREETING", f"220 {self.name} ESMTP lab")
        await self._reply(session, greeting)
        if greeting.startswith("421"):
            return
        while True:
            line = (await channel.line()).decode("utf-8", "replace")
            verb, _, argument = line.partition(" ")
            if not await self._command(session, verb.upper(), argument.strip(), line):
                return

    def _drops(self, stage: str) -> bool:
        return self._behaviour.drop_at == stage

    async def _reply(self, session: _Session, text: str) -> None:
        await session.channel.send(text.encode("utf-8") + b"\r\n")

    async def _command(self, session: _Session, verb: str, argument: str, line: str) -> bool:
        """Do one command; False ends the connection."""
        if self._drops(verb):
            return False
        if verb in ("EHLO", "HELO"):
            await self._hello(session, verb, argument)
        elif verb == "STARTTLS":
            return await self._starttls(session)
        elif verb == "MAIL":
            await self._mail(session, argument, line)
        elif verb == "RCPT":
            await self._rcpt(session, argument, line)
        elif verb == "DATA":
            return await self._data(session)
        elif verb == "BDAT":
            return await self._bdat(session, argument)
        elif verb == "RSET":
            session.forget()
            await self._reply(session, "250 2.0.0 forgotten")
        elif verb == "NOOP":
            await self._reply(session, "250 2.0.0 here")
        elif verb == "QUIT":
            await self._reply(session, "221 2.0.0 bye")
            return False
        else:
            await self._reply(session, "502 5.5.1 not known here")
        return True

    async def _hello(self, session: _Session, verb: str, argument: str) -> None:
        session.forget()
        if verb in self._replies or (verb == "EHLO" and not self._behaviour.ehlo):
            await self._reply(session, self._replies.get(verb, "502 5.5.1 not known here"))
            return
        session.client, session.extended, session.seen.hello = argument, verb == "EHLO", True
        lines = [f"{self.name} greets {argument}", *(self._offers(session) if session.extended else ())]
        shown = [f"250-{text}" for text in lines[:-1]] + [f"250 {lines[-1]}"]
        await self._reply(session, "\r\n".join(shown))

    def _offers(self, session: _Session) -> list[str]:
        offers = list(self._behaviour.offers)
        secure = session.channel.facts is not None
        if not secure and self._behaviour.starttls is not StartTLS.ABSENT and self._context is not None:
            offers.append("STARTTLS")
        # RFC 8689 §2: advertised only inside TLS.
        if secure and self._behaviour.requiretls:
            offers.append("REQUIRETLS")
        return offers

    async def _starttls(self, session: _Session) -> bool:
        kind, session.seen.asked = self._behaviour.starttls, True
        if self._context is None or kind is StartTLS.ABSENT or session.channel.facts is not None:
            await self._reply(session, "502 5.5.1 not offered")
            return True
        if kind is StartTLS.REFUSED:
            await self._reply(session, "454 4.7.0 TLS not available due to temporary reason")
            return True
        if kind is StartTLS.REJECTED:
            await self._reply(session, "554 5.7.3 no TLS here")
            return True
        if kind is StartTLS.INJECTED:
            # What an attacker does who hopes that these lines are read after the handshake.
            await session.channel.send(b"220 2.0.0 go\r\n250-injected\r\n250 REQUIRETLS\r\n")
        else:
            await self._reply(session, "220 2.0.0 go")
        if kind is StartTLS.CLOSED:
            return False
        if kind is StartTLS.GARBAGE:
            await session.channel.receive()
            await session.channel.send(b"500 this is no ServerHello\r\n")
            return False
        await session.channel.start_tls(self._context)
        session.seen.secured = True
        session.forget()
        session.client, session.extended = "", False
        return True

    async def _mail(self, session: _Session, argument: str, line: str) -> None:
        self._journal.envelopes.append((self.name, "server", line))
        session.seen.mail = True
        match = _PATH.fullmatch(argument)
        if match is None:
            await self._reply(session, "501 5.5.4 MAIL FROM:<address> wanted")
        elif not session.client or session.mail_from is not None:
            await self._reply(session, "503 5.5.1 not now")
        elif "MAIL" in self._replies:
            await self._reply(session, self._replies["MAIL"])
        elif (unknown := self._not_offered(session, match[2].split())) is not None:
            await self._reply(session, f"555 5.5.4 {unknown} is not offered")
        else:
            session.mail_from, session.mail_parameters = match[1], tuple(match[2].split())
            await self._reply(session, "250 2.1.0 sender noted")

    def _not_offered(self, session: _Session, parameters: list[str]) -> str | None:
        """The first parameter that no announced extension allows (RFC 5321 §4.1.1.11)."""
        offered = {text.split()[0].upper() for text in self._offers(session)} if session.extended else set()
        needs = {"SIZE": "SIZE", "BODY": "8BITMIME", "SMTPUTF8": "SMTPUTF8", "RET": "DSN", "ENVID": "DSN"}
        needs |= {"REQUIRETLS": "REQUIRETLS"}
        for parameter in parameters:
            keyword = parameter.partition("=")[0].upper()
            if needs.get(keyword) not in offered:
                return keyword
        return None

    async def _rcpt(self, session: _Session, argument: str, line: str) -> None:
        self._journal.envelopes.append((self.name, "server", line))
        match = _PATH.fullmatch(argument)
        if match is None:
            await self._reply(session, "501 5.5.4 RCPT TO:<address> wanted")
        elif session.mail_from is None:
            await self._reply(session, "503 5.5.1 MAIL first")
        elif (refusal := self._refusal(match[1])) is not None:
            await self._reply(session, refusal)
        else:
            session.recipients.append((match[1], tuple(match[2].split())))
            await self._reply(session, "250 2.1.5 recipient noted")

    def _refusal(self, address: str) -> str | None:
        return self._recipients.get(address.partition("@")[0].lower(), self._replies.get("RCPT"))

    async def _data(self, session: _Session) -> bool:
        if not session.recipients:
            await self._reply(session, "503 5.5.1 no valid recipients")
            return True
        if "DATA" in self._replies:
            await self._reply(session, self._replies["DATA"])
            return True
        await self._reply(session, "354 end with a dot")
        # A CRLF put in front makes the first line like all others for finding dots.
        session.channel.push_back(b"\r\n")
        raw = await session.channel.until(b"\r\n.\r\n", _MAX_MESSAGE)
        return await self._end(session, raw[:-3].replace(b"\r\n.", b"\r\n")[2:])

    async def _bdat(self, session: _Session, argument: str) -> bool:
        words = argument.upper().split()
        if not words or not words[0].isdigit() or words[1:] not in ([], ["LAST"]) or int(words[0]) > _MAX_MESSAGE:
            raise Closed("BDAT without a size: what follows cannot be told from commands")
        chunk = await session.channel.exactly(int(words[0]))
        if not session.recipients:
            await self._reply(session, "503 5.5.1 no valid recipients")
            return True
        session.chunks += chunk
        if len(words) == 1:
            await self._reply(session, "250 2.0.0 chunk noted")
            return True
        return await self._end(session, bytes(session.chunks))

    async def _end(self, session: _Session, data: bytes) -> bool:
        """Take the message, or do at its end what the scenario says."""
        if self._drops("DOT"):
            return False
        refusal = self._replies.get("DOT")
        if refusal is None:
            self._journal.messages.append(
                ReceivedMessage(
                    self.name, session.client, session.mail_from or "", session.mail_parameters,
                    tuple(session.recipients), data, session.channel.facts, self._spied,
                )
            )  # fmt: skip
        session.forget()
        await self._reply(session, refusal or "250 2.0.0 taken")
        return True
