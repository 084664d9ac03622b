"""Options that many commands share, and the loading of the configuration behind `--config`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from danelaw.cli.output import Output

if TYPE_CHECKING:
    from danelaw.config import Config

F = TypeVar("F", bound=Callable[..., Any])


def config_option(command: F) -> F:
    """`--config FILE`, given to the command as `config_file`."""
    return click.option(
        "--config",
        "config_file",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Configuration; otherwise DANELAW_CONFIG, ./danelaw.toml, /etc/danelaw/danelaw.toml.",
    )(command)


def spool_option(command: F) -> F:
    """`--spool DIR`, given to the command as `spool`, with `--config` beside it."""
    option = click.option(
        "--spool",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        envvar="DANELAW_SPOOL",
        help="The spool directory; otherwise the configuration's.",
    )
    return option(config_option(command))


def json_option(command: F) -> F:
    """`--json`, given to the command as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def ascii_option(command: F) -> F:
    """`--ascii`, given to the command as `ascii_only`."""
    return click.option("--ascii", "ascii_only", is_flag=True, help="Print no character outside ASCII.")(command)


def output_options(command: F) -> F:
    """`--json` and `--ascii` together."""
    return json_option(ascii_option(command))


def seconds(text: str, option: str) -> float:
    """A duration such as `30m` in seconds. Raises `click.UsageError` that names the option."""
    from danelaw.config.values import parse_duration

    try:
        return parse_duration(text).total_seconds()
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def load_config(file: Path | None) -> Config:
    """The configuration a command is to use. Raises `ConfigError`."""
    from danelaw.config import load

    return load(file)


def ask_gateway(
    spool: Path | None,
    config_file: Path | None,
    operation: str,
    arguments: Mapping[str, Any],
    directly: Callable[[Path], Any],
) -> Any:
    """Ask the running gateway of a spool over its control socket, or without one let `directly` read the directory.

    Raises `ConfigError`, `ControlError`, and what `directly` raises.
    """
    from danelaw.cli.control import NoServer, call

    directory, socket = spool_and_socket(spool, config_file)
    try:
        return call(socket, operation, arguments)
    except NoServer:
        return directly(directory)


def spool_and_socket(spool: Path | None, config_file: Path | None) -> tuple[Path, Path]:
    """The spool that `--spool` and `--config` mean, and the control socket of its gateway. Raises `ConfigError`."""
    if spool is not None:
        return spool, spool / "control.sock"
    config = load_config(config_file)
    return config.spool.directory, config.control_socket


def output(ascii_only: bool = False) -> Output:
    """Standard output as this terminal wants it."""
    return Output.detect(ascii_only=ascii_only)
