"""The command `danelaw`.

Every command is a module `danelaw.cli.<name>` with a click command called `command`; it is imported only
when used, so that `danelaw --help` costs nothing. To add one, add the file and a line in
`danelaw.cli.frame.COMMANDS`. Output goes through `danelaw.cli.output`. An expected failure is a
`DanelawError`, which `main` shows as what is wrong and "next: …", with exit status 1; a wrong command line
is exit status 2.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import NoReturn

import click

from danelaw import __version__
from danelaw.cli.frame import COMMANDS, Commands
from danelaw.errors import DanelawError

__all__ = ["COMMANDS", "danelaw", "main"]


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 116})
@click.version_option(__version__, message="danelaw %(version)s")
def danelaw() -> None:
    """Mail under the strongest protection its destination publishes, proved and explained."""


def main(args: list[str] | None = None) -> NoReturn:
    """Run the command line (default: `sys.argv`) and exit with its status; never a traceback for a `DanelawError`."""
    # A library's remarks about odd certificates of others; what counts against one is said in our own words.
    warnings.filterwarnings("ignore", message="Parsed a |The parsed certificate")
    try:
        status = danelaw.main(args=args, prog_name="danelaw", standalone_mode=False)
    except DanelawError as error:
        print_error(error.reason, error.advice)
        sys.exit(1)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx is not None else "danelaw"
        print_error(error.format_message(), f"{command} --help")
        sys.exit(2)
    except click.ClickException as error:
        print_error(error.format_message(), None)
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            _reader_left()
        print_error(f"{error.filename or 'the system'}: {error.strerror or error}", None)
        sys.exit(1)
    except Exception as error:
        # A defect of ours: in words for who only wants mail to work, in full for who reports it.
        if os.environ.get("DANELAW_TRACEBACK"):
            raise
        print_error(
            f"this is a defect of danelaw {__version__}: {type(error).__name__}: {error}",
            "run it again with DANELAW_TRACEBACK=1 in front and report what it prints; mail in the spool is safe",
        )
        sys.exit(70)
    sys.exit(status if isinstance(status, int) else 0)


def _reader_left() -> NoReturn:
    """The reader (head, less) has seen enough."""
    # Without this the interpreter complains again at its end.
    sys.stderr.close()
    sys.exit(0)


def print_error(reason: str, advice: str | None) -> None:
    """Write a failure to standard error: what is wrong, and what to do next."""
    click.echo(f"danelaw: {reason}", err=True)
    if advice:
        click.echo(f"next: {advice}", err=True)
