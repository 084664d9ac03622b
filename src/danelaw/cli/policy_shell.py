"""`danelaw policy shell`: a Python prompt with a recorded message as hooks see it."""

from __future__ import annotations

import ast
import asyncio
import code
import contextlib
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config
from danelaw.cli.recorded_message import envelope_options, given_of, recorded

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.policy import Context, Library, MessageContext, Verdict
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.recording.recorded import Recorded
    from danelaw.scripting.recording.replaying import Judged, Replay

_BANNER = """{name}: from {sender} to {to}, client {client}; policy {version}.
ctx is its MessageContext, mail the message, policy the policy that is loaded, library what hooks call.
await ask("end_of_data") asks the hooks of a step about ctx; await judge() the whole policy, from connect on;
reset() gives ctx as it was. {effects}"""
_OFF = "Side effects are off, and nobody is asked anything (--live looks things up)."
_LIVE = "What only reads is looked up; side effects are off."


@click.command()
@click.argument("what", metavar="ID | FILE.eml")
@click.option("-c", "statements", metavar="CODE", help="Run this, print what it gives, and end.")
@click.option("--policy", "policy", metavar="DIR|VERSION", help="Which policy; otherwise [policy] directory.")
@click.option("--live", is_flag=True, help="Let the library look things up: DNS, HTTP GET, directories, SELECT.")
@envelope_options
@config_option
@click.pass_context
def command(
    context: click.Context, what: str, statements: str | None, policy: str | None, live: bool, client: str | None,
    helo: str | None, sender: str | None, recipients: tuple[str, ...], user: str | None, listener: str | None,
    config_file: Path | None,
) -> None:  # fmt: skip
    """Try things out at a Python prompt, with the context of a message that waits, or of a file.

    `await` works at the prompt. Hooks are asked with side effects off: nothing is sent, stored, counted or logged.
    Exit status with -c: 0, or 1 where it raised.
    """
    from danelaw.cli.policy_replay import loaded
    from danelaw.gateway.looking import looking
    from danelaw.gateway.policy_parts import rules_of
    from danelaw.scripting.modes import budget_of
    from danelaw.scripting.recording.replaying import Replay

    config = load_config(config_file)
    message = recorded(what, config, given_of(config, client, helo, sender, recipients, user, listener))
    chosen = loaded(policy, config)
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()

        async def begin() -> Replay:
            library = await stack.enter_async_context(looking(config)) if live else None
            return Replay(chosen, rules_of(config), budget_of(config.policy), library)

        desk = Desk(message, chosen, runner.run(begin()))
        try:
            failed = Prompt(desk, runner).run(statements, live)
        finally:
            runner.run(stack.aclose())
    context.exit(1 if failed else 0)


class Desk:
    """What lies before the prompt: names by which the message, the policy and its hooks are at hand."""

    def __init__(self, message: Recorded, policy: LoadedPolicy, replay: Replay) -> None:
        self.message = message
        self.policy = policy
        self.replay = replay
        self.replay.now = message.received_at
        self.names: dict[str, Any] = {}
        import danelaw.policy

        self.names.update({name: getattr(danelaw.policy, name) for name in danelaw.policy.__all__})
        self.names |= {"policy": policy, "message": message, "library": self.library}
        self.names |= {"ask": self.ask, "judge": self.judge, "reset": self.reset}
        self.reset()

    @property
    def library(self) -> Library:
        """What hooks call."""
        return self.replay.library

    def reset(self) -> MessageContext:
        """`ctx` and `mail` as they were."""
        context = self.message.context(self.policy.version, self.library)
        self.names |= {"ctx": context, "mail": context.mail}
        return context

    async def ask(self, point: str = "end_of_data", recipient: str = "", context: Context | None = None) -> Asked:
        """What the hooks of a step say about `ctx` (at rcpt_to about `recipient`, by default the first): they are
        asked in their order until one has a verdict, and what they change is changed in it.
        """
        from danelaw.policy import POINTS, Address, MessageContext

        if point not in POINTS:
            raise ValueError(f"there is no step {point!r}; there are {', '.join(POINTS)}")
        about = context if context is not None else self.names["ctx"]
        if point == "rcpt_to" and isinstance(about, MessageContext):
            named = Address(recipient or (about.recipients[0] if about.recipients else ""))
            about = self.message.recipient_context(named, self.policy.version, self.library)
        calls = self.replay.begin()
        hooks = self.policy.at(point)
        said = await self.replay.ask(hooks, about) if hooks else None
        words = [f"{one.hook}: {one.outcome}" + (f" ({one.reason})" if one.reason else "") for one in calls]
        asked = {one.hook for one in calls}
        words += [f"{one.name}: not asked, {calls[-1].hook} had decided" for one in hooks if one.name not in asked]
        return Asked(None if said is None else said.verdict, tuple(words))

    async def judge(self) -> Judged:
        """What would become of the message, from connect to the end of data: rules and hooks, as it was recorded."""
        return await self.replay.judge(self.message)


class Asked:
    """What the hooks of a step said: `verdict`, None for none, and each hook's answer."""

    def __init__(self, verdict: Verdict | None, hooks: tuple[str, ...]) -> None:
        self.verdict = verdict
        self.hooks = hooks

    def __repr__(self) -> str:
        return "\n".join([f"verdict: {self.verdict!r}", *(f"  {one}" for one in self.hooks or ("no hooks",))])


class Prompt(code.InteractiveConsole):
    """A prompt at which `await` works, in an event loop that runs while a statement does."""

    def __init__(self, desk: Desk, runner: asyncio.Runner) -> None:
        super().__init__(desk.names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._desk = desk
        self._runner = runner
        self._failed = False

    def run(self, statements: str | None, live: bool) -> bool:
        """Statements, or what somebody types; gives whether the last one raised."""
        message = self._desk.message
        if statements is not None:
            for node in self._parsed(statements):
                if not self._failed:
                    self.runcode(node)
            return self._failed
        with contextlib.suppress(ImportError):
            import readline  # noqa: F401  (lines can be edited once it is there)
        self.interact(
            _BANNER.format(
                name=message.name, sender=message.reverse_path or "<>", to=", ".join(message.recipients) or "nobody",
                client=message.client.address, version=self._desk.policy.version, effects=_LIVE if live else _OFF,
            ),
            "",
        )  # fmt: skip
        return False

    def _parsed(self, statements: str) -> list[types.CodeType]:
        """Each statement as code that shows what it gives, as at a prompt."""
        try:
            tree = ast.parse(statements, "<shell>")
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            return [compile(ast.Interactive([one]), "<shell>", "single", flags) for one in tree.body]
        except (SyntaxError, ValueError):
            self.showsyntaxerror("<shell>")
            self._failed = True
            return []

    def runcode(self, code: types.CodeType) -> None:
        """Run it; a coroutine in the event loop."""
        self._failed = False
        try:
            result = types.FunctionType(code, self.locals)()
            if inspect.iscoroutine(result):
                self._runner.run(result)
        except SystemExit:
            raise
        except BaseException:  # whatever is typed: the prompt goes on
            self._failed = True
            self.showtraceback()
        finally:
            sys.stdout.flush()
