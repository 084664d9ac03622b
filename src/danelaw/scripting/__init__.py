"""Running an operator's policy: its files are loaded, its hooks asked within budgets, what they say carried out.

    policy = load(Path("policy"))                    # PolicyError names file and line
    runner = Runner(Budget(seconds=10, cpu=0.1))
    said = await runner.ask(policy, policy.at("rcpt_to"), context)

`danelaw.policy` is what scripts import and knows nothing of this room. `ScriptStep` is the step of `danelaw.inbound`
that asks hooks about clients and their mail. A policy is a folder of Python files and has a version, the digest of all
of them; a connection stays with the version it was begun with.

In-process scripts are for authors one trusts: the guard stops endless loops, patterns that backtrack for ever,
`time.sleep`, exceptions and recursion. It cannot stop one long call into C, a huge allocation, or a script that
catches `BaseException` for ever; there the worker's heartbeat ends and the supervisor replaces it, and nothing that
was acknowledged is lost.

Public names: `load`, `LoadedPolicy`, `PolicyError`, `HookFailed`, `Runner`, `Budget`, `Called`, `Said`, `Scripts`,
`ScriptStep`, `Versions`, `GUARD`, `Overrun`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from danelaw.scripting.errors import HookFailed, PolicyError
    from danelaw.scripting.guard import GUARD, Overrun
    from danelaw.scripting.loading import LoadedPolicy, load
    from danelaw.scripting.running import Budget, Called, Runner, Said
    from danelaw.scripting.scripts import Scripts
    from danelaw.scripting.step import ScriptStep
    from danelaw.scripting.versioning.versions import Versions

# Read when first asked for: an isolated worker needs `loading` and nothing of the gateway.
_MODULES = {
    "GUARD": "guard",
    "Budget": "running",
    "Called": "running",
    "HookFailed": "errors",
    "LoadedPolicy": "loading",
    "Overrun": "guard",
    "PolicyError": "errors",
    "Runner": "running",
    "Said": "running",
    "ScriptStep": "step",
    "Scripts": "scripts",
    "Versions": "versioning.versions",
    "load": "loading",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"danelaw.scripting has no {name}")
    return getattr(import_module(f"danelaw.scripting.{_MODULES[name]}"), name)


__all__ = [
    "GUARD",
    "Budget",
    "Called",
    "HookFailed",
    "LoadedPolicy",
    "Overrun",
    "PolicyError",
    "Runner",
    "Said",
    "ScriptStep",
    "Scripts",
    "Versions",
    "load",
]
