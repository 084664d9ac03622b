"""Calls in a policy that would hold up all mail, say nothing, or never happen for want of `await`."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator, Mapping

from danelaw.policy import Library
from danelaw.policy import library as interfaces
from danelaw.scripting.examining.problems import Problem

_HTTP = "await ctx.library.http.get(url)"
BLOCKING: dict[str, str] = {
    "time.sleep": "await asyncio.sleep(seconds)",
    "requests": _HTTP,
    "urllib.request": _HTTP,
    "http.client": _HTTP,
    "urllib3": _HTTP,
    "httpx.get": _HTTP,
    "httpx.post": _HTTP,
    "socket": "await ctx.library.dns, ctx.library.http or ctx.library.callahead",
    "dns.resolver": "await ctx.library.dns.lookup(name, type)",
    "smtplib": "await ctx.library.callahead.verify(address), or queue a Copy",
    "subprocess": "Carry(Pipe((…))) at pre_delivery, or a filter of [[filter]]",
    "os.system": "Carry(Pipe((…))) at pre_delivery",
    "os.popen": "Carry(Pipe((…))) at pre_delivery",
    "sqlite3": "await ctx.library.sql.query(name, statement, values)",
    "psycopg2": "await ctx.library.sql.query(name, statement, values)",
    "pymysql": "await ctx.library.sql.query(name, statement, values)",
    "ldap": "await ctx.library.ldap.search(name, filter, values)",
    "ldap3": "await ctx.library.ldap.search(name, filter, values)",
    "open": "read files where the module is loaded, outside of functions",
    "io.open": "read files where the module is loaded, outside of functions",
    "input": "a hook has nobody to ask",
    "asyncio.run": "make the hook async and await",
}
"""Calls that wait without letting anybody else go on, by whole name or package, and what to write instead."""
_FILE_METHODS = frozenset({"read_text", "read_bytes", "write_text", "write_bytes"})
_ENDING = {
    "sys.exit": "return a verdict",
    "os._exit": "return a verdict",
    "exit": "return a verdict",
    "quit": "return a verdict",
}
_CLOCKS = frozenset({"time.time", "datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"})
_LATER = frozenset({"gather", "wait_for", "create_task", "shield", "ensure_future", "timeout", "wait", "as_completed"})
_MADE_FOR_LATER = "its result is a coroutine that never runs"


def calls_that_harm(function: ast.AST, names: Mapping[str, str], file: str) -> Iterator[Problem]:
    """Blocking calls, ends of the process, prints and clocks in a function."""
    for node in own_nodes(function):
        if not isinstance(node, ast.Call):
            continue
        path = path_of(node.func, names)
        line = node.lineno
        instead = _blocking(path)
        if instead is not None:
            yield Problem(file, line, "blocking", f"{path}() stops all mail while it waits", "error", instead)
        elif isinstance(node.func, ast.Attribute) and node.func.attr in _FILE_METHODS:
            text = f"{node.func.attr}() reads or writes a file while all mail waits"
            yield Problem(file, line, "blocking", text, "error", BLOCKING["open"])
        elif path in _ENDING:
            yield Problem(file, line, "exit", f"{path}() does not end a policy", "error", _ENDING[path])
        elif path == "print":
            text = "print() goes to nobody's terminal"
            yield Problem(file, line, "print", text, "warning", 'ctx.library.log.event("…")')
        elif path in _CLOCKS:
            text = f"{path}() is another clock than the one of tests and replays"
            yield Problem(file, line, "clock", text, "warning", "ctx.now")


def missing_awaits(function: ast.AST, file: str) -> Iterator[Problem]:
    """Calls of the library that take time and are not awaited."""
    fine: set[int] = set()
    for node in own_nodes(function):
        if isinstance(node, ast.Await):
            fine.add(id(node.value))
        elif isinstance(node, ast.AsyncWith):
            fine |= {id(one.context_expr) for one in node.items}
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LATER:
            fine |= {id(one) for one in ast.walk(node) if isinstance(one, ast.Call)}
        elif isinstance(node, ast.GeneratorExp | ast.ListComp):
            fine |= {id(node.elt)}  # most often given to gather
    is_async = isinstance(function, ast.AsyncFunctionDef)
    for node in own_nodes(function):
        if not isinstance(node, ast.Call) or id(node) in fine:
            continue
        name = _awaitable(node.func)
        if name is not None:
            advice = f"await {name}(…)" if is_async else f"async def, and await {name}(…)"
            yield Problem(file, node.lineno, "await", f"{name}() is not awaited: {_MADE_FOR_LATER}", "error", advice)


def own_nodes(function: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of functions within it, which are looked at by themselves."""
    pending = list(ast.iter_child_nodes(function))
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += ast.iter_child_nodes(node)


def path_of(node: ast.AST, names: Mapping[str, str]) -> str:
    """The whole name of what is called, by what the file imports; empty for what has none."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return ""
    first = names.get(node.id, node.id if not words else "")
    return ".".join((first, *reversed(words))) if first else ""


def _blocking(path: str) -> str | None:
    words = path.split(".")
    for length in range(len(words), 0, -1):
        instead = BLOCKING.get(".".join(words[:length]))
        if instead is not None:
            return instead
    return None


def _awaitable(node: ast.AST) -> str | None:
    """`library.dns.lookup` where that is a coroutine function of the library."""
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    words.append(node.id if isinstance(node, ast.Name) else "")
    if len(words) < 3 or words[2] != "library":
        return None
    part, method = words[1], words[0]
    return f"library.{part}.{method}" if (part, method) in AWAITED else None


def _awaited() -> frozenset[tuple[str, str]]:
    found = set()
    for part, kind in inspect.get_annotations(Library).items():
        interface = getattr(interfaces, str(kind), None)
        for name, method in vars(interface).items() if interface is not None else ():
            if inspect.iscoroutinefunction(method):
                found.add((part, name))
    return frozenset(found)


AWAITED = _awaited()
"""Parts and methods of the library that must be awaited, as `danelaw.policy.library` declares them."""
