"""The parts of the library, made from the gateway's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from danelaw.policy import Library
from danelaw.scripting.library.absent import Absent
from danelaw.scripting.library.dns import ResolverDNS
from danelaw.scripting.library.records import GatewayLog, GatewayMeasures, SecretFiles

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.resolver import Resolver
    from danelaw.telemetry import Log, Metrics


def make_library(config: Config, resolver: Resolver, log: Log, metrics: Metrics) -> Library:
    """What `[policy]` lets scripts use."""
    absent: Any = Absent
    return Library(
        dns=ResolverDNS(resolver),
        http=absent("HTTP"),
        callahead=absent("call-ahead"),
        ldap=absent("a directory"),
        sql=absent("a database"),
        tls=absent("looking at TLS"),
        files=absent("looking at files"),
        secrets=SecretFiles(config.policy.secrets),
        measures=GatewayMeasures(metrics),
        log=GatewayLog(log),
    )
