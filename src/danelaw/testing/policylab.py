"""`PolicyLab`: a gateway without network, disk and clock, in which a policy judges mail as it would in a real one."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable, Coroutine, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from danelaw.config import Config, load, loads
from danelaw.policy import ReportContext, TimerContext
from danelaw.scripting.guard import GUARD
from danelaw.scripting.loading import LoadedPolicy, modules_of
from danelaw.scripting.loading import load as load_policy
from danelaw.testing.clock import FakeClock
from danelaw.testing.deliveries import Tried, deliver
from danelaw.testing.dialogue import Dialogue
from danelaw.testing.fakedns import FakeDNS
from danelaw.testing.fate import Fate, Stored
from danelaw.testing.labcourier import HopAnswer, Hops
from danelaw.testing.library import FakeLibrary, HTTPAnswer
from danelaw.testing.premises import Declared, Premises, build

if TYPE_CHECKING:
    from types import ModuleType, TracebackType

    from danelaw.policy import Context, Library, RecipientAnswer, TLSProbe
    from danelaw.scripting.running import Called
    from danelaw.smtp import Reply
    from danelaw.testing.labsession import LabSession
    from danelaw.testing.labspool import LabSpool

T = TypeVar("T")
USUAL_CONFIG = """
hostname = "mx.example.org"
[[listen]]
address = "127.0.0.1:25"
auth = "optional"
auth_without_tls = true
[submission]
failure_delay = "0s"
[authentication]
enabled = true
[relay]
networks = ["10.0.0.0/8"]
[[domain]]
name = "example.org"
next_hop = "[10.0.0.5]:25"
"""
"""A gateway for example.org: from 10.0.0.0/8 mail may go anywhere, SPF, DKIM and DMARC are looked at."""
TLS_1_3 = ("TLSv1.3", "TLS_AES_256_GCM_SHA384")


class PolicyLab:
    """A policy in a gateway that is not there.

        def test_strangers_are_marked(lab: PolicyLab) -> None:
            client = lab.connect("192.0.2.1")
            client.ehlo("mail.sender.test")
            assert client.mail("a@sender.test").code == 250
            assert client.rcpt("b@example.org").code == 250
            fate = client.data("From: a@sender.test\\nSubject: hello\\n\\nbody\\n")
            assert fate.verdict == "accepted"
            assert fate.mail.subject == "[external] hello"

    The SMTP dialogue, the order of steps, relaying, SPF, DKIM and DMARC, rules, budgets of hooks, what is stored and
    what follows from a try are the gateway's own code. Not there: filters, greylisting, recipient lookups and other
    steps that the configuration could add before the policy; `finds` says what they would have found.

    What scripts call is answered from what a test writes down, before the first connection or (`dns`, `http`,
    `recipients`, `tls`, `certificates`, `secrets`) later: see `danelaw.testing.library`. What was not written down is a
    `LibraryError` for the script, and `danelaw policy test` fails the test. `clock` stands still until `advance`.
    """

    def __init__(self, policy: str | Path | LoadedPolicy, config: str | Path | Config | None = None) -> None:
        """`policy` is a folder, or one that is loaded; `config` TOML, a file, or None for `USUAL_CONFIG`.

        Raises `PolicyError`, `ConfigError`.
        """
        self.policy = policy if isinstance(policy, LoadedPolicy) else load_policy(Path(policy).resolve())
        self.config = _config(config)
        self.clock = LabClock(self)
        self.dns = FakeDNS()
        self.http: dict[str, HTTPAnswer] = {}
        self.recipients: dict[str, str | RecipientAnswer | Exception] = {}
        self.ldap: dict[str, Mapping[str, Any]] = {}
        self.sql: dict[str, str | Mapping[str, Any]] = {}
        self.tls: dict[str, Iterable[TLSProbe] | Exception] = {}
        self.certificates: dict[str, str | bytes | Exception] = {}
        self.secrets: dict[str, str] = {}
        self.calls: list[Called] = []
        self.budget_factor = 1.0
        self._hops = Hops()
        self._found: list[tuple[str, str, str]] = []
        self._premises: Premises | None = None
        self._guarded = False
        self._loop: asyncio.AbstractEventLoop | None = None

    # setting up

    def configure(self, config: str | Path | Config) -> None:
        """Another configuration, with its rules. Raises `ConfigError`; `AssertionError` after the first connection."""
        if self._premises is not None:
            raise AssertionError("configure the lab before anybody connects to it")
        self.config = _config(config)

    def finds(self, step: str, result: str, reason: str = "") -> None:
        """From now on a step before the policy finds this about each message: `lab.finds("clamav", "infected")`."""
        self._found.append((step, result, reason))

    def finds_nothing(self) -> None:
        """No such findings any more."""
        self._found.clear()

    def hop(self, name: str, *answers: HopAnswer) -> None:
        """What a next hop says at its next tries, one answer each, the last one from then on: a reply for all
        recipients (`"451 4.2.0 busy"`), replies by address, or other words: it cannot be reached.
        """
        self._hops.answers[name] = list(answers)

    def message(self, name: str) -> bytes:
        """A recorded message: a file of the policy's folder, of `tests` in it, or of `tests/messages`.

        Raises `FileNotFoundError`.
        """
        folder = self.policy.directory
        for place in (folder, folder / "tests", folder / "tests" / "messages"):
            with contextlib.suppress(FileNotFoundError):
                return (place / name).read_bytes()
        raise FileNotFoundError(f"{name} is neither in {folder} nor in {folder / 'tests'}")

    def module(self, file: str) -> ModuleType:
        """A module of the policy by its file (`inbound.py`), for tests of its functions. Raises `KeyError`."""
        return modules_of(self.policy)[file]

    # mail

    def connect(
        self,
        address: str = "192.0.2.1",
        *,
        port: int = 50000,
        tls: bool | tuple[str, str] = False,
        user: str = "",
        trusted: bool | None = None,
        listener: str = "",
    ) -> Dialogue:
        """A client connects and is greeted, or not.

        `tls` is version and cipher, or True for TLS 1.3 from the start; `user` is whom it has logged in as; `trusted`
        whether it may send anywhere (None: as `[relay] networks` say); `listener` where it connects to, one of the
        configuration's (`127.0.0.1:587`), the first one by default.
        """
        facts = TLS_1_3 if tls is True else tls or None
        premises = self._open()
        session = premises.session(address, port, facts, listener, trusted)
        greeting = self.run(premises.greeted(session))
        if user and greeting.is_positive:
            session.logged_in(user)
        return Dialogue(self, session, greeting)

    def send(
        self,
        message: str | bytes,
        *,
        sender: str = "a@sender.test",
        to: str | Iterable[str] = "b@example.org",
        address: str = "192.0.2.1",
        helo: str = "client.test",
        tls: bool | tuple[str, str] = False,
        user: str = "",
        trusted: bool | None = None,
    ) -> Fate:
        """The whole dialogue of one message, from the connection to QUIT. The first refusal is its fate."""
        before, calls = len(self.spool.stored), len(self.calls)
        client = self.connect(address, tls=tls, user=user, trusted=trusted)
        reply = client.greeting
        if reply.is_positive:
            reply = client.ehlo(helo)
        if not reply.is_positive:
            client.leave()
            return self.fate_of(reply, before, calls)
        fate = client.send(message, sender=sender, to=to)
        if not client.closed:
            client.quit()
        client.leave()
        return dataclasses.replace(fate, calls=tuple(self.calls[calls:]))

    def deliver(self, what: Fate | Stored) -> Tried:
        """Try a stored message at its next hops, as often as hooks move it, and bring it up to date: recipients, tries,
        notes. The pre_delivery and post_delivery hooks are asked.
        """
        stored = what.message if isinstance(what, Fate) else what
        return self.run(deliver(self._open(), stored))

    def timer(self, name: str, *, last: float = 0.0) -> None:
        """The timer hook of that name is due now."""
        context = TimerContext(**self._common(), name=name, due=self.clock.now, last=last)
        self._ask_by_name("timer", name, context)

    def report(self, kind: str, reporter: str, **facts: object) -> None:
        """A report about our mail has come in; the report hooks are asked."""
        context = ReportContext(**self._common(), kind=kind, reporter=reporter, facts=dict(facts))
        self._ask_by_name("report", "", context)

    # looking

    @property
    def library(self) -> Library:
        """What scripts call, for looking into state: `lab.run(lab.library.state.counter("seen").get("a"))`."""
        return self._open().fake.library

    @property
    def fake(self) -> FakeLibrary:
        """Everything that was asked of the library, and what was written down for it."""
        return self._open().fake

    @property
    def log(self) -> list[tuple[str, str, dict[str, object]]]:
        """What scripts wrote into the log: `event` or `warning`, the text, and facts."""
        return self._open().fake.lines

    @property
    def events(self) -> list[str]:
        """The gateway's own log, line by line."""
        return self._open().lines

    @property
    def counters(self) -> dict[str, float]:
        """The scripts' own counters."""
        return self._open().fake.counters

    @property
    def gauges(self) -> dict[str, float]:
        """The scripts' own gauges."""
        return self._open().fake.gauges

    @property
    def spool(self) -> LabSpool:
        """All messages that were stored."""
        return self._open().spool

    @property
    def carried(self) -> list[tuple[Any, str, bytes]]:
        """What carriers of the policy's own were given: carrier, id, octets."""
        return self._open().carriers.carried

    @property
    def failures(self) -> list[Called]:
        """Calls of hooks that failed: an exception, no time left, no verdict."""
        return [one for one in self.calls if one.outcome == "failed"]

    @property
    def missing(self) -> list[str]:
        """What scripts asked of the library, and nobody wrote down."""
        return [] if self._premises is None else self._premises.fake.missing

    def asked(self, hook: str) -> list[Called]:
        """All calls of one hook so far."""
        return [one for one in self.calls if one.hook == hook]

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine where the hooks run, and give its result."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop.run_until_complete(work)

    # for dialogues

    def said(self, session: LabSession, octets: bytes) -> Reply:
        """A client says something."""

        async def say() -> Reply:
            session.send(octets)
            reply = await session.reply()
            if reply is None:
                raise AssertionError("the connection was closed without a word")
            return reply

        return self.run(say())

    def left(self, session: LabSession) -> None:
        """A client goes."""
        self.run(self._open().left(session))

    def fate_of(self, reply: Reply, before: int, calls: int) -> Fate:
        """What a reply came to: `before` messages were stored and `calls` made until then."""
        stored = self.spool.stored[before:] if reply.is_positive else ()
        return Fate.of(reply, tuple(Stored(message, body) for message, body in stored), tuple(self.calls[calls:]))

    def look(self) -> None:
        """The clock has moved: what has expired is gone."""
        self.dns.now = self.clock.now
        if self._premises is not None:
            self.run(self._premises.looked())

    def close(self) -> None:
        """The gateway ends."""
        if self._loop is not None:
            if self._premises is not None:
                self._loop.run_until_complete(self._premises.close())
            self._loop.run_until_complete(self._loop.shutdown_default_executor())
            self._loop.close()
            self._loop = None
        if self._guarded:
            GUARD.remove()
            self._guarded = False

    def __enter__(self) -> PolicyLab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Premises:
        if self._premises is None:
            if not self._guarded:
                with contextlib.suppress(ValueError):  # outside the main thread nothing stops a loop without end
                    GUARD.install()
                    self._guarded = True
            self.dns.now = self.clock.now
            self._premises = self.run(self._built())
        return self._premises

    async def _built(self) -> Premises:
        return build(Declared.of(self, self._hops, self._found))

    def _common(self) -> dict[str, Any]:
        return {"now": self.clock.now, "policy": self.policy.version, "library": self.library}

    def _ask_by_name(self, point: str, name: str, context: Context) -> None:
        hooks = [one for one in self.policy.at(point) if name in ("", one.name)]
        if not hooks:
            raise AssertionError(f"the policy has no {point} hook {name}".rstrip())
        self.run(self._open().runner.ask(self.policy, hooks, context))


class LabClock(FakeClock):
    """The lab's clock: when it moves, shared state and DNS notice."""

    __slots__ = ("_look",)

    def __init__(self, lab: PolicyLab) -> None:
        super().__init__()
        self._look: Callable[[], None] = lab.look

    def advance(self, seconds: float) -> float:
        """Move forward and return the new time. Raises `ValueError` for a negative step."""
        now = super().advance(seconds)
        self._look()
        return now


def _config(config: str | Path | Config | None) -> Config:
    if isinstance(config, Config):
        return config
    if isinstance(config, Path):
        return load(config)
    return loads(USUAL_CONFIG if config is None else config)
