"""Mistakes that a look at the text finds, each at its line; and the command that tells them."""

from __future__ import annotations

import ast
import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from danelaw.cli.policy import command
from danelaw.scripting.examining.examination import examine
from danelaw.scripting.examining.lint_calls import AWAITED
from danelaw.scripting.examining.linting import lint, lint_tests

HEAD = """import asyncio, os, socket, sys, time
from datetime import datetime
from time import sleep as nap
from danelaw.policy import *
"""
ASYNC = "@hook.rcpt_to\nasync def a(ctx):\n"
SAMPLES = [
    ("blocking", "@hook.rcpt_to\ndef a(ctx):\n    time.sleep(1)"),
    ("blocking", "@hook.rcpt_to\ndef a(ctx):\n    nap(1)"),
    ("blocking", "@hook.rcpt_to\nasync def a(ctx):\n    socket.create_connection(('a', 25))"),
    ("blocking", "import requests\ndef a(url):\n    return requests.get(url)"),
    ("blocking", "import urllib.request\ndef a(url):\n    return urllib.request.urlopen(url)"),
    ("blocking", "import subprocess as s\ndef a():\n    return s.run(['ls'])"),
    ("blocking", "import sqlite3\ndef a():\n    return sqlite3.connect('x')"),
    ("blocking", "def a():\n    return open('/etc/list').read()"),
    ("blocking", "from pathlib import Path\ndef a():\n    return Path('x').read_text()"),
    ("blocking", "import dns.resolver\ndef a(name):\n    return dns.resolver.resolve(name)"),
    ("blocking", "import smtplib\ndef a():\n    return smtplib.SMTP('x')"),
    ("blocking", "@hook.rcpt_to\ndef a(ctx):\n    asyncio.run(b(ctx))\nasync def b(ctx): ..."),
    ("await", "@hook.rcpt_to\nasync def a(ctx):\n    ctx.library.dns.lookup('a', 'A')"),
    ("await", "@hook.rcpt_to\nasync def a(ctx):\n    if ctx.library.dns.lookup('a', 'A').exists: return Reject()"),
    ("await", "@hook.rcpt_to\ndef a(ctx):\n    x = ctx.library.http.get('a')"),
    ("await", ASYNC + "    return ctx.library.sql.query('a', 'b')"),
    ("exit", "@hook.rcpt_to\ndef a(ctx):\n    sys.exit(1)"),
    ("exit", "@hook.rcpt_to\ndef a(ctx):\n    os._exit(1)"),
    ("print", "@hook.rcpt_to\ndef a(ctx):\n    print(ctx)"),
    ("clock", "@hook.rcpt_to\ndef a(ctx):\n    return Reject() if time.time() > 3 else None"),
    ("clock", "@hook.rcpt_to\ndef a(ctx):\n    ctx.notes['x'] = str(datetime.now())"),
    ("except", "@hook.rcpt_to\ndef a(ctx):\n    try: b()\n    except: return None\ndef b(): ..."),
    ("except", "@hook.rcpt_to\ndef a(ctx):\n    try: b()\n    except BaseException: return None\ndef b(): ..."),
    ("except", "@hook.rcpt_to\ndef a(ctx):\n    try: b()\n    except Exception: pass\ndef b(): ..."),
    ("state", "seen = 0\n@hook.rcpt_to\ndef a(ctx):\n    global seen\n    seen += 1"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    Reject('no')"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    raise Reject('no')"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    return Reject"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    return True"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    return 'reject' if ctx.relaying else None"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    return Hold('no')"),
    ("verdict", "@hook.disconnect\ndef a(ctx):\n    return Reject('no')"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    x = ctx.recipient"),
    ("verdict", "@hook.rcpt_to\ndef a(ctx):\n    yield Reject()"),
    ("name", "@hook.rcpt_to\ndef a(ctx):\n    return Reject(ctx.recipiant)"),
    ("name", "def a(it: MessageContext):\n    return it.message_id"),
    ("name", "@hook.end_of_data\nasync def a(ctx):\n    await ctx.library.dns.resolve('a', 'A')"),
    ("name", "@hook.end_of_data\nasync def a(ctx):\n    await ctx.library.redis.get('a')"),
    ("name", "@hook.end_of_data\ndef a(ctx):\n    ctx.found = 3"),
    ("call", "@hook.rcpt_to\ndef a(ctx):\n    return Reject('no', reason='x')"),
    ("call", "@hook.end_of_data\ndef a(ctx):\n    return Hold()"),
    ("test", "def test_a():\n    assert True"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "text"), SAMPLES)
def test_each_mistake_is_found(kind: str, text: str) -> None:
    found = lint(ast.parse(HEAD + text), "a.py")
    assert kind in {one.kind for one in found}, found


def test_a_faultless_policy_has_nothing() -> None:
    for file in (Path(__file__).parent / "typing_samples" / "everything.py",):
        assert lint(ast.parse(file.read_text()), "a.py") == ()


FINE = [
    "LIST = open('/etc/hostname').read()",
    "@hook.rcpt_to\nasync def a(ctx):\n    await asyncio.sleep(1)",
    ASYNC + "    async with asyncio.timeout(1):\n        await ctx.library.dns.lookup('a', 'A')",
    "@hook.rcpt_to\nasync def a(ctx):\n    x = await asyncio.gather(*(ctx.library.dns.lookup(n, 'A') for n in 'ab'))",
    "@hook.rcpt_to\ndef a(ctx):\n    try: b()\n    except BaseException:\n        b()\n        raise\ndef b(): ...",
    "@hook.rcpt_to\ndef a(ctx):\n    return Reject() if ctx.relaying else Defer()",
    "@hook.rcpt_to\ndef a(ctx):\n    return judged(ctx)\ndef judged(ctx): return Reject()",
    "@hook.rcpt_to\ndef a(ctx):\n    ctx.notes['seen'] = True",
    "@hook.end_of_data\ndef a(ctx):\n    def inner(): return 3\n    ctx.mail.add('X', str(inner()))",
    "@hook.rcpt_to\ndef a(ctx):\n    options = {'code': 550}\n    return Reject('no', **options)",
]


@pytest.mark.parametrize("text", FINE)
def test_what_is_right_is_not_called_wrong(text: str) -> None:
    assert lint(ast.parse(HEAD + text), "a.py") == ()


@given(st.sampled_from([text for _, text in SAMPLES] + FINE), st.integers(0, 200), st.text(max_size=5))
def test_no_text_makes_it_stumble(text: str, at: int, more: str) -> None:
    try:
        tree = ast.parse(HEAD + text[:at] + more + text[at:])
    except (SyntaxError, ValueError):
        return
    assert all(one.file == "a.py" and one.line > 0 for one in lint(tree, "a.py"))


def test_every_call_of_the_library_that_waits_is_known() -> None:
    assert {("dns", "lookup"), ("http", "post"), ("sql", "execute"), ("files", "examine")} <= AWAITED
    assert not {("log", "event"), ("secrets", "get")} & AWAITED


def test_tests_that_never_run_are_told() -> None:
    twice = "def test_a(): ...\ndef test_a(): ...\n"
    (one,) = lint_tests(ast.parse(twice), "test_a.py")
    assert (one.line, one.text) == (2, "test_a stands in line 1 too; only this one runs")
    (none,) = lint_tests(ast.parse("def check(): ...\n"), "test_a.py")
    assert "no function in this file is a test" in none.text


# the command


def written(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "policy"
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return folder


def check(folder: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(command, ["check", str(folder), "--json", "--no-types", *arguments])
    return result.exit_code, json.loads(result.output)


def places(found: dict[str, Any]) -> list[str]:
    return [f"{one['file']}:{one['line']} {one['kind']}" for one in found["problems"]]


def test_all_files_are_told_at_once(tmp_path: Path) -> None:
    folder = written(tmp_path, a="def a(:\n", b="import time\ndef b():\n    time.sleep(1)\n", c="x = [\n")
    status, found = check(folder)
    assert status == 1
    assert places(found) == ["a.py:1 syntax", "b.py:3 blocking", "c.py:1 syntax"]
    assert found["version"] is None


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("from danelaw.policy import Rejct\n", "a.py:1 load"),
        ("from danelaw.policy import hook\n@hook.rcpt\ndef a(ctx): ...\n", "a.py:2 load"),
        ("from danelaw.policy import hook\n@hook.rcpt_to\ndef a(ctx, b): ...\n", "a.py:2 declaration"),
        ("from danelaw.policy import hook\n@hook.timer(every=-1)\ndef a(ctx): ...\n", "a.py:2 declaration"),
        ("1 / 0\n", "a.py:1 load"),
        ("import os\nos._exit(3)\n", ":0 load"),
        ("from danelaw.policy import hook\n@hook.rcpt_to\ndef a(ctx):\n    return unheard_of(ctx)\n", "a.py:4 name"),
    ],
)
def test_what_does_not_load_hurts_nobody_and_has_its_line(tmp_path: Path, text: str, place: str) -> None:
    status, found = check(written(tmp_path, a=text))
    assert status == 1
    assert place in places(found)


def test_what_a_policy_prints_while_it_loads_is_not_taken_for_the_answer(tmp_path: Path) -> None:
    folder = written(tmp_path, a="import os\nprint('{}')\nos.write(1, b'[]')\n")
    assert check(folder)[0] == 0


def test_warnings_count_only_when_asked(tmp_path: Path) -> None:
    folder = written(tmp_path, a="from danelaw.policy import *\n@hook.rcpt_to\ndef a(ctx):\n    print(ctx)\n")
    assert [check(folder)[0], check(folder, "--strict")[0]] == [0, 1]
    assert check(folder)[1]["hooks"] == [{"step": "rcpt_to", "hook": "a", "place": "a.py:2"}]


def test_the_page_ends_with_what_to_type(tmp_path: Path) -> None:
    folder = written(tmp_path, a="from danelaw.policy import *\n", tests__test_a="def nothing(): ...\n")
    page = CliRunner().invoke(command, ["check", str(folder), "--no-types"]).output
    assert "test_a.py:1" in page
    assert page.splitlines()[-1] == "next: danelaw policy stage --for 10%"


def test_an_endless_loop_while_loading_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.scripting.examining.examination.LOAD_SECONDS", 2.0)
    found = examine(written(tmp_path, a="while True: pass\n"), types=False)
    assert found.version is None
    assert "did not load within" in found.errors[0].text


def test_without_mypy_it_is_said_plainly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.scripting.examining.examination.has_mypy", lambda: False)
    found = examine(written(tmp_path, a="x = 1\n"))
    assert not found.types_checked
    assert found.why_no_types.startswith("mypy is not installed")
