"""A stub resolver that checks DNSSEC itself and never confuses "no answer" with "no record".

It asks recursive resolvers (RFC 1034 §5.3.1) with DO and CD set (RFC 4035 §3.2.1, §4.9), so that they hand
over signatures and bogus data alike, and lets `danelaw.dnssec.Validator` judge what comes back. Every
question uses a fresh random port and an id unique among those in flight (RFC 5452 §9.2); a reply counts only
from the asked address, with this id and this question. UDP announces 1232 bytes; TCP is used when the
answer is truncated, and also when UDP stays silent or comes back without EDNS, since middle boxes that
strip EDNS or drop unknown types would otherwise make records vanish.

    async with Resolver(ResolverSettings(servers=system_servers())) as resolver:
        answer = await resolver.ask(Question.from_text("_25._tcp.mx.example.org", "TLSA"))
        destination = await resolver.run(lookup_destination(next_hop, 25))

Failures are values: `Answer.failed` with a reason, never an exception. Equal questions share one flight.
Raw responses and validated answers are cached apart, both bounded in entries and bytes, TTLs capped; bogus
results take their raw responses out of the cache and are asked once more of another upstream. `cached`
answers without an await, for the hot path. `probe` says loudly, with the fix, when an upstream cannot carry
DNSSEC at all: then mail waits, and nothing silently becomes "no DANE".

Public names: `Resolver`, `ResolverSettings`, `ResolverMode`, `ResolverTimeouts`, `CacheLimits`, `LoadLimits`,
`ResolverSettingsError`, `system_servers`, `ask_directly`, `DirectReply`, `ProbeReport`, `Finding`, `Severity`.
"""

from danelaw.resolver.direct import DirectReply, ask_directly
from danelaw.resolver.driver import Resolver
from danelaw.resolver.probe import Finding, ProbeReport, Severity
from danelaw.resolver.settings import (
    CacheLimits,
    LoadLimits,
    ResolverMode,
    ResolverSettings,
    ResolverSettingsError,
    ResolverTimeouts,
    system_servers,
)

__all__ = [
    "CacheLimits",
    "DirectReply",
    "Finding",
    "LoadLimits",
    "ProbeReport",
    "Resolver",
    "ResolverMode",
    "ResolverSettings",
    "ResolverSettingsError",
    "ResolverTimeouts",
    "Severity",
    "ask_directly",
    "system_servers",
]
