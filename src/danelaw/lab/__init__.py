"""An internet in a box, on loopback, offline, without root: for demos, tests and anybody's own MTA.

The DNS has its own signed root. One name server answers as a recursive resolver does, and misbehaves where a
scenario says so. Mail hosts, MTA-STS policy hosts and attackers in the path are real sockets with real certificates.
`Lab.routes` says where (address, port 25 or 443) really leads; names, TLSA owners and policies stay those of the
address asked for. Nothing here uses danelaw's own SMTP, DNSSEC, DANE or MTA-STS code, so that errors do not cancel out.

    async with Lab() as lab:
        lab.resolver                    # ResolverSettings: name server and trust anchor
        lab.routes                      # {("127.1.0.1", 25): ("127.0.0.1", 40001), …}
        lab.roots_pem                   # the public CA
        lab.remembered                  # MTA-STS policies to seed the cache with
        …
        lab.received("dane.lab")        # what arrived, with the TLS it came by
        lab.exposed("stripped.lab")     # what anybody got to see; () when nothing was transmitted

A `Scenario` declares a destination and what a correct gateway makes of it; its default is the happy path. A `Sender`
declares a domain mail may claim to come from, and what SPF says about it. A `Letter` is a
whole message from outside, genuine or forged, and what a receiver makes of it; `Letters` holds their keys and zone.
`trust_members`, `TRUST_MASTERS` and `TRUST_LETTERS` are another lab, of a trust group.
"""

from danelaw.lab.catalogue import LETTERS, SCENARIOS, SENDERS
from danelaw.lab.channel import TLSFacts
from danelaw.lab.lab import Lab
from danelaw.lab.letter import Letter, Letters
from danelaw.lab.nameserver import Manners
from danelaw.lab.received import ReceivedMessage
from danelaw.lab.scenario import Scenario
from danelaw.lab.sender import Sender
from danelaw.lab.trust import TRUST_LETTERS, TRUST_MASTERS, TRUST_SECTION, TrustLetter, trust_members
from danelaw.lab.world import RememberedPolicy

__all__ = [
    "LETTERS",
    "SCENARIOS",
    "SENDERS",
    "TRUST_LETTERS",
    "TRUST_MASTERS",
    "TRUST_SECTION",
    "Lab",
    "Letter",
    "Letters",
    "Manners",
    "ReceivedMessage",
    "RememberedPolicy",
    "Scenario",
    "Sender",
    "TLSFacts",
    "TrustLetter",
    "trust_members",
]
