"""`danelaw filter test | ping`."""

from __future__ import annotations

import asyncio
import ipaddress
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.output import Output, Symbol
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.filters import FilterError, FilterResult, Judgement
    from danelaw.inbound.arrival import Arrival, Ruling

PASSES, STOPPED, UNKNOWN = 0, 3, 4
_FILE = click.Path(dir_okay=False, path_type=Path, allow_dash=True)


@click.group()
def command() -> None:
    """Show a message to the configured filters; ask whether they work."""


@command.command()
@click.argument("file", type=_FILE, metavar="FILE.eml")
@click.option("--filter", "names", multiple=True, metavar="NAME", help="Ask this one only; repeatable.")
@click.option("--ip", default="192.0.2.1", show_default=True, metavar="IP", help="Address of the client.")
@click.option("--helo", default="client.example", show_default=True, metavar="NAME", help="What it said in EHLO.")
@click.option("--mail-from", default="", metavar="ADDR", help="The reverse-path; otherwise the null one.")
@click.option("--rcpt", "recipients", multiple=True, metavar="ADDR", help="A recipient; otherwise postmaster here.")
@click.option("--trusted", is_flag=True, help="As from a client in [relay] networks.")
@config_option
@output_options
def test(
    file: Path,
    names: tuple[str, ...],
    ip: str,
    helo: str,
    mail_from: str,
    recipients: tuple[str, ...],
    trusted: bool,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Show a message to the configured filters, and say what each found, wants changed, and what would be done.

    Nothing is stored or sent. - reads standard input. Exit status: 0 the message would pass, 3 it would be held,
    refused or dropped, 4 a filter does not answer.
    """
    config = chosen(load_config(config_file), names)
    arrival = _arrival(config, file, (ip, helo, trusted), mail_from, recipients)
    judgement, ruling = asyncio.run(_judged(config, arrival))
    out = output(ascii_only)
    if as_json:
        out.json(as_object(arrival, judgement, ruling))
    else:
        _show(out, arrival, judgement, ruling)
    if any(result.verdict.value == "failed" for result in judgement.results):
        return UNKNOWN
    return PASSES if ruling is None else STOPPED


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@config_option
@output_options
def ping(names: tuple[str, ...], config_file: Path | None, as_json: bool, ascii_only: bool) -> int:
    """Ask every server of the configured filters whether it works.

    Exit status 0 when all do, 4 when one does not.
    """
    config = chosen(load_config(config_file), names)
    found = asyncio.run(_pinged(config))
    out = output(ascii_only)
    if as_json:
        rows = [
            {"filter": name, "server": server, "works": isinstance(answer, str), "answer": _words(answer)}
            for name, server, answer in found
        ]
        out.json({"servers": rows})
    else:
        down = sum(not isinstance(answer, str) for _, _, answer in found)
        words = "all servers answer." if not down else f"{down} of {len(found)} servers do not answer."
        out.headline(Symbol.STOPPED if down else Symbol.VERIFIED, words)
        out.line()
        rows_shown = [
            (Symbol.VERIFIED if isinstance(answer, str) else Symbol.STOPPED, (name, server, _words(answer)))
            for name, server, answer in found
        ]
        out.table(rows_shown, heads=("FILTER", "SERVER", "ANSWER"))
        out.line()
        out.next("danelaw doctor" if down else "danelaw filter test FILE.eml")
    return PASSES if all(isinstance(answer, str) for _, _, answer in found) else UNKNOWN


def chosen(config: Config, names: tuple[str, ...]) -> Config:
    """The configuration with the named filters only. Raises `DanelawError` when there is none to ask."""
    if not config.filter:
        raise DanelawError(
            "no filter is configured",
            advice='add [[filter]] with name, kind and address, for instance kind = "rspamd"',
        )
    known = {section.name for section in config.filter}
    for name in names:
        if name not in known:
            raise DanelawError(f"there is no filter {name!r}", advice=f"known: {', '.join(sorted(known))}")
    kept = tuple(section for section in config.filter if not names or section.name in names)
    return config.model_copy(update={"filter": kept})


def _arrival(
    config: Config, file: Path, client: tuple[str, str, bool], mail_from: str, recipients: tuple[str, ...]
) -> Arrival:
    from danelaw.address import ForwardPath, MailboxError, ReversePath
    from danelaw.cli.dkim_file import read_message
    from danelaw.inbound.arrival import Arrival, Client, Content
    from danelaw.smtp import Envelope, Recipient

    ip, helo, trusted = client
    try:
        address = str(ipaddress.ip_address(ip))
    except ValueError:
        raise click.UsageError(f"--ip: {ip!r} is not an IP address; write 192.0.2.1 or 2001:db8::1") from None
    octets = read_message(file).octets
    try:
        sender = ReversePath.from_text(f"<{mail_from.strip('<>')}>")
        texts = recipients or (f"postmaster@{config.hostname}",)
        paths = [Recipient(ForwardPath.from_text(f"<{text.strip('<>')}>")) for text in texts]
    except MailboxError as error:
        raise click.UsageError(error.reason) from None
    return Arrival(
        0, time.time(), Client(address, 25, helo, True, None, trusted), Envelope(sender, tuple(paths)),
        Content(octets, len(octets)), sender, paths,
    )  # fmt: skip


async def _judged(config: Config, arrival: Arrival) -> tuple[Judgement, Ruling | None]:
    from danelaw.inbound.filtering import Filtering
    from danelaw.inbound.filters_of import filter_set

    step = Filtering(filter_set(config), config.filtering, hostname=str(config.hostname))
    try:
        judgement = await step.judged(arrival)
    finally:
        step.left(arrival.client)
    return judgement, step.ruling(arrival, judgement)


async def _pinged(config: Config) -> list[tuple[str, str, str | FilterError]]:
    from danelaw.inbound.filters_of import filter_set

    filters = filter_set(config).filters
    answers = await asyncio.gather(*(one.ping() for one in filters.values()))
    return [
        (name, str(server), answer)
        for name, found in zip(filters, answers, strict=True)
        for server, answer in found.items()
    ]


def _words(answer: str | FilterError) -> str:
    return answer if isinstance(answer, str) else answer.reason


def as_object(arrival: Arrival, judgement: Judgement, ruling: Ruling | None) -> dict[str, Any]:
    """For `--json`."""
    return {
        "action": judgement.action.name.lower(),
        "reason": judgement.reason,
        "score": judgement.score,
        "reply": _reply(ruling),
        "results": [result.as_object() for result in judgement.results],
        "fields_added": [field.decode("utf-8", "replace").rstrip("\r\n") for field in reversed(arrival.added)],
        "findings": [{"step": one.step, "result": one.result, "reason": one.reason} for one in arrival.findings],
    }


def _reply(ruling: Ruling | None) -> str | None:
    from danelaw.inbound.arrival import Refuse

    return ruling.reply.to_text() if isinstance(ruling, Refuse) else None


def _show(out: Output, arrival: Arrival, judgement: Judgement, ruling: Ruling | None) -> None:
    symbol, answer = {
        "PASS": (Symbol.VERIFIED, "the message passes"),
        "TAG": (Symbol.ENCRYPTED, "the message passes, tagged"),
        "HOLD": (Symbol.STOPPED, "the message is held"),
        "DISCARD": (Symbol.STOPPED, "the message is accepted and goes nowhere"),
        "DEFER": (Symbol.STOPPED, "the client is asked to come again"),
        "REFUSE": (Symbol.STOPPED, "the message is refused"),
    }[judgement.action.name]
    out.headline(symbol, f"{answer}." if not judgement.reason else f"{answer}: {judgement.reason}.")
    reply = _reply(ruling)
    if reply is not None:
        out.paragraph(f"reply: {reply}")
    if judgement.score is not None:
        out.paragraph(f"weighted sum of scores: {judgement.score:g}")
    out.line()
    rows = [(_symbol(result), _cells(result)) for result in judgement.results]
    out.table(rows, heads=("FILTER", "VERDICT", "SCORE", "TIME", "EVIDENCE"))
    for finding in arrival.findings:
        if finding.result in ("removed", "not done"):
            out.paragraph(f"{finding.result}: {finding.reason}")
    for field in reversed(arrival.added):
        out.paragraph("added: " + field.decode("utf-8", "replace").replace("\r\n\t", " ").rstrip(), hang=4)
    out.line()
    out.next("danelaw filter ping" if any(r.verdict.value == "failed" for r in judgement.results) else "danelaw serve")


def _symbol(result: FilterResult) -> Symbol:
    if result.verdict.value == "clean":
        return Symbol.VERIFIED
    return Symbol.CLEAR if result.verdict.value in ("tag", "greylist", "too-large") else Symbol.STOPPED


def _cells(result: FilterResult) -> tuple[str, ...]:
    from danelaw.filters.result import shown_edit

    score = "" if result.score is None else f"{result.score:g}"
    score += "" if result.required is None else f"/{result.required:g}"
    evidence = [result.reason, ", ".join(result.names), "; ".join(map(shown_edit, result.edits[:8])), result.server]
    return (
        result.filter,
        result.verdict.value,
        score or "–",
        f"{result.seconds * 1000:.0f} ms",
        " · ".join(part for part in evidence if part),
    )
