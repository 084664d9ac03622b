"""Which lines of a policy's files ran, and which hooks were asked."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from danelaw.scripting.loading import policy_files

if TYPE_CHECKING:
    from danelaw.policy import Hook
    from danelaw.scripting.running import Called


@dataclass(frozen=True, slots=True)
class FileCovered:
    """One file: how many lines can run, and which of them never did."""

    name: str
    lines: int
    missing: tuple[int, ...]

    @property
    def percent(self) -> float:
        """The part that ran."""
        return percent(self.lines - len(self.missing), self.lines)

    @property
    def missing_words(self) -> str:
        """The lines that never ran, such as `12, 15-17`."""
        return ", ".join(f"{first}" if first == last else f"{first}-{last}" for first, last in _runs(self.missing))


@dataclass(frozen=True, slots=True)
class HookCovered:
    """One hook: its step and place, how often it was asked, and what it said how often."""

    name: str
    point: str
    place: str
    said: dict[str, int]

    @property
    def asked(self) -> int:
        """How often."""
        return sum(self.said.values())


class LineWatch:
    """Within `with`, notes which lines of a folder's Python files run. Other code is slowed down by a look at its
    file's name for each call.
    """

    def __init__(self, directory: Path) -> None:
        """Raises `PolicyError` for a folder that is none."""
        self._directory = directory
        self._files = {str(path): path for path in policy_files(directory) if path.suffix == ".py"}
        self._seen: dict[str, set[int]] = {name: set() for name in self._files}
        self._before: Any = None

    def __enter__(self) -> LineWatch:
        self._before = sys.gettrace()
        sys.settrace(self._call)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        sys.settrace(self._before)

    def covered(self) -> tuple[FileCovered, ...]:
        """What ran so far, by file."""
        found = []
        for name, path in self._files.items():
            lines = executable_lines(path.read_bytes(), name)
            missing = tuple(sorted(lines - self._seen[name]))
            found.append(FileCovered(path.relative_to(self._directory).as_posix(), len(lines), missing))
        return tuple(found)

    def _call(self, frame: FrameType, event: str, argument: Any) -> Any:
        seen = self._seen.get(frame.f_code.co_filename)
        if seen is None:
            return None

        def line(frame: FrameType, event: str, argument: Any) -> Any:
            seen.add(frame.f_lineno)
            return line

        seen.add(frame.f_lineno)
        return line


def executable_lines(source: bytes, name: str) -> set[int]:
    """The lines of a file that can run."""
    return set(_lines(compile(source, name, "exec", dont_inherit=True)))


def _lines(code: CodeType) -> Iterator[int]:
    for _, _, line in code.co_lines():
        if line:  # 0 is the beginning of a module, which stands nowhere
            yield line
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _lines(constant)


def hooks_covered(hooks: Iterable[Hook], calls: Iterable[Called]) -> tuple[HookCovered, ...]:
    """Every hook of a policy, and what it said in these calls."""
    said: dict[str, Counter[str]] = {}
    for one in calls:
        said.setdefault(one.hook, Counter())[one.outcome] += 1
    return tuple(HookCovered(one.name, one.point, one.place, dict(said.get(one.name, {}))) for one in hooks)


def percent(part: int, whole: int) -> float:
    """A part in percent; of nothing all is there."""
    return 100.0 * part / whole if whole else 100.0


def _runs(numbers: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Runs of numbers that follow each other, first and last."""
    first = last = 0
    for number in numbers:
        if first and number == last + 1:
            last = number
            continue
        if first:
            yield first, last
        first = last = number
    if first:
        yield first, last
