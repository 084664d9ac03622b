"""Which copies of policies nobody needs any more. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.scripting.versioning.ledger import Stored
    from danelaw.scripting.versioning.standing import Act, Standing

LEAST_KEPT = 20
"""Versions that are kept whatever becomes of them."""
UNTOUCHED_SECONDS = 7 * 86400.0
"""How long a version is kept after the last act that names it: longer than any connection lasts."""


def unneeded(
    copies: Iterable[str], standing: Standing, stored: Sequence[Stored], acts: Iterable[Act], needed: Iterable[str],
    now: float,
) -> list[str]:  # fmt: skip
    """The copies that are not in use, not needed by mail in the queue, not among the last that were stored (`stored`
    begins with the newest) nor among those active before, and that no act has named lately. `now` in POSIX seconds.
    """
    keep = {*needed, *standing.in_use, *standing.before}
    keep |= {one.version for number, one in enumerate(stored) if number < LEAST_KEPT or _is_new(one.at, now)}
    keep |= {one.version for one in acts if _is_new(one.at, now)}
    return sorted(set(copies) - keep)


def _is_new(at: float, now: float) -> bool:
    return at > now - UNTOUCHED_SECONDS
