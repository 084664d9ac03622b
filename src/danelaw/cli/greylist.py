"""`danelaw greylist`: what greylisting remembers, and your word on a network."""

from __future__ import annotations

import ipaddress
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.greylist import Record, Triplet
    from danelaw.state import GreylistStore
    from danelaw.state.greylist import NetworkRecord


@click.group(no_args_is_help=True)
def command() -> None:
    """List what greylisting remembers, let a network pass, or forget.

    A running gateway takes it up at once. NETWORK is one of those in the list, or an address in it.
    """


@command.command("list")
@click.argument("network", required=False)
@click.option("--most", default=50, show_default=True, type=click.IntRange(1, 100_000), help="Lines of each kind.")
@config_option
@output_options
def list_(network: str | None, most: int, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List networks that pass as a whole or are about to, and the triplets used last."""
    config = load_config(config_file)
    out = output(ascii_only)
    wanted = None if network is None else _network(config, network)
    store = _store(config, create=False)
    networks = [] if store is None else [one for one in store.networks(most) if wanted in (None, one.network)]
    triplets = [] if store is None else list(store.triplets(wanted, most))
    if as_json:
        out.json(
            {"networks": [_network_fields(one) for one in networks], "triplets": [_fields(*one) for one in triplets]}
        )
    elif not networks and not triplets:
        out.line("Greylisting remembers nobody." if wanted is None else f"Greylisting remembers nobody in {wanted}.")
    else:
        _show(out, networks, triplets, config.greylisting.auto_allow)


def _network_fields(one: NetworkRecord) -> dict[str, Any]:
    return {"network": one.network, "passed": one.passed, "last": one.last, "allowed": one.allowed}


def _fields(triplet: Triplet, record: Record) -> dict[str, Any]:
    who = {"network": triplet.network, "from": triplet.sender, "to": triplet.recipient}
    return who | {"first": record.first, "last": record.last, "passes": record.passes}


def _show(out: Output, networks: list[NetworkRecord], triplets: list[tuple[Triplet, Record]], needed: int) -> None:
    from danelaw.cli.output import Symbol, moment

    now = time.time()
    if networks:
        rows = []
        for one in networks:
            standing = _standing(one.allowed, one.passed, needed)
            rows.append((Symbol.NONE, (one.network, str(one.passed), moment(one.last, now), standing)))
        out.table(rows, heads=("NETWORK", "PASSED", "LAST", "STANDING"))
        out.line()
    if triplets:
        lines = []
        for triplet, record in triplets:
            passed = str(record.passes) if record.passes else "waits"
            times = (moment(record.first, now), moment(record.last, now))
            symbol = Symbol.NONE if record.passes else Symbol.STOPPED
            lines.append((symbol, (triplet.network, triplet.sender or "<>", triplet.recipient, *times, passed)))
        out.table(lines, heads=("NETWORK", "FROM", "TO", "FIRST", "LAST", "PASSED"))
    out.next("danelaw greylist allow NETWORK")


@command.command("allow")
@click.argument("network")
@config_option
@output_options
def allow(network: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Let a client network pass until it is cleared."""
    config = load_config(config_file)
    name = _network(config, network)
    store = _store(config, create=True)
    assert store is not None
    store.allow(name, time.time())
    out = output(ascii_only)
    if as_json:
        out.json({"allowed": name})
        return
    out.line(f"{name} is not greylisted any more.")
    out.next(f"danelaw greylist clear {name}")


@command.command("clear")
@click.argument("network", required=False)
@click.option("--all", "everything", is_flag=True, help="Forget everybody.")
@config_option
@output_options
def clear(network: str | None, everything: bool, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Forget a network, its permission and its triplets, or everybody: they are strangers again."""
    if (network is None) is not everything:
        raise click.UsageError("name a network, or say --all")
    config = load_config(config_file)
    name = None if network is None else _network(config, network)
    store = _store(config, create=False)
    gone = 0 if store is None else store.clear(name)
    out = output(ascii_only)
    if as_json:
        out.json({"forgotten": gone})
        return
    out.line(f"{gone} record{'' if gone == 1 else 's'} forgotten.")
    out.next("danelaw greylist list")


def _standing(allowed: bool, passed: int, needed: int) -> str:
    if allowed:
        return "allowed by you"
    if not needed:
        return "triplet by triplet"
    return "passes" if passed >= needed else f"{needed - passed} more to pass as a whole"


def _network(config: Config, text: str) -> str:
    """The network that the gateway would count this address or network as."""
    from danelaw.greylist import network_of

    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise DanelawError(f"{text!r} is no address or network", advice="danelaw greylist list") from None
    settings = config.greylisting
    prefix = settings.ipv4_prefix if network.version == 4 else settings.ipv6_prefix
    if network.prefixlen < prefix:
        raise DanelawError(
            f"{network} is larger than the /{prefix} that greylisting counts by",
            advice=f'put it into the configuration: [greylisting] exempt_clients = ["{network}"]',
        )
    return network_of(network.network_address, ipv4_prefix=settings.ipv4_prefix, ipv6_prefix=settings.ipv6_prefix)


def _store(config: Config, *, create: bool) -> GreylistStore | None:
    """The file beside the spool; None when there is none yet and none is to be made."""
    from danelaw.frontdoor.greylisting import rules_of
    from danelaw.state import GreylistStore
    from danelaw.state.greylist import FILE_NAME

    path = config.spool.directory / FILE_NAME
    if not create and not path.exists():
        return None
    if not path.parent.is_dir():
        raise DanelawError(
            f"the spool {path.parent} does not exist yet", advice="start the gateway once: danelaw serve"
        )
    settings = config.greylisting
    return GreylistStore(path, rules_of(settings), auto_allow=settings.auto_allow, entries=settings.entries)
