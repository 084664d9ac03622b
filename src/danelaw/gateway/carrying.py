"""Deliveries that a policy gives to a carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.outbound.steps import Carried, PendingDelivery
    from danelaw.policy import Carrier


async def carry(carrier: Carrier, pending: PendingDelivery) -> Carried:
    """What became of each recipient."""
    raise DanelawError(f"no carrier takes {carrier!r}")
