"""Short forms shared by the declarations."""

from __future__ import annotations

from typing import Any

from danelaw.lab.scenario import Host, Scenario

NO_TLSA = Host(tlsa=())
OLD_KEY = Host(tlsa=("3 1 1 old",))


def waits(domain: str, why: str, **declared: Any) -> Scenario:
    """A destination that must not get its mail now: `Scenario` with the three words that say so."""
    words: dict[str, Any] = {"level": "waits", "outcome": "waiting", "protection": "nothing sent"}
    return Scenario(domain=domain, why=why, **words | declared)


def encrypted(domain: str, why: str, **declared: Any) -> Scenario:
    """A destination reached by TLS that proves nothing."""
    words: dict[str, Any] = {
        "protection": "encrypted only",
        "level": "encrypted",
        "publishes": "nothing",
        "hosts": (NO_TLSA,),
    }
    return Scenario(domain=domain, why=why, **words | declared)


def clear(domain: str, why: str, **declared: Any) -> Scenario:
    """A destination reached in clear text."""
    words: dict[str, Any] = {"protection": "clear text", "level": "clear", "publishes": "nothing", "signed": False}
    return Scenario(domain=domain, why=why, **words | declared)


def sts(domain: str, **declared: Any) -> Scenario:
    """A destination protected by MTA-STS in an unsigned zone."""
    words: dict[str, Any] = {
        "protection": "MTA-STS",
        "level": "mta-sts",
        "publishes": "MTA-STS enforce",
        "why": "public CA; host is listed in the policy",
        "signed": False,
        "hosts": (NO_TLSA,),
    }
    return Scenario(domain=domain, **words | declared)
