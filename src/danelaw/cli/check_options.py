"""What the options of `danelaw check` mean together with a configuration: next hop, resolver, public CAs, routes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.address import Mailbox
    from danelaw.cli.network import Network
    from danelaw.config import Config
    from danelaw.pkix import Roots
    from danelaw.resolver import ResolverSettings
    from danelaw.routing import NextHop

Routes = Mapping[tuple[str, int], tuple[str, int]]


def configuration(config_file: Path | None, *, usual_place: bool) -> Config | None:
    """The configuration to go by, None without one. Raises `ConfigError` for one that is broken."""
    from danelaw.cli.options import load_config
    from danelaw.config import ConfigError, find

    if config_file is not None:
        return load_config(config_file)
    if not usual_place:
        return None
    try:
        found = find()
    except ConfigError:
        return None
    return load_config(found)


def mailbox(text: str) -> Mailbox:
    """A mail address. Raises `DanelawError`."""
    from danelaw.address import Mailbox, MailboxError

    try:
        return Mailbox.from_text(text)
    except MailboxError as error:
        raise DanelawError(error.reason, advice="write for instance anna@example.org") from None


def next_hop(domain: str, port: int | None, config: Config | None) -> NextHop:
    """The next hop of a domain: by the configured route, else itself."""
    from dataclasses import replace

    from danelaw.routing import NextHop, carrier_of

    hop = NextHop.from_text(_bracketed(domain))
    if config is not None and hop.domain is not None and hop.mx:
        from danelaw.config.effective import next_hop_for

        routed = next_hop_for(config, hop.domain)
        if routed is not None and carrier_of(routed) is not None:
            raise DanelawError(
                f"mail for {hop.domain} is handed to {routed} here and goes to no other server",
                advice="to see what its own servers offer all the same: --config of another gateway, or --server",
            )
        hop = NextHop.from_text(routed) if routed else hop
    return hop if port is None else replace(hop, port=port)


def _bracketed(text: str) -> str:
    """A bare IP address can only mean the server itself: put it into the brackets of RFC 5321 §4.1.3."""
    import ipaddress

    try:
        return f"[{ipaddress.ip_address(text)}]" if "%" not in text else text
    except ValueError:
        return text


def resolver_settings(
    asked: Network, servers: tuple[str, ...], anchor_file: Path | None, config: Config | None
) -> ResolverSettings:
    """The configured resolver, with what the command line says instead."""
    if config is None:
        return asked.settings
    from dataclasses import replace

    from danelaw.gateway.settings import resolver_settings

    settings = resolver_settings(config)
    if servers:
        settings = replace(settings, servers=asked.settings.servers)
    return replace(settings, anchors=asked.settings.anchors) if anchor_file is not None else settings


def roots(roots_file: Path | None, config: Config | None) -> Roots | None:
    """The public CAs; None when this machine has none, which then is a reason in words."""
    from danelaw.pkix import Roots, RootsError

    if roots_file is not None:
        return Roots.from_file(roots_file)
    if config is not None and config.tls.roots_file is not None:
        return Roots.from_file(config.tls.roots_file)
    try:
        return Roots.system()
    except RootsError:
        return None


def routes(texts: tuple[str, ...], config: Config | None) -> Routes:
    """Where to connect instead: the lab's routes of the configuration, then those of `--route`."""
    from danelaw.address import SocketAddress

    found = dict(config.lab.dial) if config is not None else {}
    for text in texts:
        try:
            source, target = (SocketAddress.from_text(part).pair for part in text.split("="))
        except ValueError as error:
            words = str(error) if text.count("=") == 1 else f"{text!r} is not ADDR:PORT=ADDR:PORT"
            raise click.UsageError(f"--route: {words}") from None
        found[source] = target
    return found
