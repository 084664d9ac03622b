"""Finding the message that a command is to judge once more: in the spool by its id, or in a file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.scripting.recording.recorded import Given, Recorded

F = TypeVar("F", bound=Callable[..., Any])
LARGEST = 256 << 20
"""Octets of a file that is judged."""


def envelope_options(command: F) -> F:
    """What is known of a message besides its text: `--client` and so on, given to the command by these names."""
    for option in reversed(
        (
            click.option(
                "--client", metavar="IP", help="Address of the client; otherwise of the topmost Received field."
            ),
            click.option("--helo", metavar="NAME", help="What it said in EHLO."),
            click.option("--from", "sender", metavar="ADDR", help='Envelope sender, "" for the null reverse-path.'),
            click.option("--to", "recipients", multiple=True, metavar="ADDR", help="Envelope recipient; repeatable."),
            click.option("--user", metavar="NAME", help="As whom the client had logged in."),
            click.option("--listener", metavar="ADDRESS:PORT", help="What the client had connected to."),
        )
    ):
        command = option(command)
    return command


def given_of(
    config: Config,
    client: str | None = None,
    helo: str | None = None,
    sender: str | None = None,
    recipients: tuple[str, ...] = (),
    user: str | None = None,
    listener: str | None = None,
) -> Given:
    """What the options and the configuration say. Raises `click.UsageError` for an address that is none."""
    import ipaddress

    from danelaw.address import ForwardPath, ReversePath
    from danelaw.inbound.relay import RelayPolicy
    from danelaw.scripting.recording.recorded import Given

    try:
        if client is not None:
            client = str(ipaddress.ip_address(client))
        if sender:
            ReversePath.from_text(f"<{sender}>")
        for one in recipients:
            ForwardPath.from_text(f"<{one}>")
    except (ValueError, DanelawError) as error:
        raise click.UsageError(str(error)) from None
    return Given(
        client=client,
        helo=helo,
        sender=sender,
        recipients=recipients or None,
        user=user,
        listener=listener,
        authserv_ids=(str(config.authentication.authserv_id or config.hostname), str(config.hostname)),
        trusts=RelayPolicy(config).trusts,
    )


def recorded(what: str, config: Config, given: Given) -> Recorded:
    """The message of a queue id, or of a file. Raises `DanelawError`."""
    from danelaw.scripting.recording.recorded import from_file, from_stored

    path = Path(what)
    if path.is_file():
        return from_file(what, read_file(path), given, now=time.time())
    if "/" in what or "." in what:
        raise DanelawError(f"there is no file {what}", advice="name a file, or the id of a message that waits")
    from danelaw.spool.whole import whole

    return from_stored(*whole(config.spool.directory, what), given)


def read_file(path: Path) -> bytes:
    """The octets of a file. Raises `DanelawError`."""
    try:
        if path.stat().st_size > LARGEST:
            raise DanelawError(f"{path} has more than {LARGEST >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise DanelawError(f"{path} cannot be read: {error.strerror}") from None


def show_unknown(out: Output, message: Recorded) -> None:
    """Say what of a message is no longer known."""
    if message.unknown:
        out.line("  Not known any more, or guessed:")
        for words in message.unknown:
            out.paragraph(f"- {words}", indent=4, hang=2)
