"""Scripts that mean harm, each with the containment that docs/policy-isolation.md promises."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from tests.ends import run, until
from tests.scripting.isolation import isolated

from danelaw.policy import Redirect

WORKED = "worked for more than 0.1 s without waiting"
ENDED = "its process ended"
GARBAGE = "sent what was not agreed"

HOSTILE: dict[str, tuple[str, str]] = {
    "an endless loop": ("while True: pass", WORKED),
    "a regular expression that backtracks for ever": ("re.match(r'(a+)+$', 'a' * 60 + 'b')", WORKED),
    "recursion": ("f = lambda: f()\nf()", "RecursionError"),
    "an exception": ("raise ValueError('no')", "ValueError: no"),
    "sys.exit": ("sys.exit(0)", "SystemExit"),
    "a loop that catches everything": (
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        WORKED,
    ),
    "a huge allocation": ("bytearray(1 << 40)", "MemoryError"),
    "allocations without end": ("x = []\nwhile True: x.append(b'x' * (1 << 24))", f"MemoryError|{WORKED}"),
    "one long call into C": ("len(str(10 ** 10 ** 8))", WORKED),
    "os._exit": ("os._exit(7)", ENDED),
    "a segmentation fault": ("ctypes.string_at(1)", ENDED),
    "killing the gateway": ("os.kill(os.getppid(), 9)", "PermissionError"),
    "killing everything": ("os.kill(-1, 9)", "PermissionError"),
    "a fork": ("os.fork()", "PermissionError"),
    "a fork bomb": ("while True:\n    try: os.fork()\n    except OSError: pass", WORKED),
    "another program": ("os.execv('/bin/sh', ['sh'])", "PermissionError"),
    "a subprocess": ("subprocess.run(['/bin/true'])", "PermissionError"),
    "a thread": ("threading.Thread(target=print).start()", "RuntimeError: can't start new thread"),
    "a socket of the Internet": ("socket.socket(socket.AF_INET)", "PermissionError"),
    "a socket of this machine": ("socket.socket(socket.AF_UNIX)", "PermissionError"),
    "a connection over the line": ("socket.socket(fileno=0).connect('/run/x')", ENDED),
    "reading a file": ("open('/etc/passwd').read()", "PermissionError"),
    "reading the gateway's memory": ("open(f'/proc/{os.getppid()}/maps').read()", "PermissionError"),
    "reading the gateway's environment": ("open(f'/proc/{os.getppid()}/environ').read()", "PermissionError"),
    "listing folders": ("os.listdir('/etc')", "PermissionError"),
    "writing a file": ("open(__file__, 'a')", "PermissionError"),
    "making a file": ("open('/tmp/made-by-a-script', 'w')", "PermissionError"),
    "removing a file": ("os.unlink(__file__)", "PermissionError"),
    "changing rights": ("os.chmod(__file__, 0o777)", "PermissionError"),
    "more memory for itself": (
        "resource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "ValueError|PermissionError|OSError",
    ),
    "becoming somebody else": ("os.setuid(1)", "PermissionError"),
    "a mount": ("check(libc.mount(b'none', b'/mnt', b'tmpfs', 0, None))", "errno 1"),
    "ptrace": ("check(libc.ptrace(16, os.getppid(), None, None))", "errno 1"),
    "signals to come later": ("signal.setitimer(signal.ITIMER_REAL, 1)", "Operation not permitted"),
    "closing all descriptors": ("os.closerange(0, 64)", ENDED),
    "noise on its line": ("os.write(0, b'\\xff' * 64)", GARBAGE),
    "a verdict in a frame of its own": (
        "from danelaw.scripting.isolated import frames\n"
        "os.write(0, frames.encode({'answer': {'version': 1}, 're': 10**6}))",
        "another question",
    ),
    "changing danelaw's own code": (
        "from danelaw.scripting.isolated import frames\nframes.to_octets = lambda value: b'[]'",
        GARBAGE,
    ),
    "library calls without end": (
        "while True: await ctx.library.dns.lookup('example.org', 'MX')",
        "more than 1000 times",
    ),
    "log lines without end": ("while True: ctx.library.log.event('x')", "more than 1000 times|without being asked"),
    "a call that is not in the library": (
        "ctx.library.dns._line.ask({'call': [['dns'], ['__class__', {}]]})",
        "there is no '__class__'",
    ),
    "a forged verdict": ("return Route(next_hop='[evil.example]')", "no verdict of rcpt_to"),
}

PREFACE = """
import ctypes, os, re, resource, signal, socket, subprocess, sys, threading
libc = ctypes.CDLL(None, use_errno=True)

def check(result):
    if result < 0:
        raise OSError(f"errno {ctypes.get_errno()}")

@hook.rcpt_to
async def hostile(ctx: RecipientContext):
    ctx.notes["changed"] = True
"""


KILLED = (WORKED, ENDED, GARBAGE, "another question", "MemoryError", "without being asked")
"""Where the worker is replaced; such a kind has a gateway of its own."""
ENDS = [harm for harm, (_, reason) in HOSTILE.items() if any(one in reason for one in KILLED)]
RAISES = [harm for harm in HOSTILE if harm not in ENDS]


def hooks(harms: list[str]) -> str:
    """A script that does each of these harms for the recipient whose local-part is its number."""
    text = PREFACE
    for number, harm in enumerate(harms):
        text += f'    if ctx.recipient.localpart == "evil{number}":\n'
        text += textwrap.indent(HOSTILE[harm][0], " " * 8) + "\n"
    return text + "    return None\n"


async def contained(directory: Path, harms: list[str]) -> None:
    async with isolated(directory, hooks(harms)) as policy:
        for number, harm in enumerate(harms):
            before = len(policy.calls)
            said = await policy.ask("hostile", f"evil{number}@example.org")
            assert said is not None, harm
            assert said.failed, harm
            (called,) = policy.calls[before:]
            assert any(one in called.reason for one in HOSTILE[harm][1].split("|")), (harm, called.reason)
            for _ in range(3):
                honest = await policy.ask("honest")
                assert honest is not None, harm
                assert honest.verdict == Redirect(("b@else.example",)), harm
            assert await policy.ask("hostile") is None, harm


@pytest.mark.parametrize("harm", ENDS)
def test_isolated_workers_contain(tmp_path: Path, harm: str) -> None:
    run(contained(tmp_path / "policy", [harm]))


def test_isolated_workers_contain_what_is_forbidden(tmp_path: Path) -> None:
    run(contained(tmp_path / "policy", RAISES))


def test_what_a_hook_changed_before_it_failed_is_not_carried_out(tmp_path: Path) -> None:
    async def play() -> None:
        async with isolated(tmp_path / "policy", PREFACE + "    os._exit(0)") as policy:
            context = policy.context("evil@example.org")
            await policy.runner.ask(policy.policy, policy.policy.hooks[1:], context)
            assert dict(context.notes) == {}

    run(play())


def test_a_hook_that_sleeps_has_its_time_and_no_more(tmp_path: Path) -> None:
    text = "import time\n@hook.rcpt_to(seconds=0.2)\ndef asleep(ctx: RecipientContext):\n    time.sleep(1000)\n"

    async def play() -> None:
        async with isolated(tmp_path / "policy", text, seconds=20) as policy:
            await policy.ask("honest")
            assert await policy.ask("asleep") is not None
            assert "no verdict within 0.2 s" in policy.calls[-1].reason
            assert await policy.ask("honest") is not None

    run(play())


def test_other_hooks_go_on_while_one_hangs(tmp_path: Path) -> None:
    text = "import time\n@hook.rcpt_to\ndef asleep(ctx: RecipientContext):\n    time.sleep(1000)\n"

    async def play() -> None:
        async with isolated(tmp_path / "policy", text, seconds=60, workers=2) as policy:
            hanging = [asyncio.create_task(policy.ask("asleep")) for _ in range(5)]
            for _ in range(50):
                honest = await policy.ask("honest")
                assert honest is not None
                assert not honest.failed
            assert not any(task.done() for task in hanging)
            for task in hanging:
                task.cancel()
            await asyncio.gather(*hanging, return_exceptions=True)

    run(play())


def test_a_crash_loop_opens_the_breaker(tmp_path: Path) -> None:
    text = "import os\n@hook.rcpt_to\ndef dies(ctx: RecipientContext):\n    os._exit(1)\n"

    async def play() -> None:
        async with isolated(tmp_path / "policy", text, failures=3) as policy:
            for _ in range(6):
                await policy.ask("dies")
            assert [one.outcome for one in policy.calls] == ["failed"] * 3 + ["resting"] * 3
            assert await policy.ask("honest") is not None

    run(play())


def test_a_worker_that_leaks_is_replaced_before_it_fails(tmp_path: Path) -> None:
    text = "kept = []\n@hook.rcpt_to\ndef leaks(ctx: RecipientContext):\n    kept.append(b'x' * (1 << 20))\n"

    async def play() -> None:
        async with isolated(tmp_path / "policy", text, memory=512 << 20, workers=1) as policy:
            for _ in range(600):
                await policy.ask("leaks")
            assert {one.outcome for one in policy.calls} == {"none"}
            assert policy.starts > 2
            assert not policy.ended

    run(play())


def test_a_worker_is_replaced_after_so_many_calls(tmp_path: Path) -> None:
    async def play() -> None:
        async with isolated(tmp_path / "policy", "", workers=1, recycle=10) as policy:
            for _ in range(31):
                await policy.ask("honest")
            assert policy.starts >= 4
            assert not policy.ended

    run(play())


def test_words_without_being_asked_end_a_worker(tmp_path: Path) -> None:
    text = (
        "import os, socket\n@hook.rcpt_to\ndef more(ctx: RecipientContext):\n"
        "    from danelaw.scripting.isolated import frames\n"
        "    line = ctx.library.log._line\n"
        "    line.write({'answer': {'version': 1}})\n"
    )

    async def play() -> None:
        async with isolated(tmp_path / "policy", text, workers=1) as policy:
            await policy.ask("more")
            await until(lambda: policy.ended, "the end of the worker")
            assert "without being asked" in policy.ended[0]
            honest = await policy.ask("honest")
            assert honest is not None
            assert not honest.failed

    run(play())


def test_what_scripts_print_goes_nowhere(tmp_path: Path) -> None:
    text = (
        "import os, sys\n@hook.rcpt_to\ndef prints(ctx: RecipientContext):\n"
        "    print('noise'); print('noise', file=sys.stderr); os.write(1, b'noise'); os.write(2, b'noise')\n"
        "    assert set(os.environ) <= {'LC_CTYPE'}\n"
    )
    code = f"""
        import asyncio, sys
        from pathlib import Path
        from tests.scripting.isolation import isolated
        async def play():
            async with isolated(Path({str(tmp_path)!r}) / "policy", {text!r}) as policy:
                await policy.ask("prints")
                assert policy.calls[0].outcome == "none", policy.calls
        asyncio.run(play())
        """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_library_is_at_hand_in_workers(tmp_path: Path) -> None:
    text = """
        import asyncio
        @hook.rcpt_to
        async def asks(ctx: RecipientContext):
            found = await ctx.library.dns.lookup("example.org", type="MX")
            ctx.library.log.event("found", records=len(found.records))
            ctx.library.measures.count("seen", by=2)
            both = await asyncio.gather(ctx.library.dns.lookup("a.example", "A"), asyncio.sleep(0, "slept"))
            try:
                await ctx.library.dns.lookup("broken.example", "MX")
            except LibraryError as error:
                return Reject(f"{found.records[0]} {found.is_secure} {both[1]} {ctx.library.secrets.get('k')}: {error}")
    """

    async def play() -> None:
        async with isolated(tmp_path / "policy", text) as policy:
            said = await policy.ask("asks")
            assert said is not None
            assert getattr(said.verdict, "text", said) == (
                "10 mx.example.org. True slept the secret k: DNS fails for broken.example"
            )
            assert policy.words.said == [("found", {"records": 1}), ("seen", 2.0)]

    run(play())


IN_PROCESS = {
    "an endless loop": ("while True: pass", "failed,none"),
    "a regular expression": ("re.match(r'(a+)+$', 'a' * 60 + 'b')", "failed,none"),
    "recursion": ("f = lambda: f()\nf()", "failed,none"),
    "an exception": ("raise ValueError('no')", "failed,none"),
    "a sleep": ("time.sleep(1000)", "failed,none"),
    "os._exit": ("os._exit(7)", ""),
    "killing itself": ("os.kill(os.getpid(), 9)", ""),
}


@pytest.mark.parametrize("harm", IN_PROCESS)
def test_in_process_some_is_contained_and_some_is_not(tmp_path: Path, harm: str) -> None:
    code, outcomes = IN_PROCESS[harm]
    (tmp_path / "policy.py").write_text(
        "from danelaw.policy import *\nimport os, re, time\n@hook.rcpt_to\ndef hostile(ctx: RecipientContext):\n"
        "    if ctx.recipient.localpart != 'evil':\n        return None\n" + textwrap.indent(code, "    ")
    )
    program = f"""
        import asyncio
        from pathlib import Path
        from danelaw.policy import Address, Client, RecipientContext
        from danelaw.scripting import GUARD, Budget, Runner, load
        policy, seen = load(Path({str(tmp_path)!r})), []
        runner = Runner(Budget(cpu=0.05), observe=lambda called, context: seen.append(called.outcome))
        def context(recipient):
            return RecipientContext(now=1.0, policy="", library=None, client=Client("192.0.2.1", 25),
                                    reverse_path=Address(""), recipient=Address(recipient))
        async def play():
            await runner.ask(policy, policy.hooks, context("evil@example.org"))
            await runner.ask(policy, policy.hooks, context("b@example.org"))
        GUARD.install()
        asyncio.run(play())
        print(",".join(seen), end="")
        """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout == outcomes, done.stderr


def test_a_process_with_a_guard_ends_as_it_would_without() -> None:
    import subprocess
    import sys

    program = """
import time
from danelaw.scripting import GUARD


class Slow:
    def __del__(self, clock=time.process_time):
        until = clock() + 0.3
        while clock() < until:
            pass


GUARD.install()
slow = Slow()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
