"""`danelaw notices`: what senders read when mail waits or comes back, for reading it as they would."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import ascii_option, config_option, output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.dsn import Texts


@click.group(no_args_is_help=True)
def command() -> None:
    """Show the delivery notices that senders get, each cause with its words.

    The texts are yours to change and to translate: see docs/notices.md.
    """


@command.command("list")
@click.option("--language", metavar="CODE", help="Such as de; otherwise the first of [notices] languages.")
@config_option
@output_options
def list_(language: str | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List every cause of failure that has words of its own, and the sentence a sender reads."""
    from danelaw.cli.output import Symbol
    from danelaw.dsn import Cause

    texts = _languages(language, config_file)[0]
    causes = [one for one in Cause if one is not Cause.OTHER]
    said = [
        (one.value, texts.of_cause(one, "why", destination="example.org", host="mx1.example.org")) for one in causes
    ]
    out = output(ascii_only)
    if as_json:
        out.json({"language": texts.language, "causes": [{"cause": name, "why": why} for name, why in said]})
        return
    out.table([(Symbol.NONE, row) for row in said], heads=("CAUSE", "WHAT A SENDER READS"))
    out.next(f"danelaw notices show {causes[0].value}")


@command.command()
@click.argument("cause")
@click.option("--language", metavar="CODE", help="Such as de; otherwise all of [notices] languages.")
@click.option("--delayed", is_flag=True, help="The notice of a delay, in place of the one that returns the message.")
@click.option("--raw", is_flag=True, help="The whole notice as it is sent, fields for programs included.")
@config_option
@ascii_option
def show(
    cause: str, language: str | None, delayed: bool, raw: bool, config_file: Path | None, ascii_only: bool
) -> None:
    """Print the notice that a sender gets for one CAUSE, with made-up hosts and times; `all` prints every one.

    Nothing is sent and no mail is looked at.
    """
    from danelaw.cli.notices_example import example_of
    from danelaw.dsn import Cause, build, explanation, subject

    known = {one.value: one for one in Cause if one is not Cause.OTHER}
    if cause != "all" and cause not in known:
        raise DanelawError(f"there is no cause {cause!r}", advice="danelaw notices list")
    languages = _languages(language, config_file)
    now = time.time()
    out = output(ascii_only)
    for one in known.values() if cause == "all" else (known[cause],):
        example = example_of(one, now, delayed=delayed)
        if raw:
            content = build(example, date=now, message_id="<1@mx.here.example>", boundary="=_1", languages=languages)
            _lines(out, content.decode("utf-8"))
            continue
        if cause == "all":
            out.line(f"== {one.value} ==")
        out.line(f"Subject: {subject(example, languages[0])}")
        out.line()
        _lines(out, explanation(example, "<42@shop.example>", languages))
        if cause == "all":
            out.line()


@command.command()
@click.argument("language")
@ascii_option
def source(language: str, ascii_only: bool) -> None:
    """Print the shipped texts of LANGUAGE (en, de), to change or translate them in a file of your own."""
    from danelaw.dsn import shipped, shipped_source

    shipped(language)
    _lines(output(ascii_only), shipped_source(language).rstrip("\n"))


def _lines(out: Output, text: str) -> None:
    for line in text.splitlines():
        out.line(line)


def _languages(language: str | None, config_file: Path | None) -> tuple[Texts, ...]:
    from danelaw.config.notifying import Notices, notice_texts

    config = _configured(config_file)
    section = config.notices if config is not None else Notices()
    if language is not None:
        section = Notices(languages=(language,), templates=section.templates)
    return notice_texts(section)


def _configured(file: Path | None) -> Config | None:
    """The configuration where there is one: the shipped texts can be read without."""
    from danelaw.config import ConfigError, load

    try:
        return load(file)
    except ConfigError:
        if file is not None:
            raise
        return None
