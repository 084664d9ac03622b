"""The options of `danelaw survey`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
_FORMS = ("auto", "list", "postfix", "exim", "danelaw", "csv")
_OPTIONS = (
    click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path, allow_dash=True)),
    click.option("--history", metavar="TIME", help="Instead of FILE: own recipients of this time, such as 30d."),
    click.option("--form", type=click.Choice(_FORMS), default="auto", help="What FILE is.  [default: found out]"),
    click.option("--column", metavar="NAME|N", help="FILE is CSV, and this column holds domains or addresses."),
    click.option(
        "--state",
        "state_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Where to keep what was found out.  [default: FILE.survey]",
    ),
    click.option("--again", is_flag=True, help="Forget what was found out, and ask anew."),
    click.option("--no-connect", is_flag=True, help="Ask DNS only: no server is connected to, no policy fetched."),
    click.option(
        "--rate", type=click.FloatRange(1, 100_000), default=500.0, show_default=True, help="Questions to DNS a second."
    ),
    click.option(
        "--connections", type=click.IntRange(1, 1000), default=64, show_default=True, help="Connections open at once."
    ),
    click.option(
        "--per-provider", type=click.IntRange(1, 100), default=2, show_default=True, help="Of them, to one provider."
    ),
    click.option("--budget", metavar="TIME", help="Stop after this time, such as 30m; the same command goes on."),
    click.option(
        "--write",
        "targets",
        multiple=True,
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write the result as .csv (one row a domain), .json or .html; repeatable.",
    ),
    click.option(
        "--compare",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="OLD.json",
        help="Say what changed since a survey that was written as .json.",
    ),
    click.option("--quiet", is_flag=True, help="No line of progress."),
    click.option(
        "--roots",
        "roots_file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        metavar="CA.pem",
        help="Public CAs to trust, instead of this machine's.",
    ),
    click.option(
        "--route", "routes", multiple=True, metavar="A:P=A:P", help="Connect elsewhere, for a lab; repeatable."
    ),
    click.option(
        "--timeout", type=click.FloatRange(0.1, 300), default=10.0, show_default=True, help="Seconds to connect."
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was given on the command line, as `click` names it."""

    file: Path | None
    history: str | None
    form: str
    column: str | None
    state_file: Path | None
    again: bool
    no_connect: bool
    rate: float
    connections: int
    per_provider: int
    budget: str | None
    targets: tuple[Path, ...]
    compare: Path | None
    quiet: bool
    roots_file: Path | None
    routes: tuple[str, ...]
    timeout: float
    servers: tuple[str, ...]
    anchor_file: Path | None
    at: str | None
    spool: Path | None
    config_file: Path | None
    as_json: bool
    ascii_only: bool

    @property
    def usual_state(self) -> Path:
        """Where to keep what was found out."""
        if self.state_file is not None:
            return self.state_file
        if self.file is None or str(self.file) == "-":
            return Path("danelaw.survey")
        return self.file.with_name(f"{self.file.name}.survey")


def survey_options(command: F) -> F:
    """Add them all; the command receives the fields of `Given`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
