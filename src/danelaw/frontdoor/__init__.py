"""Strangers at the front door: the steps that decide whom to listen to, for whom, and under which name.

Each step is one module and one class (`inbound.Step`); what it decides by is pure and lives in a room of its own
(`dnslist`, `clientname`, `greylist` …). Here it meets configuration, DNS, files and memory. A step exists only where
the configuration asks for it, so a gateway without these sections pays nothing.

`front_steps(premises)` gives the configured ones in their order: early ones, and late ones, which change the envelope.
"""

from danelaw.frontdoor.assemble import FrontSteps, front_steps, map_files
from danelaw.frontdoor.premises import Premises, Resolves

__all__ = ["FrontSteps", "Premises", "Resolves", "front_steps", "map_files"]
