"""A next hop with everything DNS says about it: its hosts, their addresses and their TLSA records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.routing.mx import MXResult

if TYPE_CHECKING:
    from danelaw.dane import HostRecords


@dataclass(frozen=True, slots=True)
class Destination:
    """`hosts` are in MX order, those of equal preference in the order of their names (see `order`)."""

    mx: MXResult
    hosts: tuple[HostRecords, ...] = ()
