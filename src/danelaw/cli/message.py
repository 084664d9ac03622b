"""`danelaw message`: what a message consists of, and what is odd about it."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.message import Octets

_FILE = click.Path(dir_okay=False, path_type=Path, allow_dash=True)
_LARGEST_INPUT = 256 << 20


@click.command()
@click.argument("file", type=_FILE, metavar="FILE.eml")
@output_options
def command(file: Path, as_json: bool, ascii_only: bool) -> int:
    """Show the fields and parts of a message, with names decoded and every oddity by its name.

    The file is read as it is, of any size; - reads standard input. Nothing is looked up and nothing changed. The JSON
    form is described in docs/schemas/message.md.
    """
    from danelaw.cli.message_page import as_object, show
    from danelaw.message import Part

    with _octets(file) as octets:
        message = Part.from_octets(octets)
        out = output(ascii_only)
        if as_json:
            out.json(as_object(message))
        else:
            show(out, message, str(file))
    return 0


@contextmanager
def _octets(file: Path) -> Iterator[Octets]:
    """The file mapped into memory; standard input read whole. Raises `DanelawError`."""
    if str(file) == "-":
        with click.open_file("-", "rb") as stdin:
            data: bytes = stdin.read(_LARGEST_INPUT + 1)
        if len(data) > _LARGEST_INPUT:
            raise DanelawError(f"standard input has more than {_LARGEST_INPUT} octets; give a file")
        yield data
        return
    try:
        stream = file.open("rb")
    except OSError as error:
        raise DanelawError(f"{file} cannot be read: {error.strerror or type(error).__name__}") from None
    with stream:
        try:
            mapped = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            # An empty file and a pipe cannot be mapped.
            yield stream.read(_LARGEST_INPUT)
            return
        with mapped:
            yield mapped
