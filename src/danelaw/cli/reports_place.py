"""Where `danelaw reports` finds its file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from danelaw.cli.options import load_config, output_options, spool_option
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.state import ReportsDatabase

F = TypeVar("F", bound=Callable[..., Any])


def place_options(command: F) -> F:
    """`--spool`, `--config`, and how to print."""
    return spool_option(output_options(command))


def directory(spool: Path | None, config_file: Path | None) -> Path:
    """The spool. Raises `DanelawError`."""
    return spool if spool is not None else load_config(config_file).spool.directory


@contextlib.contextmanager
def reports_database(directory: Path, *, write: bool = False) -> Iterator[ReportsDatabase | None]:
    """The file in a spool; None where there is none yet and nothing is to be written."""
    from danelaw.state import ReportsDatabase
    from danelaw.state.reports_database import FILE_NAME

    path = directory / FILE_NAME
    if not directory.is_dir():
        raise DanelawError(f"the spool {directory} does not exist yet", advice="start the gateway once: danelaw serve")
    if not write and not path.exists():
        yield None
        return
    database = ReportsDatabase(path, read_only=not write)
    try:
        yield database
    finally:
        database.close()


def read_file(file: Path, largest: int) -> bytes:
    """A report, standard input for `-`. Raises `DanelawError` for what is larger than so many octets."""
    try:
        with click.open_file(str(file), "rb") as stream:
            data: bytes = stream.read(largest + 1)
    except OSError as error:
        raise DanelawError(f"{file} cannot be read: {error.strerror or type(error).__name__}") from None
    if len(data) > largest:
        raise DanelawError(f"{file} has more than {largest} octets")
    return data
