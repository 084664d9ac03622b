"""Strangers at the front door: the steps that decide whom to listen to, for whom, and under which name.

Each step is one module and one class (`inbound.Step`); what it decides by is pure and lives in a room of its own
(`dnslist`, `clientname`, `greylist` …). Here it meets configuration, DNS, files and memory. A step exists only where
the configuration asks for it, so a gateway without these sections pays nothing.

`front_steps(premises)` gives the configured ones in their order.
"""

from danelaw.frontdoor.assemble import front_steps
from danelaw.frontdoor.premises import Premises, Resolves

__all__ = ["Premises", "Resolves", "front_steps"]
