"""Which override applies to a destination now, and why that one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.tlspolicy.override import Override


@dataclass(frozen=True, slots=True)
class Effective:
    """`override` applies (None: none does); `why` says so in words; `others` are the losers with the reason."""

    override: Override | None
    why: str
    others: tuple[tuple[Override, str], ...] = ()


def effective(overrides: Iterable[Override], domain: Domain | None, now: float) -> Effective:
    """Pick the override for a next-hop domain; `now` in POSIX seconds.

    The most specific destination wins: the exact domain, then the longest `.suffix`. Between equal destinations
    the one given *first* wins: callers list what was set at run time before what the configuration file says.
    Expired ones never apply. An address literal (None) has no override.
    """
    if domain is None:
        return Effective(None, "overrides are by domain, and the next hop is an address")
    covering = sorted((one for one in overrides if one.covers(domain)), key=_specificity, reverse=True)
    if not covering:
        return Effective(None, f"no override covers {domain}")
    chosen = next((one for one in covering if one.active(now)), None)
    if chosen is None:
        return Effective(
            None, f"every override that covers {domain} has expired", tuple((o, "expired") for o in covering)
        )
    kind = "names exactly this destination" if chosen.destination == domain.ascii else "covers names below its suffix"
    others = tuple((one, _loss(one, chosen, now)) for one in covering if one is not chosen)
    return Effective(chosen, f"{chosen.destination} = {chosen.tls.value} {kind} ({chosen.source})", others)


def _specificity(override: Override) -> tuple[bool, int]:
    return not override.destination.startswith("."), len(override.destination)


def _loss(loser: Override, winner: Override, now: float) -> str:
    if not loser.active(now):
        return "expired"
    if loser.destination == winner.destination:
        return f"the one from {winner.source} goes first"
    return f"{winner.destination} is more specific"
