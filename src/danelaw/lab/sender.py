"""What a sender of the lab is: a domain, what it publishes about who may use it, and what a receiver makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from danelaw.lab.scenario import Fault, SideZone

SPFWord: TypeAlias = Literal["none", "neutral", "pass", "fail", "softfail", "temperror", "permerror"]
DNSSECWord: TypeAlias = Literal["secure", "insecure", "bogus", "indeterminate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A domain that is used in MAIL FROM (or, with `identity` "helo", in HELO) by a client at `client`.

    The default is the happy path: a signed zone whose record names the client. `records` are the lines of its zone,
    names relative. `spf` and `dnssec` are what `danelaw spf` says, `explanation` the words it shows for a fail.
    """

    domain: str
    publishes: str = "v=spf1 ip4:192.0.2.0/24 -all"
    client: str = "192.0.2.10"
    helo: str = "mx.client.example"
    localpart: str = "anna"
    identity: Literal["mailfrom", "helo"] = "mailfrom"
    spf: SPFWord = "pass"
    dnssec: DNSSECWord = "secure"
    explanation: str = ""
    signed: bool = True
    records: tuple[str, ...] = ('@ TXT "v=spf1 ip4:192.0.2.0/24 -all"',)
    faults: tuple[Fault, ...] = ()
    attack: bool = False
    also_zones: tuple[SideZone, ...] = ()

    @property
    def mail_from(self) -> str:
        """The reverse-path without angle brackets."""
        return f"{self.localpart}@{self.domain}"
