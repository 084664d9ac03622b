"""From a directory of Python files to a policy: the hooks in it, and its version, which is a digest of all files.

The files are modules of one package with a name of its own each time, so that versions live side by side in one
process and import nothing of each other; they are forgotten when nobody uses them any more. Nothing is written beside
them. Files whose name begins with `test_` or a dot, and the folder `tests`, are not part of the policy.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import itertools
import sys
import traceback
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from danelaw.errors import DanelawError
from danelaw.policy.cached import CachedFunction
from danelaw.policy.declare import Declarations, Hook, loading
from danelaw.scripting.caching import bind
from danelaw.scripting.errors import PolicyError
from danelaw.scripting.guard import GUARD, Overrun

MOST_FILES = 500
MOST_OCTETS = 8 << 20
LOAD_SECONDS = 10.0
_PACKAGE = "danelaw_policies"
_numbers = itertools.count(1)
_WAITS_ITS_OWN_WAY = frozenset({"asyncio", "aiohttp", "anyio", "trio", "httpx", "asyncpg", "redis", "threading"})


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class LoadedPolicy:
    """A policy that can run. `version` is the beginning of the digest of its files; `hooks` are in the order of asking.

    `in_task` names the modules whose coroutines must run in a task from their first step on, since they use
    asyncio themselves; all others are begun at once, and most hooks end without ever waiting. `is_usable` is False for
    what only stands for a version that could not be loaded. `package` is the name of its modules in this process, which
    stay as long as anybody has `modules`. `caches` are the functions under `@cached`.
    """

    version: str
    directory: Path
    hooks: tuple[Hook, ...]
    files: tuple[str, ...]
    in_task: frozenset[str] = frozenset()
    is_usable: bool = True
    package: str = ""
    caches: tuple[CachedFunction[Any, Any], ...] = ()
    modules: object = field(default=None, repr=False)

    by_point: dict[str, tuple[Hook, ...]] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        points = dict.fromkeys(one.point for one in self.hooks)
        by_point = {point: tuple(one for one in self.hooks if one.point == point) for point in points}
        object.__setattr__(self, "by_point", by_point)

    def at(self, point: str) -> tuple[Hook, ...]:
        """The hooks of one step."""
        return self.by_point.get(point, ())

    @property
    def points(self) -> frozenset[str]:
        """The steps it has hooks for."""
        return frozenset(self.by_point)


class _Modules:
    """Stands for the modules of one loaded policy, and for all policies made from that one."""


EMPTY = LoadedPolicy("none", Path(), (), ())


def policy_files(directory: Path) -> list[Path]:
    """All files that make a policy, in order. Raises `PolicyError` where they are too many, too large, or none."""
    if not directory.is_dir():
        raise PolicyError(f"{directory} is no directory", advice="make it, or correct [policy] directory")
    found: list[Path] = []
    octets = 0
    for path in _walk(directory):
        found.append(path)
        octets += path.stat().st_size
        if len(found) > MOST_FILES or octets > MOST_OCTETS:
            raise PolicyError(
                f"the policy in {directory} has more than {MOST_FILES} files or {MOST_OCTETS >> 20} MiB",
                advice="keep data elsewhere: a policy is code and small lists",
            )
    return found


def _walk(directory: Path) -> Iterator[Path]:
    for path in sorted(directory.iterdir()):
        if path.name.startswith((".", "test_", "__pycache__")) or path.name == "tests" or path.name.endswith("~"):
            continue
        if path.is_dir():
            yield from _walk(path)
        elif path.is_file():
            yield path


def version_of(directory: Path, files: list[Path]) -> str:
    """The version of these files: twelve hexadecimal digits. Raises `PolicyError` for one that cannot be read."""
    digest = hashlib.sha256()
    for path in files:
        try:
            octets = path.read_bytes()
        except OSError as error:
            raise PolicyError(f"{path} cannot be read: {error.strerror}") from None
        name = path.relative_to(directory).as_posix()
        digest.update(f"{name}\0{len(octets)}\0".encode())
        digest.update(octets)
    return digest.hexdigest()[:12]


def in_order(hooks: Iterable[Hook]) -> tuple[Hook, ...]:
    """Hooks in the order of asking."""
    return tuple(sorted(hooks, key=lambda one: one.order))


def load(directory: Path, beside: Iterable[Hook] = ()) -> LoadedPolicy:
    """Load the policy in a directory, with hooks `beside` that are not in its files among its own. Raises `PolicyError`
    with file and line for whatever is wrong in it.
    """
    files = policy_files(directory)
    version = version_of(directory, files)
    package = f"{_PACKAGE}_{version}_{next(_numbers)}"
    declarations = Declarations(str(directory))
    in_task = set()
    _make_package(package, directory)
    token = loading.set(declarations)
    try:
        for path in files:
            if path.suffix != ".py":
                continue
            parts = path.relative_to(directory).with_suffix("").parts
            name = ".".join((package, *(part for part in parts if part != "__init__")))
            if _imports(path) & _WAITS_ITS_OWN_WAY:
                in_task.add(path.relative_to(directory).as_posix())
            _import(name, path, directory)
    except BaseException:
        _forget(package)
        raise
    finally:
        loading.reset(token)
    bind(declarations.caches)
    names = tuple(path.relative_to(directory).as_posix() for path in files)
    # A hook may import something of its own policy at any time: its modules stay as long as a connection has it.
    modules = _Modules()
    weakref.finalize(modules, _forget, package).atexit = False
    return LoadedPolicy(
        version,
        directory,
        in_order((*declarations.hooks, *beside)),
        names,
        frozenset(in_task),
        package=package,
        caches=tuple(declarations.caches),
        modules=modules,
    )


def modules_of(policy: LoadedPolicy) -> dict[str, ModuleType]:
    """The modules of a policy by file."""
    found = {}
    for name, module in sys.modules.items():
        path = getattr(module, "__file__", None)
        if name.startswith(policy.package + ".") and path is not None:
            found[Path(path).relative_to(policy.directory).as_posix()] = module
    return found


def _forget(package: str) -> None:
    for name in [one for one in sys.modules if one == package or one.startswith(package + ".")]:
        del sys.modules[name]


def _make_package(package: str, directory: Path) -> None:
    module = ModuleType(package)
    module.__path__ = [str(directory)]
    module.__package__ = package
    sys.modules[package] = module


def _imports(path: Path) -> set[str]:
    """The packages that a file imports at its top level or anywhere in it."""
    tree = _parsed(path)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def _parsed(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f"{path.name}:{line}" if line else path.name
        raise PolicyError(f"{place}: {getattr(error, 'msg', error)}") from None
    except (MemoryError, RecursionError):
        raise PolicyError(f"{path.name} is nested too deep to be read") from None


def _import(name: str, path: Path, directory: Path) -> None:
    if name in sys.modules and name != name.partition(".")[0]:
        return  # another file of the policy has imported it already
    spec = importlib.util.spec_from_file_location(
        name, path, submodule_search_locations=[str(path.parent)] if path.name == "__init__.py" else None
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    written, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        GUARD.step(LOAD_SECONDS, spec.loader.exec_module, module)
    except Overrun:
        raise PolicyError(f"{path.name} did not load within {LOAD_SECONDS:.0f} seconds") from None
    except DanelawError as error:
        raise PolicyError(f"{_place(error, directory, path)}: {error.reason}", advice=error.advice) from None
    except Exception as error:
        raise PolicyError(f"{_place(error, directory, path)}: {type(error).__name__}: {error}") from None
    finally:
        sys.dont_write_bytecode = written


def _place(error: BaseException, directory: Path, path: Path) -> str:
    """File and line in the policy where it went wrong."""
    return place_in(error, directory) or path.name


def place_in(error: BaseException, directory: Path) -> str:
    """The innermost line of a policy's file in a traceback, as `inbound.py:12`; empty where there is none."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        file = Path(frame.filename)
        if file.is_relative_to(directory):
            return f"{file.relative_to(directory).as_posix()}:{frame.lineno}"
    return ""
