"""`--server`, `--anchor` and `--at`, which all commands that ask DNS share: ask whom, trust what, at which time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import dns.name
import dns.rdatatype

from danelaw.dnsdata import Question
from danelaw.dnssec import TrustAnchors
from danelaw.errors import DanelawError
from danelaw.resolver import Resolver, ResolverSettings, system_servers

F = TypeVar("F", bound=Callable[..., Any])
_POSIX = re.compile(r"\d{1,11}(?:\.\d+)?\Z", re.ASCII)
_COMPACT = re.compile(r"\d{14}\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Network:
    """What the three options mean together. `clock` stands still when `--at` was given, `anchored` says that `--anchor`
    was. `unproved` is True when nothing can be proved because the resolver has no DNSSEC at all.
    """

    settings: ResolverSettings
    clock: Callable[[], float]
    anchored: bool = False
    unproved: bool = False


def network_options(command: F) -> F:
    """Add the options; the command receives `servers`, `anchor_file` and `at`, for `network()`."""
    options = (
        click.option(
            "--server",
            "servers",
            multiple=True,
            metavar="ADDR[:PORT]",
            help="Recursive resolver to ask, [::1]:53 for IPv6; repeatable. Otherwise those of this system.",
        ),
        click.option(
            "--anchor",
            "anchor_file",
            type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
            metavar="FILE",
            help="DS or DNSKEY records in zone-file form to trust instead of the root's keys.",
        ),
        click.option(
            "--at",
            metavar="TIME",
            help="Judge signatures as of this time: 2026-11-23T10:00:00Z, 20261123100000 or seconds since 1970.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def network(servers: tuple[str, ...], anchor_file: Path | None, at: str | None) -> Network:
    """Turn the options into settings. Raises `click.UsageError` or `DanelawError` saying what would be right."""
    moment = parse_time(at) if at is not None else None
    settings = ResolverSettings(
        servers=tuple(parse_server(server) for server in servers) or system_servers(),
        anchors=read_anchors(anchor_file) if anchor_file is not None else TrustAnchors.root(),
    )
    return Network(settings, time.time if moment is None else lambda: moment, anchor_file is not None)


UNPROVED = (
    "The resolver has no DNSSEC, not even keys of the root: nothing it says is proved. A private root needs --anchor."
)


async def with_or_without_dnssec(asked: Network) -> Network:
    """The network for questions that make sense without DNSSEC too, as those about a message's origin do.

    A resolver that has no DNSKEY of the root cannot prove anything: every answer would count as forged, and the command
    would say nothing. So without `--anchor` its answers count as not signed, and the command says so (`UNPROVED`). The
    gateway never does this.
    """
    if asked.anchored:
        return asked
    bare = replace(asked, settings=replace(asked.settings, anchors=TrustAnchors({})), unproved=True)
    async with Resolver(bare.settings, clock=bare.clock) as resolver:
        keys = await resolver.ask(Question(dns.name.root, dns.rdatatype.DNSKEY))
    return asked if keys.records else bare


def parse_server(text: str) -> tuple[str, int]:
    """`127.0.0.1`, `127.0.0.1:5353`, `::1` or `[::1]:5353` as address and port. Raises `click.UsageError`."""
    from danelaw.address import SocketAddress

    try:
        address = SocketAddress.from_text(text, 53)
    except ValueError as error:
        raise click.UsageError(f"--server: {error}") from None
    return address.pair


def read_anchors(file: Path) -> TrustAnchors:
    """The trust anchors in a file, standard input for `-`. Raises `DanelawError`."""
    try:
        with click.open_file(str(file), encoding="utf-8") as stream:
            return TrustAnchors.from_text(without_directives(stream.read()))
    except OSError as error:
        words = error.strerror or type(error).__name__
        raise DanelawError(f"{file} cannot be read: {words}", advice="check the path given to --anchor") from None
    except UnicodeDecodeError:
        raise DanelawError(f"{file} is not text", advice="--anchor takes DS or DNSKEY lines of a zone file") from None


def without_directives(text: str) -> str:
    """Zone-file text with `$TTL` taken out and `$ORIGIN` (RFC 1035 §5.1) written into the owner names.

    Enough for DS and DNSKEY, whose data hold no names and whose TTL does not matter.
    """
    origin, depth, lines = ".", 0, []
    for line in text.splitlines():
        words = line.split(";", 1)[0].split()
        if depth == 0 and words and words[0].upper() in ("$TTL", "$ORIGIN"):
            if words[0].upper() == "$ORIGIN" and len(words) > 1:
                origin = _absolute(words[1], origin)
            lines.append("")
            continue
        if depth == 0 and words and not line[0].isspace():
            line = _absolute(words[0], origin) + line[len(words[0]) :]
        depth += sum(word.count("(") - word.count(")") for word in words)
        lines.append(line)
    return "\n".join(lines) + "\n"


def _absolute(name: str, origin: str) -> str:
    if name == "@":
        return origin
    return name if name.endswith(".") else f"{name}.{origin.removeprefix('.')}"


def parse_time(text: str) -> float:
    """POSIX seconds from any of the three forms; without a zone it is UTC. Raises `click.UsageError`."""
    try:
        if _COMPACT.match(text):
            return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()
        if _POSIX.match(text):
            return float(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.UsageError(
            f"--at: {text!r} is not a time; write 2026-11-23T10:00:00Z, 20261123100000 or seconds since 1970"
        ) from None
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
