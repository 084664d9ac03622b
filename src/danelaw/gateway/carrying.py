"""The carriers of the configuration, made ready."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.address import Domain, SocketAddress
from danelaw.carriers import LMTP, Carrier, Maildir, Pipe, Post, Template
from danelaw.errors import DanelawError
from danelaw.net.fetch import addresses_of, verifying_context

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.config.carrying import Carrier as CarrierSection
    from danelaw.pkix import Roots
    from danelaw.resolver import Resolver

_LONGEST_TOKEN = 4096


def carriers_of(config: Config, resolver: Resolver, roots: Roots, clock: Callable[[], float]) -> Mapping[str, Carrier]:
    """Every `[[carrier]]` by name. Raises `DanelawError` for a token that cannot be read."""
    addresses = addresses_by(resolver)

    def made(section: CarrierSection) -> Carrier:
        seconds = section.timeout.total_seconds()
        if section.maildir is not None:
            return Maildir(section.name, Template(section.maildir), str(config.hostname), quota=section.quota)
        if section.lmtp is not None and section.lmtp.startswith("unix:"):
            path = section.lmtp.removeprefix("unix:")
            return LMTP(section.name, str(config.hostname), path=path, seconds=seconds)
        if section.lmtp is not None:
            host, port = SocketAddress.from_text(section.lmtp).pair
            return LMTP(section.name, str(config.hostname), host=host, port=port, seconds=seconds)
        if section.pipe:
            return Pipe(section.name, [Template(text) for text in section.pipe], seconds=seconds)
        assert section.url is not None
        context = verifying_context(roots) if section.url.startswith("https:") else None
        token = _token(section.token_file) if section.token_file is not None else ""
        return Post(section.name, section.url, addresses, context, clock, token=token, seconds=seconds)

    return {section.name: made(section) for section in config.carrier}


def addresses_by(resolver: Resolver) -> Callable[[str], Awaitable[Sequence[str]]]:
    """How services of carriers are found."""

    async def addresses(host: str) -> Sequence[str]:
        if host == "localhost":  # RFC 6761 §6.3
            return ("127.0.0.1", "::1")
        return await addresses_of(Domain.from_text(host), resolver)

    return addresses


def _token(path: Path) -> str:
    try:
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        words = getattr(error, "strerror", None) or "it is not ASCII"
        raise DanelawError(f"{path} cannot be read: {words}", advice="write the token alone into it") from None
    if not token or len(token) > _LONGEST_TOKEN or not token.isprintable() or " " in token:
        raise DanelawError(f"{path} holds no bearer token", advice="write the token alone into it")
    return token
