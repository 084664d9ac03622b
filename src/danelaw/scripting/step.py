"""The step that asks an operator's policy about clients and their mail, behind all other steps but hold rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from danelaw.inbound.arrival import Finding
from danelaw.inbound.attempt import Admit, Attempt
from danelaw.inbound.steps import Stage, Step
from danelaw.policy import (
    Accept,
    Address,
    AuthContext,
    CommandContext,
    ConnectContext,
    Context,
    DisconnectContext,
    HeloContext,
    MailContext,
    MessageContext,
    Origin,
    RecipientContext,
    Redirect,
)
from danelaw.policy import Finding as FindingFact
from danelaw.rules.asking import NAME as RULES
from danelaw.scripting.changes import carry_out, mail_of, replace_recipients
from danelaw.scripting.delivery import kept_text
from danelaw.scripting.outcome import NAME, reply_of, ruling_of
from danelaw.scripting.running import Runner, Said
from danelaw.scripting.session import MailAsks, ScriptSession, ScriptTransaction, client_facts
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from danelaw.address import ReversePath
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.policy import Hook, Library
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.rulebook import Rulebook
    from danelaw.scripting.shadowing.shadow import Shadow, Trial
    from danelaw.scripting.versioning.versions import Versions
    from danelaw.smtp import MailFrom, Recipient

_AUTH_DEFERRED = Reply.of(454, "4.7.0", "Temporary authentication failure; try again later")
_INBOUND = frozenset({"connect", "helo", "auth", "mail_from", "rcpt_to", "end_of_data", "disconnect"})


class ScriptStep(Step):
    """Asks the hooks of whichever version of the policy a connection belongs to. When versions change, another step
    takes the place of this one for connections that begin then.
    """

    name = NAME
    for_trusted = True
    for_users = True
    prompt = True
    stays_with_client = True

    def __init__(
        self,
        versions: Versions,
        rulebook: Rulebook,
        runner: Runner,
        library: Library,
        clock: Callable[[], float],
        background: Callable[[LoadedPolicy, tuple[Hook, ...], Context], None],
        shadow: Shadow | None = None,
        known_name: Callable[[str], str | None] | None = None,
    ) -> None:
        """`clock` gives POSIX seconds. `background` asks hooks that nobody waits for. `shadow` is told of all.
        `known_name` gives the verified host name of a client's address where a step before has looked it up.
        """
        self._versions = versions
        self._rulebook = rulebook
        self._runner = runner
        self._library = library
        self._clock = clock
        self._background = background
        self._shadow = shadow
        self._known_name = known_name

    @property
    def stages(self) -> Stage:  # type: ignore[override]
        """Where any version in use has hooks."""
        points = self._versions.points | self._rulebook.points
        stages = Stage(0)
        if points & {"connect", "disconnect"}:  # who is told of the end was there from the beginning
            stages |= Stage.CONNECT
        if "proxy" in points:
            stages |= Stage.COMMAND
        if "helo" in points:
            stages |= Stage.HELO
        if "auth" in points:
            stages |= Stage.AUTH
        if points & {"mail_from", "rcpt_to", "end_of_data"}:
            stages |= Stage.MAIL
        if "rcpt_to" in points:
            stages |= Stage.RECIPIENT | Stage.RELAY
        if points & _INBOUND:
            stages |= Stage.MESSAGE
        return stages

    # along the session

    async def connect(self, client: Client) -> Reply | None:
        """The connect hooks."""
        session = self._session(client)
        hooks = self._hooks(session.policy, "connect")
        if not hooks and session.follower is None:
            return None
        context = ConnectContext(**self._common(session), client=session.client(client))
        return reply_of(await self._ask(session, session.policy, "connect", hooks, context))

    async def command(self, client: Client, line: str) -> Reply | None:
        """The proxy hooks."""
        session = self._session(client)
        hooks = self._hooks(session.policy, "proxy")
        if not hooks:
            return None
        context = CommandContext(**self._common(session), client=session.client(client), line=line)
        return reply_of(await self._runner.ask(session.policy, hooks, context))

    async def helo(self, client: Client) -> Reply | None:
        """The helo hooks."""
        session = self._session(client)
        hooks = self._hooks(session.policy, "helo")
        if not hooks and session.follower is None:
            return None
        context = HeloContext(**self._common(session), client=session.client(client))
        return reply_of(await self._ask(session, session.policy, "helo", hooks, context))

    async def auth(self, client: Client, attempt: Attempt) -> Admit | Reply | None:
        """The auth hooks: `Accept` lets the client in."""
        session = self._session(client)
        hooks = self._hooks(session.policy, "auth")
        if not hooks:
            return None
        context = AuthContext(
            **self._common(session),
            client=session.client(client),
            mechanism=attempt.mechanism,
            user=attempt.user,
            password=None if attempt.password is None else attempt.password.text,
            proved=attempt.proved,
        )
        said = await self._runner.ask(session.policy, hooks, context)
        if said is not None and isinstance(said.verdict, Accept):
            return Admit(context.identity)
        reply = reply_of(said)
        # RFC 4954 §6: what fails for now is 454 here.
        return _AUTH_DEFERRED if reply is not None and reply.code == 451 else reply

    async def transaction(self, client: Client, mail: MailFrom) -> Reply | None:
        """A transaction begins; the mail_from hooks."""
        session = self._session(client)
        asks = MailAsks(mail.smtputf8, mail.requiretls, mail.size)
        session.begin(Address.of(mail.reverse_path.mailbox), asks)
        return reply_of(await self._about_sender(client, session), utf8=mail.smtputf8)

    async def _about_sender(self, client: Client, session: ScriptSession) -> Said | None:
        transaction = session.transaction
        assert transaction is not None
        hooks = self._hooks(transaction.policy, "mail_from")
        if not hooks and session.follower is None:
            return None
        context = MailContext(
            **self._common(session, transaction),
            client=session.client(client),
            reverse_path=transaction.reverse_path,
            **transaction.asks._asdict(),
        )
        return await self._ask(session, transaction.policy, "mail_from", hooks, context)

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """The rcpt_to hooks."""
        said = await self._about_recipient(client, recipient, relaying=True)
        return reply_of(said, utf8=self._utf8(client))

    async def relay(
        self, client: Client, reverse_path: ReversePath, recipient: Recipient, refusal: Reply
    ) -> Reply | None:
        """The rcpt_to hooks about a recipient that relaying rules refuse: only `Accept(relay=True)` lets it in, or a
        redirection to somebody else, who is then no matter of relaying.
        """
        said = await self._about_recipient(client, recipient, relaying=False)
        if said is not None and not said.failed:
            match said.verdict:
                case Accept(relay=True) | Redirect():
                    return None
                case Accept():
                    return refusal
        return reply_of(said, utf8=self._utf8(client)) or refusal

    async def _about_recipient(self, client: Client, recipient: Recipient, *, relaying: bool) -> Said | None:
        session = self._session(client)
        address = Address.of(recipient.forward_path.mailbox)
        if session.by_recipient is not None and session.moves(address):
            said = await self._about_sender(client, session)  # the other version has not heard of the sender
            if reply_of(said) is not None:
                return said
        transaction = session.transaction
        assert transaction is not None
        said = None
        hooks = self._hooks(transaction.policy, "rcpt_to")
        if hooks or session.follower is not None:
            context = RecipientContext(
                **self._common(session, transaction),
                client=session.client(client),
                reverse_path=transaction.reverse_path,
                **transaction.asks._asdict(),
                recipient=address,
                recipients=tuple(transaction.recipients),
                relaying=relaying,
            )
            said = await self._ask(session, transaction.policy, "rcpt_to", hooks, context)
        if said is not None and isinstance(said.verdict, Redirect):
            transaction.redirected[address] = said.verdict.to
        if reply_of(said) is None:
            transaction.recipients.append(address)
        return said

    def left(self, client: Client) -> None:
        """The disconnect hooks, for which nobody waits."""
        session = client.memory.get(NAME)
        if session is None:
            return
        hooks = self._hooks(session.policy, "disconnect")
        if hooks:
            now = self._clock()
            context = DisconnectContext(
                **self._common(session), client=session.client(client), messages=session.messages,
                seconds=max(0.0, now - session.began),
            )  # fmt: skip
            self._background(session.policy, hooks, context)

    # the message

    async def message(self, arrival: Arrival) -> Ruling | None:
        """The end_of_data hooks: what they change is carried out, what they say is ruled."""
        session = self._session(arrival.client)
        transaction = session.transaction or session.begin(Address.of(arrival.reverse_path.mailbox))
        # Copies that steps before made are asked about first, and what hooks noted and redirected holds for all.
        session.transaction = None if arrival.copy_of is None else transaction
        replace_recipients(arrival, transaction.redirected)
        hooks = self._hooks(transaction.policy, "end_of_data")
        said, context = None, None
        if hooks or session.follower is not None:
            context = self._message_context(session, transaction, arrival)
            known = len(context.findings)
            said = await self._ask(session, transaction.policy, "end_of_data", hooks, context)
            arrival.findings += (Finding(one.step, one.result, one.reason) for one in context.findings[known:])
            self._note(arrival, said)
        ruling, copies = ruling_of(said, utf8=arrival.envelope.smtputf8), len(arrival.copies)
        if hooks and context is not None and (ruling is None or said is None or not said.failed):
            carry_out(arrival, context, None if said is None else said.verdict)
        trace = [] if context is None else self._runner.taken(context)
        notes, tags = transaction.notes.to_object(), sorted(transaction.tags)
        arrival.context = kept_text(transaction.policy.version, notes, tags, trace)
        for copy in arrival.copies[copies:]:
            copy.context = arrival.context
        session.messages += 1
        return ruling

    def _message_context(
        self, session: ScriptSession, transaction: ScriptTransaction, arrival: Arrival
    ) -> MessageContext:
        return MessageContext(
            **self._common(session, transaction),
            client=session.client(arrival.client),
            reverse_path=Address.of(arrival.reverse_path.mailbox),
            smtputf8=arrival.envelope.smtputf8,
            requiretls=arrival.envelope.requiretls,
            declared_size=transaction.asks.declared_size,
            id=arrival.id_text,
            mail=mail_of(arrival),
            recipients=[Address.of(one.forward_path.mailbox) for one in arrival.recipients],
            size=arrival.content.size,
            origin=None if arrival.verdicts is None else Origin.of(arrival.verdicts),
            findings=tuple(FindingFact(one.step, one.result, one.reason) for one in arrival.findings),
        )

    def _note(self, arrival: Arrival, said: Said | None) -> None:
        """A verdict is a finding, for `explain`."""
        if said is not None and said.hook.module != RULES:
            word = "failed" if said.failed else type(said.verdict).__name__.lower()
            reason = getattr(said.verdict, "reason", "") or getattr(said.verdict, "text", "")
            arrival.findings.append(Finding(NAME, word, f"{said.hook.name}: {reason}" if reason else said.hook.name))

    # common

    def _utf8(self, client: Client) -> bool:
        transaction = self._session(client).transaction
        return transaction is not None and transaction.asks.smtputf8

    def _ask(
        self, session: ScriptSession, policy: LoadedPolicy, point: str, hooks: tuple[Hook, ...], context: Context
    ) -> Awaitable[Said | None]:
        """What the hooks of a step say; a shadow is asked the same afterwards, and nobody waits for that."""
        if session.follower is None or self._shadow is None:
            return self._runner.ask(policy, hooks, context)
        trial = self._shadow.begins(session.follower, point, context, self._rulebook.unseen.at(point))
        return self._tried(trial, policy, hooks, context)

    async def _tried(
        self, trial: Trial | None, policy: LoadedPolicy, hooks: tuple[Hook, ...], context: Context
    ) -> Said | None:
        if trial is not None:
            context.library = trial.library
        said = await self._runner.ask(policy, hooks, context)
        if trial is not None:
            trial.ends(said, context)
        return said

    def _hooks(self, policy: LoadedPolicy, point: str) -> tuple[Hook, ...]:
        return (*self._rulebook.at(point), *policy.at(point))

    def _session(self, client: Client) -> ScriptSession:
        session = client.memory.get(NAME)
        if session is None:
            now, facts, versions = self._clock(), client_facts(client), self._versions
            session = client.memory[NAME] = ScriptSession(
                versions.choose(facts, now), now, versions.by_recipient(facts, now), known_name=self._known_name
            )
            if self._shadow is not None:
                session.follower = self._shadow.follow(facts, now)
        return session

    def _common(self, session: ScriptSession, transaction: ScriptTransaction | None = None) -> dict[str, Any]:
        whose = transaction or session
        return {
            "now": self._clock(),
            "policy": whose.policy.version,
            "library": self._library,
            "notes": whose.notes,
            "tags": whose.tags,
        }
