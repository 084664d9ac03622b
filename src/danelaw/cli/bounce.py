"""`danelaw bounce classify | list`: what the replies of mail servers mean here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.cli.output import Symbol, duration

if TYPE_CHECKING:
    from danelaw.replies import BounceClass, Classifier, Responses

_WORDS = {
    "as-said": "tried again after 4yz, returned after 5yz",
    "retry": "tried again even after 5yz",
    "return": "returned at once even after 4yz",
}


@click.group()
def command() -> None:
    """Say what a server's reply means, and what is done about it.

    Rules and classes are those shipped with danelaw, with your own file ([bounces] file) before them.
    """


def _classifier(config_file: Path | None) -> Classifier:
    """With the operator's file where there is a configuration; the shipped rules alone need none."""
    from danelaw.config import ConfigError
    from danelaw.config.limiting import bounce_classifier
    from danelaw.replies import shipped

    try:
        config = load_config(config_file)
    except ConfigError:
        if config_file is not None:
            raise
        return shipped()
    return bounce_classifier(config.bounces.file)


def _responses(config_file: Path | None, classifier: Classifier) -> Responses:
    """With the operator's file where there is a configuration."""
    from danelaw.config import ConfigError
    from danelaw.config.limiting import responses
    from danelaw.replies import shipped_responses

    try:
        config = load_config(config_file)
    except ConfigError:
        if config_file is not None:
            raise
        return shipped_responses()
    return responses(config.responses, classifier)


@command.command()
@click.argument("reply")
@click.option("--site", default="", metavar="NAME", help="The MX site that said it, such as google.")
@config_option
@output_options
def classify(reply: str, site: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Say which bounce class REPLY has, and what is done about it: "550 5.1.1 No such user"."""
    from danelaw.replies import SpokenReply

    spoken = SpokenReply.from_text(reply)
    classifier = _classifier(config_file)
    found = classifier.classify(spoken, site)
    response = _responses(config_file, classifier).match(found, spoken, site)
    rule = found.rule.place if found.rule is not None else None
    out = output(ascii_only)
    again = found.bounce_class.treatment.again(spoken.code)
    if as_json:
        answer = None if response is None else {"action": response.action.value, "response": response.place}
        out.json({**_described(found.bounce_class), "rule": rule, "tried_again": again, "response": answer})
        return
    out.headline(Symbol.NONE, f"{found.bounce_class.name}: {found.bounce_class.notice}.")
    wait = f", after {duration(found.bounce_class.wait)} or more" if found.bounce_class.wait else ""
    out.paragraph(f"done: {'tried again' + wait if again else 'returned to the sender'}")
    if response is not None:
        out.paragraph(f"besides: {response.to_text(site, '')} ({response.place})")
    out.paragraph(f"advice: {found.bounce_class.advice}")
    out.paragraph(f"recognised by {rule or 'no rule, only by its code'}")
    out.next("danelaw bounce list")


@command.command("list")
@config_option
@output_options
def list_classes(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List all bounce classes, how each is treated, and how many rules lead to it."""
    classifier = _classifier(config_file)
    counts: dict[str, int] = {}
    for rule in classifier.file.rules:
        counts[rule.bounce_class.name] = counts.get(rule.bounce_class.name, 0) + 1
    out = output(ascii_only)
    if as_json:
        out.json({"classes": [_described(one) | {"rules": counts.get(one.name, 0)} for one in classifier.classes]})
        return
    rows = [(Symbol.NONE, (one.name, str(counts.get(one.name, 0)), _done(one))) for one in classifier.classes]
    out.table(rows, heads=("CLASS", "RULES", "DONE"))
    out.next('danelaw bounce classify "550 5.1.1 No such user"')


def _done(one: BounceClass) -> str:
    wait = f", not before {duration(one.wait)}" if one.wait else ""
    return _WORDS[one.treatment.value] + wait


def _described(one: BounceClass) -> dict[str, Any]:
    return {
        "class": one.name,
        "treatment": one.treatment.value,
        "wait": one.wait,
        "notice": one.notice,
        "advice": one.advice,
    }
