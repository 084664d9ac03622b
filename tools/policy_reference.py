"""docs/policy.md: every hook, context, verdict and call that a policy can use, from the source itself."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterable
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cache
from typing import Any

from danelaw import policy
from danelaw.policy import POINTS, carriers, contexts, facts, verdicts
from danelaw.policy.calls import parts
from danelaw.policy.declare import Point, TimerPoint
from danelaw.policy.handling import Handling
from danelaw.policy.mail import Mail
from danelaw.policy.notes import LARGEST, Notes
from tools.policy_examples import EXAMPLES

FACTS: tuple[type, ...] = (
    facts.Client, facts.TLS, facts.Address, facts.Origin, facts.Signature, facts.Finding, contexts.Waiting,
    contexts.HostTried, contexts.Result,
)  # fmt: skip
ANSWERS: tuple[type, ...] = (
    policy.DNSAnswer, policy.HTTPResponse, policy.RecipientAnswer, policy.TLSProbe, policy.CertificateFacts,
    policy.FileFacts, policy.Member,
)  # fmt: skip
VERDICTS: tuple[type, ...] = (*dict.fromkeys(kind for point in POINTS.values() for kind in point.verdicts),)
CARRIERS: tuple[type, ...] = (carriers.Maildir, carriers.Pipe, carriers.HTTPPost)
_FAILS = {
    policy.FailurePolicy.DEFER: "the client, or the queue, tries again later (`defer`)",
    policy.FailurePolicy.IGNORE: "as if it had said nothing (`ignore`)",
}
_FORWARD = re.compile(r"danelaw\.(?:\w+\.)+")
HEAD = """# Policy reference

Made by `make docs` from the docstrings of `danelaw.policy`, where an editor shows the same. Begin with the
[tutorial](policy-tutorial.md). Which of rules, scripts and filters to use is in [policy-which.md](policy-which.md),
what scripts share in [shared-state.md](shared-state.md), how to say what you know from elsewhere in
[coming-from.md](coming-from.md), and policies for common tasks in [recipes](../recipes/README.md).

"""


def page() -> str:
    """The whole page."""
    lines = [HEAD.strip(), "", *_contents(), "", "## Hooks", "", _paragraph(inspect.getdoc(policy.declare) or "", 1)]
    lines += ["", *_declaring(), ""]
    for name in POINTS:
        lines += _hook(name)
    lines += ["## What contexts hold", ""]
    for kind in FACTS:
        lines += _class(kind, "###")
    lines += ["## Verdicts", "", "None always means: go on.", ""]
    for kind in VERDICTS:
        where = ", ".join(f"`{name}`" for name, point in POINTS.items() if kind in point.verdicts)
        lines += _class(kind, "###", f"At {where}.")
    for kind in (verdicts.Copy, *CARRIERS):
        lines += _class(kind, "###")
    lines += _class(Handling, "##")
    lines += ["## The message", "", _prose(inspect.getdoc(inspect.getmodule(Mail)) or ""), ""]
    lines += _members(Mail, hidden=frozenset({"apply", "state", "back_to", "is_of", "as_it_came"}))
    lines += ["## Notes", "", _prose(inspect.getdoc(Notes) or ""), "", *_members(Notes, hidden=_INNER)]
    lines += ["## Library", "", _LIBRARY, ""]
    return "\n".join([*lines, *_limits()]).rstrip() + "\n"


_INNER = frozenset(name for name in dir(dict) if not name.startswith("_")) | {"saved", "restore", "check", "to_object"}
_LIBRARY = (
    "`ctx.library` does what takes time, and never blocks: [policy-library.md](policy-library.md) has every call."
)


def _contents() -> list[str]:
    hooks = " ".join(f"[{name}](#{name})" for name in POINTS)
    return [f"Hooks: {hooks}"]


def _declaring() -> list[str]:
    lines = ["| Argument of a decorator | Meaning |", "|---|---|"]
    meanings = {
        "order": "Smaller numbers are asked first; equal ones as they stand in the files, by file name.",
        "seconds": "How long it may take in all, waiting included. Absent: `[policy] time`.",
        "cpu": "How long it may work between two waits, in seconds. Absent: `[policy] cpu`.",
        "on_failure": 'What follows when it fails, takes too long, or rests: `"defer"` or `"ignore"`.',
        "every": "Of timers: how often, in seconds.",
    }
    named = {
        name for kind in (Point, TimerPoint) for name in inspect.signature(kind.__call__).parameters
    } - {"self", "function"}  # fmt: skip
    if named != meanings.keys():
        raise ValueError(f"describe these arguments of decorators: {', '.join(sorted(named ^ meanings.keys()))}")
    return lines + [f"| `{name}` | {meaning} |" for name, meaning in meanings.items()]


def _hook(name: str) -> list[str]:
    point = POINTS[name]
    kinds = ", ".join(f"[`{kind.__name__}`](#{kind.__name__.lower()})" for kind in point.verdicts) or "none"
    lines = [
        f"### {name}", "", point.says, "", _prose(inspect.getdoc(point.context) or ""), "",
        f"- Verdicts: {kinds}.",
        f"- When it fails: {_FAILS[point.on_failure]}.",
        f"- Context: `{point.context.__name__}`.", "",
        "| Field | Type | Meaning |", "|---|---|---|",
    ]  # fmt: skip
    for one in fields(point.context):
        owner, meaning = field_meaning(point.context, one.name)
        where = "" if owner is point.context else f" ({_short(owner)})"
        lines.append(f"| `{one.name}` | `{_cell(_type(one))}` | {meaning}{where} |")
    return [*lines, "", "```python", EXAMPLES[name].strip(), "```", ""]


def _short(owner: type) -> str:
    return "every context" if owner is contexts.Context else f"of `{owner.__name__}`"


def field_meaning(kind: type, name: str) -> tuple[type, str]:
    """Which class declares a field of a context, and what its docstring says. Raises `KeyError` where it has none."""
    for owner in kind.__mro__:
        meanings = _field_docstrings(owner)
        if name in meanings:
            return owner, meanings[name]
    raise KeyError(f"{kind.__name__}.{name} has no docstring")


@cache
def _field_docstrings(kind: type) -> dict[str, str]:
    if not is_dataclass(kind):
        return {}
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    assert isinstance(node, ast.ClassDef)
    found = {}
    for one, behind in zip(node.body, node.body[1:], strict=False):
        is_text = isinstance(behind, ast.Expr) and isinstance(behind.value, ast.Constant)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and is_text:
            found[one.target.id] = " ".join(str(behind.value.value).split())  # type: ignore[attr-defined]
    return found


def _class(kind: type, level: str, where: str = "") -> list[str]:
    lines = [f"{level} {kind.__name__}", "", _prose(inspect.getdoc(kind) or ""), ""]
    if where:
        lines += [where, ""]
    if is_dataclass(kind):
        declared = ", ".join(f"{one.name}: {_type(one)}{_default(one)}" for one in fields(kind))
        lines += ["```python", f"{kind.__name__}({declared})", "```", ""]
        meanings = _field_docstrings(kind)
        if meanings:
            lines += ["| Field | Meaning |", "|---|---|"]
            lines += [f"| `{name}` | {meaning} |" for name, meaning in meanings.items()] + [""]
    return lines + _members(kind, hidden=frozenset({"of", "to_object"}))


def _members(kind: type, hidden: frozenset[str]) -> list[str]:
    """Methods and properties that the class itself declares."""
    rows = []
    for name, member in vars(kind).items():
        if name.startswith("_") or name in hidden:
            continue
        if isinstance(member, property):
            rows.append(f"| `{name}` | {_row(member)} |")
        elif inspect.isfunction(member):
            rows.append(f"| `{name}{_signature(member)}` | {_row(member)} |")
    return ["| | |", "|---|---|", *rows, ""] if rows else []


def _limits() -> list[str]:
    from danelaw.policy.mail import _MOST_EDITS
    from danelaw.policy.wire import LARGEST as LARGEST_ON_WIRE
    from danelaw.scripting.checking import MOST_COPIES, MOST_RECIPIENTS
    from danelaw.scripting.loading import LOAD_SECONDS, MOST_FILES, MOST_OCTETS

    return [
        "## Limits", "", "| What | At most |", "|---|---|",
        f"| Files of a policy | {MOST_FILES}, together {MOST_OCTETS >> 20} MiB |",
        f"| Loading one file | {LOAD_SECONDS:.0f} s of work |",
        f"| Notes of a message, as JSON | {LARGEST >> 10} KiB |",
        f"| Changes of one message | {_MOST_EDITS} |",
        f"| Copies of one `Queue` | {MOST_COPIES} |",
        f"| Recipients of one message | {MOST_RECIPIENTS:,} |",
        f"| A context or an answer of an isolated or HTTP hook, as JSON | {LARGEST_ON_WIRE >> 20} MiB |",
        "", "Time and work of hooks are `[policy] time`, `cpu`, `failures`, `rest` and `at_once` in",
        "[configuration.md](configuration.md).", "",
    ]  # fmt: skip


def _row(member: Any) -> str:
    text = (inspect.getdoc(member) or "").partition("\n\n    ")[0]
    return _prose(text).replace("\n\n", " ").replace("|", "\\|")


def _type(one: Field[Any]) -> str:
    text = one.type if isinstance(one.type, str) else getattr(one.type, "__name__", str(one.type))
    return _FORWARD.sub("", text)


def _default(one: Field[Any]) -> str:
    if one.default is not MISSING:
        return f" = {one.default!r}"
    return "" if one.default_factory is MISSING else " = …"


def _signature(function: Any) -> str:
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(function)))
    text = re.sub(r"\(self(?:, )?", "(", text)
    return _cell(_FORWARD.sub("", text))


def _cell(text: str) -> str:
    """For a cell of a table."""
    return text.replace("|", "\\|")


def _paragraph(text: str, number: int) -> str:
    """The last prose of a module: what stands behind its example."""
    return _prose(text.split("\n\n")[-number])


def _prose(text: str) -> str:
    """A docstring as Markdown: paragraphs in one line each, code as it is."""
    return "\n\n".join(_block(block) for block in text.split("\n\n"))


def _block(block: str) -> str:
    if block.startswith("    "):
        return "```python\n" + textwrap.dedent(block) + "\n```"
    return " ".join(block.split())


def undescribed() -> Iterable[str]:
    """What scripts can use and no docstring explains."""
    for name, point in POINTS.items():
        if name not in EXAMPLES:
            yield f"hook {name} has no example in tools/policy_examples.py"
        for one in fields(point.context):
            try:
                field_meaning(point.context, one.name)
            except KeyError as error:
                yield str(error.args[0])
    for kind in (*FACTS, *VERDICTS, *CARRIERS, *ANSWERS, verdicts.Copy, Handling):
        if not is_dataclass(kind):
            continue
        doc, own = inspect.getdoc(kind) or "", _field_docstrings(kind)
        yield from (
            f"{kind.__name__}.{one.name} is not explained"
            for one in fields(kind)
            if one.name not in own and not re.search(rf"\b{one.name}\b", doc) and one.name != "text"
        )
    for kind in (Mail, Notes, *FACTS, *parts().values()):
        for name, member in vars(kind).items():
            is_public = not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property))
            if is_public and not inspect.getdoc(member):
                yield f"{kind.__name__}.{name} has no docstring"
