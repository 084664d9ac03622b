"""`danelaw config check | schema | effective`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import ascii_option, config_option, load_config, output, output_options
from danelaw.cli.output import Output, Symbol
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from danelaw.config import Config
    from danelaw.config.asking import Asked


@click.group()
def command() -> None:
    """Check the configuration; show what applies to a destination."""


@command.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@config_option
@output_options
def check(file: Path | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> int:
    """Say whether a configuration and its map files can be used, and everything that is wrong with them.

    Exit status 0 when it can, 1 when not.
    """
    from danelaw.aliases import AliasFileError
    from danelaw.config import ConfigError

    out = output(ascii_only)
    try:
        config = load_config(file or config_file)
    except ConfigError as error:
        if not as_json:
            raise
        out.json({"ok": False, "problems": [_problem(problem) for problem in error.problems]})
        return 1
    try:
        _check_files(config)
    except AliasFileError as error:
        if not as_json:
            raise
        rows = [{"file": one.file, "line": one.line, "key": None, "wrong": one.wrong} for one in error.problems]
        out.json({"ok": False, "problems": [row | {"right": None} for row in rows]})
        return 1
    remarks = remarks_on(config)
    if as_json:
        out.json({"ok": True, "file": str(config.source), "remarks": remarks})
        return 0
    out.headline(Symbol.VERIFIED, f"{config.source} can be used: {_summary(config)}.")
    for remark in remarks:
        out.paragraph(f"note: {remark}")
    out.next("danelaw serve" + (f" --config {config.source}" if file or config_file else ""))
    return 0


def _check_files(config: Config) -> None:
    """The data files beside the configuration, each rule held to its examples; the maps of recipients and aliases, and
    the keys of SRS. Raises `DanelawError`.
    """
    from danelaw.config.limiting import bounce_classifier, limit_rules, responses, site_roll, unrecognised
    from danelaw.config.signing import signing_keys
    from danelaw.config.trusting import trust_groups
    from danelaw.frontdoor import map_files
    from danelaw.frontdoor.rewriting import rewriter_of

    limit_rules(config.limit, site_roll(config.sites.file), shipped_limits=config.sites.limits)
    classifier = bounce_classifier(config.bounces.file)
    wrong = unrecognised(classifier) + responses(config.responses, classifier).failures(classifier)
    if wrong:
        raise DanelawError("\n".join(wrong), advice="correct the examples or the order of the rules")
    map_files(config)
    rewriter_of(config.srs)
    trust_groups(config.trust_group)
    signing_keys(config.dkim_key)


def _problem(problem: object) -> dict[str, object]:
    return {key: getattr(problem, key) for key in ("file", "line", "key", "wrong", "right")}


def _summary(config: Config) -> str:
    listeners = ", ".join(str(listen.address) for listen in config.listen)
    domains = len(config.domain)
    return (
        f"{config.hostname} listens on {listeners}, accepts mail for {domains} domain{'' if domains == 1 else 's'}"
        + (" and relays for " + ", ".join(_relays_for(config)) if _relays_for(config) else "")
    )


def _relays_for(config: Config) -> list[str]:
    where = [str(listen.address) for listen in config.listen if listen.auth != "off"]
    return [*map(str, config.relay.networks), *(f"users at {address}" for address in where)]


def remarks_on(config: Config) -> list[str]:
    """What is allowed but probably not meant."""
    from danelaw.config.trust_remarks import trust_remarks
    from danelaw.inbound.relay import RelayPolicy

    remarks = []
    submits = any(listen.auth != "off" for listen in config.listen)
    if not (config.domain or config.relay.networks or submits):
        remarks.append("nobody can send anything: there is neither a [[domain]] nor [relay] networks, and no auth")
    if submits and config.submission.sender == "any":
        remarks.append(
            'users may send in anybody\'s name; [submission] sender = "own-author" lets them in their own only'
        )
    for network in config.relay.networks:
        if network.prefixlen == 0:
            remarks.append(f"[relay] networks has {network}: anybody can send to anywhere (an open relay)")
    if not config.certificate and any(listen.tls == "starttls" for listen in config.listen):
        remarks.append("there is no [[certificate]], so listeners do not offer STARTTLS")
    own = config.hostname
    if RelayPolicy(config).next_hop(own) == own.ascii:
        remarks.append(
            f"mail to this gateway's postmaster (RFC 5321 §4.5.1) is for {own} and has nowhere to go; "
            f'add [[domain]] name = "{own}" with a next_hop'
        )
    if config.http.listen is not None and config.http.listen.host in ("0.0.0.0", "::"):
        remarks.append(f"[http] listens on {config.http.listen}, and has no access control")
    if config.tls.minimum_version in ("1.0", "1.1"):
        remarks.append(f"[tls] minimum_version {config.tls.minimum_version} is forbidden by RFC 8996")
    return remarks + list(trust_remarks(config, time.time()))


@command.command()
@ascii_option
def schema(ascii_only: bool) -> None:
    """Print the JSON Schema of the configuration file."""
    from danelaw.config.schema import json_schema

    output(ascii_only).json(json_schema())


@command.command()
@click.argument("domain", required=False)
@config_option
@output_options
def effective(domain: str | None, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Show what is set about mail to DOMAIN, by the configuration or an override, and which entry says it.

    Without DOMAIN: who is asked about every message, in which order, and what wins.
    """
    if domain is None:
        _show_order(load_config(config_file), output(ascii_only), as_json)
        return
    from danelaw.address import Domain
    from danelaw.config.effective import effective as applies
    from danelaw.state import FILE_NAME, OverrideStore, StateDatabase, configured_overrides

    name = Domain.from_text(domain.rpartition("@")[2])
    config = load_config(config_file)
    now = time.time()
    database = config.spool.directory / FILE_NAME
    state = StateDatabase(database, read_only=True) if database.exists() else None
    store = OverrideStore(state, configured_overrides(config.override))
    found = applies(config, name, now, store.all(now))
    out = output(ascii_only)
    if as_json:
        entries = [{"aspect": item.aspect, "value": item.value, "why": item.why} for item in found]
        out.json({"domain": name.ascii, "file": str(config.source), "applies": entries})
        return
    out.line(f"{name.to_unicode()}: what {config.source} and `danelaw override` say")
    out.table([(Symbol.NONE, (item.aspect, item.value, item.why)) for item in found])
    if any(item.value == "handed over" for item in found):
        out.next(f"danelaw queue list to:*@{name.ascii}")
    else:
        out.next(f"danelaw check {name.ascii}")


def _show_order(config: Config, out: Output, as_json: bool) -> None:
    from dataclasses import asdict

    from danelaw.config.asking import arriving, leaving

    now = time.time()
    found = {"arriving": arriving(config, now), "leaving": leaving(config)}
    if as_json:
        rows = {name: [asdict(one) for one in asked] for name, asked in found.items()}
        out.json({"schema": "danelaw/config-order/1", "file": str(config.source), **rows})
        return
    out.line("When a message arrives; the first no ends it:")
    out.table(_rows(found["arriving"]), heads=("", "STEP", "ABOUT", "WHAT", "ENTRY"))
    out.line("When it leaves:")
    out.table(_rows(found["leaving"]), heads=("", "STEP", "ABOUT", "WHAT", "ENTRY"))
    out.next("danelaw config effective DOMAIN")


def _rows(asked: Iterable[Asked]) -> list[tuple[Symbol, tuple[str, ...]]]:
    return [
        (Symbol.NONE, (str(number), one.step, one.about, one.what + (" (has ended)" if one.is_over else ""), one.why))
        for number, one in enumerate(asked, 1)
    ]
