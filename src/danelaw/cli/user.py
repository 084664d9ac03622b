"""`danelaw user`: who may log in and send."""

from __future__ import annotations

import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.output import Symbol
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.sasl import User, UserTable, Verifier

_FEWEST_CHARACTERS = 8
_MOST_INPUT = 4096

_stdin_option = click.option(
    "--stdin", "from_stdin", is_flag=True, help="Read the password from the first line of standard input."
)


@click.group(no_args_is_help=True)
def command() -> None:
    """Add, list, remove or check users who may log in and send: the file `users` of `[submission]`.

    A password is asked for twice, read from standard input, or made up; never an argument, which others could see. A
    running gateway takes changes up by itself within seconds.
    """


@command.command("add")
@click.argument("name")
@click.option(
    "--address", "addresses", multiple=True, metavar="ADDRESS", help="May send as it; @domain for all of one."
)
@click.option("--generate", is_flag=True, help="Make up a password and print it once.")
@_stdin_option
@config_option
@output_options
def add(
    name: str,
    addresses: tuple[str, ...],
    generate: bool,
    from_stdin: bool,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Add NAME, mostly an e-mail address, with a password."""
    from danelaw.cli.user_file import change, text_of
    from danelaw.sasl import User, UserTable
    from danelaw.sasl.users import sender_address, user_name, with_user

    path, scram = _file(config_file)
    kept, own = user_name(name), tuple(sender_address(one) for one in addresses)
    if UserTable.from_text(text_of(path), str(path)).get(kept) is not None:
        raise DanelawError(f"user {kept} exists", advice=f"danelaw user passwd {kept}")
    password = _made_up() if generate else _asked(from_stdin, twice=True)
    verifier = _verifier(password, scram=scram)

    def edit(text: str) -> str:
        if UserTable.from_text(text, str(path)).get(kept) is not None:
            raise DanelawError(f"user {kept} exists", advice=f"danelaw user passwd {kept}")
        return with_user(text, User(kept, verifier, own))

    change(path, edit)
    _said(as_json, ascii_only, {"added": kept}, f"{kept} may log in.", f"danelaw user check {kept}",
          password if generate else None)  # fmt: skip


@command.command("passwd")
@click.argument("name")
@click.option("--generate", is_flag=True, help="Make up a password and print it once.")
@_stdin_option
@config_option
@output_options
def passwd(
    name: str, generate: bool, from_stdin: bool, config_file: Path | None, as_json: bool, ascii_only: bool
) -> None:
    """Give NAME a new password; the old one ends at once, also where it was right a minute ago."""
    from danelaw.cli.user_file import change, text_of
    from danelaw.sasl import User, UserTable
    from danelaw.sasl.users import with_user

    path, scram = _file(config_file)
    kept = _known(UserTable.from_text(text_of(path), str(path)), name).name
    password = _made_up() if generate else _asked(from_stdin, twice=True)
    verifier = _verifier(password, scram=scram)

    def edit(text: str) -> str:
        user = _known(UserTable.from_text(text, str(path)), kept)
        return with_user(text, User(user.name, verifier, user.addresses))

    change(path, edit)
    _said(as_json, ascii_only, {"changed": kept}, f"{kept} has a new password.", f"danelaw user check {kept}",
          password if generate else None)  # fmt: skip


@command.command("remove")
@click.argument("name")
@config_option
@output_options
def remove(name: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Remove NAME: it cannot log in any more. Connections that are open stay, and so does mail in the queue."""
    from danelaw.cli.user_file import change
    from danelaw.sasl import UserTable
    from danelaw.sasl.users import user_name, without_user

    path, _ = _file(config_file)
    kept = user_name(name)

    def edit(text: str) -> str:
        return without_user(text, _known(UserTable.from_text(text, str(path)), kept).name)

    change(path, edit)
    _said(as_json, ascii_only, {"removed": kept}, f"{kept} cannot log in any more.", f"danelaw queue list user:{kept}")


@command.command("list")
@config_option
@output_options
def list_(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List users, the mechanisms each can use, and the addresses it may send as."""
    from danelaw.cli.user_file import text_of
    from danelaw.sasl import UserTable

    path, scram = _file(config_file)
    users = list(UserTable.from_text(text_of(path), str(path)))
    out = output(ascii_only)
    if as_json:
        out.json({"users": [{"name": u.name, "scram": _has_scram(u), "addresses": list(u.addresses)} for u in users]})
        return
    if not users:
        out.line("Nobody may log in.")
        out.next("danelaw user add NAME")
        return
    rows = [
        (
            Symbol.STOPPED if scram and not _has_scram(user) else Symbol.NONE,
            (user.name, "SCRAM, PLAIN, LOGIN" if _has_scram(user) else "PLAIN, LOGIN", ", ".join(user.addresses)),
        )
        for user in users
    ]
    out.table(rows, heads=("USER", "MECHANISMS", "SENDS AS"))
    if scram and any(not _has_scram(user) for user in users):
        out.paragraph(
            "SCRAM-SHA-256 is offered; clients of the marked users may choose it and fail. New passwords help."
        )
    out.next("danelaw user add NAME")


@command.command("check")
@click.argument("name")
@_stdin_option
@config_option
@output_options
def check(name: str, from_stdin: bool, config_file: Path | None, as_json: bool, ascii_only: bool) -> int:
    """Ask for the password of NAME and say whether it is right. Exit status 1 when it is not."""
    from danelaw.cli.user_file import text_of
    from danelaw.sasl import UserTable, saslprep

    path, _ = _file(config_file)
    user = _known(UserTable.from_text(text_of(path), str(path)), name)
    right = user.verifier.matches(saslprep(_asked(from_stdin, twice=False)))
    out = output(ascii_only)
    if as_json:
        out.json({"user": user.name, "right": right, "addresses": list(user.addresses)})
    else:
        out.headline(
            Symbol.VERIFIED if right else Symbol.STOPPED,
            f"the password of {user.name} is {'right' if right else 'another one'}",
        )
        if right:
            out.paragraph(f"It sends as {', '.join(user.addresses) or user.name}.")
        else:
            out.next(f"danelaw user passwd {user.name}")
    return 0 if right else 1


def _file(config_file: Path | None) -> tuple[Path, bool]:
    """The file of users, and whether verifiers are to be made for SCRAM."""
    section = load_config(config_file).submission
    if section.users is None:
        raise DanelawError(
            "the configuration names no file of users", advice='[submission] users = "/etc/danelaw/users"'
        )
    return section.users, "SCRAM-SHA-256" in section.mechanisms


def _known(table: UserTable, name: str) -> User:
    from danelaw.sasl.users import user_name

    user = table.get(user_name(name))
    if user is None:
        raise DanelawError(f"there is no user {name}", advice="danelaw user list")
    return user


def _asked(from_stdin: bool, *, twice: bool) -> str:
    """A password, from the terminal without showing it, or from standard input."""
    if from_stdin:
        password = sys.stdin.readline(_MOST_INPUT).removesuffix("\n").removesuffix("\r")
    else:
        password = str(click.prompt("Password", hide_input=True, confirmation_prompt=twice, err=True))
    if twice and len(password) < _FEWEST_CHARACTERS:
        raise DanelawError(
            f"the password has fewer than {_FEWEST_CHARACTERS} characters", advice="let one be made up: --generate"
        )
    return password


def _made_up() -> str:
    return secrets.token_urlsafe(15)


def _verifier(password: str, *, scram: bool) -> Verifier:
    from danelaw.sasl import SCRAMKeys, ScryptKey, saslprep
    from danelaw.sasl.verifiers import SALT_OCTETS

    prepared, salt = saslprep(password, stored=True), secrets.token_bytes(SALT_OCTETS)
    return SCRAMKeys.of(prepared, salt) if scram else ScryptKey.of(prepared, salt)


def _has_scram(user: User) -> bool:
    from danelaw.sasl import SCRAMKeys

    return isinstance(user.verifier, SCRAMKeys)


def _said(
    as_json: bool, ascii_only: bool, fields: dict[str, str], words: str, following: str, password: str | None = None
) -> None:
    out = output(ascii_only)
    if as_json:
        out.json(fields if password is None else fields | {"password": password})
        return
    out.line(words)
    if password is not None:
        out.line(f"Password: {password}")
    out.next(following)
