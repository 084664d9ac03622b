"""Where clients connect to, and what they are offered there."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.net import proxy
from danelaw.smtp import BareNewlines, ServerLimits, ServerSettings

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.config.receiving import Listen


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening address, ready to serve."""

    address: str
    port: int
    settings: ServerSettings
    implicit_tls: bool
    proxies: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    def proxy_reader(self) -> proxy.ProxyReader | None:
        """A reader for the PROXY header, None where no header is expected."""
        return proxy.ProxyReader() if self.proxies else None

    def proxy_expected_from(self, address: str) -> bool:
        """True when `address` is one of our load balancers."""
        parsed = ipaddress.ip_address(address.partition("%")[0])
        return any(parsed.version == network.version and parsed in network for network in self.proxies)


def listener_of(config: Config, listen: Listen) -> Listener:
    """The server settings of one `[[listen]]` entry."""
    limits = config.limits
    offers_tls = listen.tls != "none" and bool(config.certificate)
    settings = ServerSettings(
        hostname=config.hostname,
        limits=ServerLimits(
            command_line=limits.command_line,
            text_line=limits.text_line,
            commands=limits.commands,
            errors=limits.errors,
            messages=limits.messages,
            recipients=limits.recipients,
            message_size=limits.message_size,
            stream_above=64 * 1024,
        ),
        starttls=offers_tls and listen.tls == "starttls",
        requiretls=offers_tls and listen.requiretls,
        tls_required=listen.auth == "required" and offers_tls and not listen.auth_without_tls,
        auth=config.submission.mechanisms if listen.auth != "off" else (),
        auth_in_clear=listen.auth_without_tls,
        auth_required=listen.auth == "required",
        bare_newlines=BareNewlines(config.bare_newline),
    )
    return Listener(listen.address.host, listen.address.port, settings, listen.tls == "implicit", tuple(listen.proxy))
