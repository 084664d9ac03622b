"""What a resolver is told: servers, mode, trust, and a limit on everything."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import dns.name

from danelaw.dnssec import NegativeTrustAnchor, TrustAnchors, ValidatorLimits
from danelaw.errors import DanelawError

# resolv.conf(5): "the default is to use the name server on the local machine"
_DEFAULT_SERVER = ("127.0.0.1", 53)


class ResolverSettingsError(DanelawError, ValueError):
    """The settings cannot be used as they are."""


class ResolverMode(Enum):
    """Who checks signatures.

    `VALIDATE`: danelaw itself, whatever the upstream says. `TRUST_AD`: the upstream, believed by its AD
    bit, which proves nothing across a network (RFC 7672 §2.2, RFC 4035 §4.9.3) and is therefore allowed for loopback
    addresses only.
    """

    VALIDATE = "validate"
    TRUST_AD = "trust-ad"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverTimeouts:
    """All in seconds.

    `stagger`: silence after which the next attempt starts beside the running one; `query`: end of one
    question with all its attempts; `lookup`: end of one validated answer with its chain; `run`: end of a
    whole `Lookup` generator.
    """

    stagger: float = 1.2
    query: float = 8.0
    lookup: float = 15.0
    run: float = 45.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheLimits:
    """Bounds of the two caches (raw responses, validated answers): each has its own `entries` and `bytes`.

    TTLs in seconds: `max_ttl` caps positive, `max_negative_ttl` negative answers (RFC 2308 §5);
    `failure_ttl` is how long a failed fetch or a bogus answer is remembered so that it is not asked in a
    loop (RFC 9520 §3.2: at least one second, at most five minutes).
    """

    entries: int = 20_000
    bytes: int = 32 << 20
    max_ttl: float = 86_400.0
    max_negative_ttl: float = 3_600.0
    failure_ttl: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadLimits:
    """`in_flight`: questions on the wire at once; `pending`: validated answers being worked out at once;
    `questions`: asked by one `Lookup` generator before it is answered with failures only.
    """

    in_flight: int = 256
    pending: int = 2_000
    questions: int = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverSettings:
    """Everything a `Resolver` needs.

    `servers` are (IP address, port) pairs of recursive resolvers in order of preference. `probe_zone` is a
    signed zone below (or at) a trust anchor, in which the probe asks for SOA, DNSKEY and a random name that
    cannot exist. Raises `ResolverSettingsError` without servers, for host names in place of addresses, and
    for `trust-ad` with a server that is not on this machine.
    """

    servers: tuple[tuple[str, int], ...]
    mode: ResolverMode = ResolverMode.VALIDATE
    anchors: TrustAnchors = field(default_factory=TrustAnchors.root)
    negative: tuple[NegativeTrustAnchor, ...] = ()
    limits: ValidatorLimits = field(default_factory=ValidatorLimits)
    timeouts: ResolverTimeouts = ResolverTimeouts()
    cache: CacheLimits = CacheLimits()
    load: LoadLimits = LoadLimits()
    udp_payload: int = 1232
    probe_zone: dns.name.Name = dns.name.root

    def __post_init__(self) -> None:
        if not self.servers:
            raise ResolverSettingsError(
                "no name server is given", advice='name one, for instance servers = ["127.0.0.1:53"]'
            )
        for host, port in self.servers:
            address = _address(host)
            if not 0 < port <= 65535:
                raise ResolverSettingsError(f"{port} is not a port of a name server", advice="DNS uses port 53")
            if self.mode is ResolverMode.TRUST_AD and not address.is_loopback:
                raise ResolverSettingsError(
                    f"trust-ad believes {host}, but anybody between here and there could set that bit",
                    advice='use mode = "validate", or run a validating resolver on this machine and name 127.0.0.1',
                )


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        raise ResolverSettingsError(
            f"{host!r} is not an IP address", advice="name servers are given by address, since names need DNS first"
        ) from None


def system_servers(path: Path = Path("/etc/resolv.conf")) -> tuple[tuple[str, int], ...]:
    """The name servers of this machine, port 53, from resolv.conf(5).

    Lines that cannot be read are passed over as the C library does; without any server, or without the
    file, the answer is the local machine.
    """
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return (_DEFAULT_SERVER,)
    servers: list[tuple[str, int]] = []
    for line in lines:
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            ipaddress.ip_address(words[1])
        except ValueError:
            continue
        servers.append((words[1], 53))
    return tuple(dict.fromkeys(servers)) or (_DEFAULT_SERVER,)
