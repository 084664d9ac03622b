"""Routing of mail (RFC 5321 §5.1, RFC 7505, RFC 7672 §2.2): from a next hop to hosts with addresses and TLSA records.

Public names: `NextHop`, `NextHopError`, `MXHost`, `MXResult`, `Destination`.
"""

from danelaw.routing.destination import Destination
from danelaw.routing.mx import MXHost, MXResult
from danelaw.routing.next_hop import SMTP_PORT, NextHop, NextHopError

__all__ = ["SMTP_PORT", "Destination", "MXHost", "MXResult", "NextHop", "NextHopError"]
