"""`danelaw publish plan`."""

from __future__ import annotations

import click


@click.group(no_args_is_help=True)
def command() -> None:
    """What you should publish in DNS for your own names. Nothing here changes anything."""
