"""`danelaw safety`: who may ask the safety API, and asking it."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.output import LEVEL_SYMBOLS, Symbol, duration
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from http.client import HTTPResponse

_SECONDS = 15.0
_LARGEST = 4 << 20


@click.group(no_args_is_help=True)
def command() -> None:
    """Make tokens for the safety API of a running gateway, and ask it: docs/safety-api.md."""


@command.command("token")
@click.argument("name")
@click.option(
    "--add",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Add the line to this file, the one of [safety] tokens.",
)
@output_options
def token(name: str, file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Make a token for NAME. It is shown once; the file keeps only its SHA-256.

    A running gateway takes the file up by itself within seconds. To take a token back, remove its line.
    """
    from danelaw.safety.tokens import TOKEN_PREFIX, Tokens, line_of

    made = TOKEN_PREFIX + secrets.token_urlsafe(32)
    line = line_of(name, made)
    if file is not None:
        try:
            before = file.read_text("utf-8") if file.exists() else ""
            text = before + ("" if before.endswith("\n") or not before else "\n") + line + "\n"
            Tokens.from_text(text, str(file))
            file.write_text(text, "utf-8")
        except OSError as error:
            raise DanelawError(f"{file} cannot be written: {error.strerror}", advice="look at its owner") from None
    out = output(ascii_only)
    if as_json:
        out.json({"name": name, "token": made, "line": line})
        return
    out.headline(Symbol.NONE, f"Token of {name}, shown this once: {made}")
    if file is None:
        out.line(f"  Line for the file of tokens:  {line}")
        out.next("add the line to the file of [safety] tokens")
    else:
        out.next(f"curl -H 'Authorization: Bearer {made}' 'http://…/v1/safety?address=anna@example.org'")


@command.command("ask")
@click.argument("subject", metavar="ADDRESS|DOMAIN")
@click.option("--token", envvar="DANELAW_SAFETY_TOKEN", help="The token; better in DANELAW_SAFETY_TOKEN.")
@click.option("--url", metavar="URL", help="Where the API is; otherwise the configuration's.")
@click.option("--deadline", metavar="TIME", help="How long to look at most: 2s, 500ms.")
@config_option
@output_options
def ask(
    subject: str,
    token: str | None,
    url: str | None,
    deadline: str | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Ask the running API about ADDRESS or DOMAIN.

    Exit status: 0 whatever mail to it waits rather than goes unverified, 10 otherwise, 60 cannot tell yet.
    """
    base = url or _configured(config_file)
    answer = _fetched(base.rstrip("/"), subject, token, deadline)
    out = output(ascii_only)
    if as_json:
        out.json(answer)
    else:
        _show(out, subject, answer)
    if answer["level"] == "unknown":
        return 60
    requirement = answer["requirement"] or {}
    return 0 if requirement.get("waits_rather_than_unverified") else 10


def _configured(config_file: Path | None) -> str:
    config = load_config(config_file)
    if config.safety.listen is None:
        raise DanelawError("this gateway has no safety API", advice="set listen in [safety], or give --url")
    return f"http://{config.safety.listen}"


def _fetched(base: str, subject: str, token: str | None, deadline: str | None) -> dict[str, Any]:
    from urllib.error import HTTPError, URLError
    from urllib.parse import quote
    from urllib.request import ProxyHandler, Request, build_opener

    name = "address" if "@" in subject else "domain"
    limit = f"&deadline={quote(deadline, safe='')}" if deadline else ""
    target = f"{base}/v1/safety?{name}={quote(subject, safe='@')}{limit}"
    try:
        request = Request(target, headers={"Authorization": f"Bearer {token}"} if token else {})
        opened: HTTPResponse = build_opener(ProxyHandler({})).open(request, timeout=_SECONDS)
        with opened:
            read = json.loads(opened.read(_LARGEST))
    except HTTPError as error:
        try:
            said = json.loads(error.read(_LARGEST))
            raise DanelawError(str(said["error"]), advice=said.get("advice")) from None
        except (ValueError, KeyError, TypeError):
            raise DanelawError(f"{base} answers with HTTP status {error.code}") from None
    except (URLError, OSError, ValueError) as error:
        words = getattr(error, "reason", None) or error
        raise DanelawError(f"{base} cannot be asked: {words}", advice="is the gateway running?") from None
    if not isinstance(read, dict) or "level" not in read:
        raise DanelawError(f"{base} is no safety API")
    return read


def _show(out: Any, subject: str, answer: dict[str, Any]) -> None:
    symbol = LEVEL_SYMBOLS.get(answer["level"], Symbol.STOPPED)
    age = f"looked up {duration(answer['age'])} ago" if answer["state"] == "cached" else answer["state"]
    out.headline(symbol, f"{subject}: {answer['label']}. {answer['words']['people']}   {age}")
    out.line()
    rows = [
        (
            LEVEL_SYMBOLS.get(host["level"], Symbol.NONE),
            (
                f"{host['preference']:>3} {host['name']}",
                host["level"],
                host["basis"],
                host["tls"] or "",
                host["reason"],
            ),
        )
        for host in answer["hosts"]
    ]
    out.table(rows)
    found = answer.get("end_to_end")
    if found is not None:
        words = {True: "a key to encrypt to was found", False: "no key is published", None: "cannot tell"}
        out.line()
        out.line(f"  End to end: {words[found['possible']]}")
        for source in found["sources"]:
            out.paragraph(f"{source['source']:<12}{source['state']:<10}{source['reason']}", indent=4, hang=22)
    if answer["missing"]:
        out.line()
        out.line(f"  Not known within the deadline: {', '.join(answer['missing'])}; ask again.")
    out.next(f"danelaw check {subject}")
