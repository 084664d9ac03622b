"""`danelaw override`: your own word on the protection of one destination, for a while or for good."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.output import Output
    from danelaw.config import Config
    from danelaw.state import OverrideStore
    from danelaw.tlspolicy import Override

_MODES = ("none", "may", "encrypt", "verify", "dane", "dane-require", "fingerprint")
_WEAKER = frozenset({"none", "may", "encrypt"})


@click.group(no_args_is_help=True)
def command() -> None:
    """Set, list or remove your own rule for a destination.

    An override replaces what the destination publishes. A running gateway takes it up within a second.
    DESTINATION is a next-hop domain, or .example.org for every name below example.org; the most specific wins,
    and one set here goes before one for the same destination in the configuration file.
    """


@command.command("add")
@click.argument("destination")
@click.argument("tls", type=click.Choice(_MODES))
@click.option("--for", "for_", metavar="DURATION", help="How long, such as 4h or 7d.")
@click.option("--until", metavar="TIME", help="When it ends: 2026-12-31 or 2026-12-31T18:00:00Z.")
@click.option("--because", default="", metavar="TEXT", help="Why, for whoever reads it later.")
@click.option(
    "--fingerprint", "fingerprints", multiple=True, metavar="HEX", help="SHA-256 of a pinned key; repeatable."
)
@config_option
@output_options
def add(
    destination: str,
    tls: str,
    for_: str | None,
    until: str | None,
    because: str,
    fingerprints: tuple[str, ...],
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> None:
    """Set an override.

    none: never TLS. may: TLS if offered. encrypt: TLS, nobody checked. verify: certificate of a public CA.
    dane: what DANE publishes, MTA-STS aside. dane-require: DANE with a signed MX, or wait. fingerprint: one of
    the given keys.
    """
    from danelaw.tlspolicy import Override

    now = time.time()
    expires = end_of(for_, until, now)
    override = Override.of(
        destination, tls, fingerprints=fingerprints, because=because, expires=expires, source="danelaw override"
    )
    replaced = _store(load_config(config_file), create=True).add(override, now)
    out = output(ascii_only)
    if as_json:
        out.json({"added": _fields(override, now), "replaced": _fields(replaced, now) if replaced else None})
        return
    _say_added(out, override, replaced, now)


@command.command("list")
@config_option
@output_options
def list_(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List every override, those of the configuration file too, and which of them have ended."""
    now = time.time()
    found = _store(load_config(config_file), create=False).all(now)
    out = output(ascii_only)
    if as_json:
        out.json({"overrides": [_fields(one, now) for one in found]})
        return
    _print_list(out, found, now)


@command.command("remove")
@click.argument("destination")
@config_option
@output_options
def remove(destination: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Take back an override set with `danelaw override add`."""
    from danelaw.tlspolicy.override import pattern

    now = time.time()
    store = _store(load_config(config_file), create=False)
    name = pattern(destination)
    removed = store.remove(name)
    if removed is None:
        in_file = any(one.destination == name for one in store.all(now))
        raise DanelawError(
            f"no override for {name} was set with `danelaw override add`",
            advice=f"take [[override]] {name} out of the configuration file" if in_file else "danelaw override list",
        )
    out = output(ascii_only)
    if as_json:
        out.json({"removed": _fields(removed, now)})
        return
    out.line(f"{name}: {removed.tls.value} is gone; what the destination publishes holds again.")
    out.next(f"danelaw check {name.lstrip('.')}")


def end_of(for_: str | None, until: str | None, now: float) -> float | None:
    """POSIX seconds from `--for` or `--until`."""
    from danelaw.config import parse_duration
    from danelaw.config.values import parse_instant

    if for_ is not None and until is not None:
        raise click.UsageError("--for and --until say the same thing; give one")
    try:
        if for_ is not None:
            return now + parse_duration(for_).total_seconds()
        if until is None:
            return None
        end = parse_instant(until).timestamp()
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if end <= now:
        raise click.UsageError(f"--until {until} is in the past")
    return end


def _store(config: Config, *, create: bool) -> OverrideStore:
    """The store beside the spool; without a spool yet, only what the configuration says unless `create`."""
    from danelaw.state import FILE_NAME, OverrideStore, StateDatabase, configured_overrides

    configured = configured_overrides(config.override)
    path = config.spool.directory / FILE_NAME
    if not create and not path.exists():
        return OverrideStore(None, configured)
    if not path.parent.is_dir():
        raise DanelawError(
            f"the spool {path.parent} does not exist yet", advice="start the gateway once: danelaw serve"
        )
    return OverrideStore(StateDatabase(path), configured)


def _fields(override: Override, now: float) -> dict[str, Any]:
    """The documented JSON form of one override."""
    end = None if override.expires is None else datetime.fromtimestamp(override.expires, UTC)
    return {
        "destination": override.destination,
        "tls": override.tls.value,
        "fingerprints": list(override.fingerprints),
        "requiretls": override.requiretls.value,
        "because": override.because,
        "expires": end.isoformat(timespec="seconds").replace("+00:00", "Z") if end else None,
        "active": override.active(now),
        "source": override.source,
    }


def _say_added(out: Output, override: Override, replaced: Override | None, now: float) -> None:
    from danelaw.cli.output import moment

    end = "until you remove it" if override.expires is None else f"until {moment(override.expires, now)}"
    out.line(f"{override.destination}: {override.tls.value} {end}.")
    if replaced is not None and replaced.active(now):
        out.line(f"  It replaces {replaced.tls.value}{_because(replaced)}.")
    if override.tls.value in _WEAKER:
        out.line("  Unverified: whoever sits on the way can read this mail.")
        if override.expires is None:
            out.line("  It has no end; give one with --for 4h.")
    out.next(f"danelaw check {override.destination.lstrip('.')}")


def _print_list(out: Output, found: tuple[Override, ...], now: float) -> None:
    from danelaw.cli.output import Symbol, fingerprint, moment
    from danelaw.tlspolicy import OverrideRequireTLS

    if not found:
        out.line("No override is set: every destination gets what it publishes.")
        out.next("danelaw override add example.org encrypt --for 4h --because TICKET")
        return
    rows = []
    for one in found:
        if one.expires is None:
            end = "no end"
        else:
            end = moment(one.expires, now) if one.active(now) else f"ended {moment(one.expires, now)}"
        keys = ", ".join(fingerprint(digest) for digest in one.fingerprints)
        lax = "REQUIRETLS: verified TLS is enough" if one.requiretls is OverrideRequireTLS.VERIFIED_TLS else ""
        why = " · ".join(part for part in (one.because, keys, lax) if part)
        symbol = Symbol.NONE if one.active(now) else Symbol.STOPPED
        rows.append((symbol, (one.destination, one.tls.value, end, one.source, why)))
    out.table(rows, heads=("DESTINATION", "TLS", "UNTIL", "SET IN", "BECAUSE"))
    out.next(f"danelaw override remove {found[0].destination}")


def _because(override: Override) -> str:
    return f" ({override.because})" if override.because else ""
