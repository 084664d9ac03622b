"""The result of a survey: added up from its book, written to files, shown."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.adoption import SCHEMA, Comparison, DomainFacts, Summary
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.cli.survey_input import Reading
    from danelaw.outbound.surveying import Ended
    from danelaw.state import SurveyBook

_KINDS = (".csv", ".json", ".html")
_INVALID_SHOWN = 3
_INVALID_WRITTEN = 100


def writable(target: Path) -> str:
    """The kind of a target by its ending. Raises `click.UsageError`."""
    kind = target.suffix.lower()
    if kind not in _KINDS:
        raise click.UsageError(f"--write: {target} should end in .csv, .json or .html")
    if not target.absolute().parent.is_dir():
        raise click.UsageError(f"--write: there is no directory {target.parent}")
    return kind


def compared(file: Path) -> Comparison:
    """The earlier survey in a file. Raises `DanelawError`."""
    try:
        return Comparison.from_json(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, DanelawError):
            raise
        raise DanelawError(
            f"{file} cannot be read as a survey: {error}", advice="--compare takes what --write NAME.json wrote"
        ) from None


@dataclass(slots=True)
class Result:
    """A survey as far as it got: `done` of `total` domains. `notes` are sentences about its limits."""

    book: SurveyBook
    reading: Reading
    ended: Ended
    summary: Summary
    comparison: Comparison | None
    done: int
    total: int
    made_at: float
    notes: list[str]

    @property
    def complete(self) -> bool:
        """Nothing is left to be asked."""
        return self.done == self.total

    def to_json(self) -> dict[str, Any]:
        """docs/schemas/survey.md, without the domains."""
        extraction = self.reading.extraction
        return {
            "schema": SCHEMA,
            "made_at": round(self.made_at, 3),
            "complete": self.complete,
            "domains_done": self.done,
            "domains_total": self.total,
            "source": {
                "name": self.reading.source,
                "form": self.reading.form,
                "lines": extraction.lines,
                "recipients": extraction.entries,
                "passed_over": extraction.passed_over,
                "invalid": extraction.invalid_count,
                "invalid_lines": [
                    {"line": one.number, "text": one.text, "reason": one.reason}
                    for one in extraction.invalid[:_INVALID_WRITTEN]
                ],
            },
            "notes": self.notes,
            "summary": self.summary.to_json(),
            "comparison": self.comparison.to_json() if self.comparison is not None else None,
        }

    def write(self, target: Path, kind: str) -> None:
        """Write a file whole or not at all. Raises `DanelawError`."""
        pieces = {".csv": self._csv, ".json": self._json, ".html": self._html}[kind]()
        try:
            descriptor, name = tempfile.mkstemp(dir=target.absolute().parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as stream:
                    stream.writelines(pieces)
                umask = os.umask(0)
                os.umask(umask)
                Path(name).chmod(0o666 & ~umask)
                Path(name).replace(target)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise DanelawError(f"{target} cannot be written: {error.strerror or error}") from None

    def _csv(self) -> Iterable[str]:
        from danelaw.adoption import table

        yield table.header()
        for facts in rows(self.book):
            yield table.line(facts)

    def _json(self) -> Iterable[str]:
        head = json.dumps(self.to_json(), indent=1, ensure_ascii=False)
        yield head.rstrip("}\n") + ',\n "domains": ['
        comma = "\n"
        for facts in rows(self.book):
            yield comma + json.dumps(facts.to_json(), ensure_ascii=False)
            comma = ",\n"
        yield "\n ]\n}\n"

    def _html(self) -> Iterable[str]:
        from danelaw.adoption.page import page

        return page(self.summary, self.notes, self.made_at, self.comparison)

    def show(self, out: Output, written: list[str], *, as_json: bool) -> None:
        """Print it, for people or as JSON."""
        from danelaw.cli.survey_page import show

        if as_json:
            out.json(self.to_json())
        else:
            show(out, self, written)


def rows(book: SurveyBook) -> Iterator[DomainFacts]:
    """The domains that are done, those with most recipients first."""
    for name, recipients, facts in book.found():
        yield DomainFacts.decode(name, recipients, facts)


def report(book: SurveyBook, reading: Reading, ended: Ended, now: float, earlier: Comparison | None) -> Result:
    """Add everything up; `now` in POSIX seconds."""
    summary, made_at = Summary(), 0.0
    for facts in rows(book):
        summary.add(facts)
        made_at = max(made_at, facts.checked)
        if earlier is not None:
            earlier.add(facts)
    done, total = book.progress()
    notes = []
    blocked = book.note("blocked")
    if blocked:
        notes.append(f"Servers were {blocked}; what DNS publishes is judged.")
    if done < total:
        notes.append(f"{total - done:,} of {total:,} domains are not asked yet: those with fewest recipients.")
    invalid = reading.extraction
    if invalid.invalid_count:
        first = "; ".join(f"line {one.number}: {one.reason}" for one in invalid.invalid[:_INVALID_SHOWN])
        more = (
            f"; and {invalid.invalid_count - _INVALID_SHOWN:,} more" if invalid.invalid_count > _INVALID_SHOWN else ""
        )
        plural = "line was" if invalid.invalid_count == 1 else "lines were"
        notes.append(f"{invalid.invalid_count:,} {plural} not understood: {first}{more}.")
    return Result(book, reading, ended, summary, earlier, done, total, made_at or now, notes)
