"""One trust group: who belongs to it, what is demanded in both directions, and what follows when it is not met."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from danelaw.address import Domain
from danelaw.tlspolicy import GroupDemand, SenderDemand
from danelaw.trustgroup.membership import Scheme


class Breach(Enum):
    """What happens to mail that claims to come from a member and does not show what the group demands."""

    REFUSE = "refuse"
    DEFER = "defer"
    HOLD = "hold"
    TAG = "tag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receive:
    """What mail from a member must show.

    `tls` is the lowest version, such as "1.2", None for none. `dkim`: a signature of exactly the author's domain
    (`author`), or of one that DMARC aligns with it. `dmarc`: `enforced` allows no failure, whatever policy the domain
    publishes; `pass` wants a record and a pass. `signed_keys`: DKIM keys come from signed DNS.
    """

    tls: str | None = None
    dkim: Literal["off", "aligned", "author"] = "off"
    dmarc: Literal["off", "enforced", "pass"] = "off"
    signed_keys: bool = False

    @property
    def demands(self) -> bool:
        """Whether there is anything to show."""
        return self.tls is not None or self.dkim != "off" or self.dmarc != "off"

    def to_text(self) -> str:
        """In a few words, for people."""
        parts = [f"TLS {self.tls} or later"] if self.tls is not None else []
        parts += {"aligned": ["DKIM aligned"], "author": ["DKIM by the author's domain"]}.get(self.dkim, [])
        parts += ["DKIM keys in signed DNS"] if self.signed_keys else []
        parts += {"enforced": ["DMARC enforced"], "pass": ["DMARC pass"]}.get(self.dmarc, [])
        return ", ".join(parts) or "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustGroup:
    """`members` are names, and suffixes with a dot in front; `scheme` is how DNS says who belongs, None for the list
    alone; `exempt` are names of which nothing is demanded for a while. `send` is what hosts of members must prove,
    `returns` says that mail which cannot be sent so is returned at once. `submission`: mail of users by an author in a
    member's domain must be signed by that domain. `header` is the field that says what mail is, "" for none; only a
    `tag` in `says_breach` form tells a breach from a stranger in it. `expires` is POSIX seconds, None for never.
    """

    name: str
    members: frozenset[str] = frozenset()
    scheme: Scheme | None = None
    exempt: frozenset[str] = frozenset()
    send: SenderDemand = SenderDemand.NONE
    returns: bool = False
    receive: Receive = field(default_factory=Receive)
    on_breach: Breach = Breach.REFUSE
    submission: bool = False
    header: str = ""
    says_breach: bool = True
    verify_every: float = 21_600.0
    alert: str = ""
    owner: str = ""
    comment: str = ""
    expires: float | None = None

    @property
    def demand(self) -> GroupDemand:
        """What is demanded of hosts of members."""
        return GroupDemand(self.send, (self.name,), self.returns)

    def active(self, now: float) -> bool:
        """Whether it has not expired; `now` in POSIX seconds."""
        return self.expires is None or now < self.expires

    def lists(self, domain: Domain) -> bool:
        """Whether the operator's list has this domain."""
        return covers(self.members, domain)

    def exempts(self, domain: Domain) -> bool:
        """Whether nothing is demanded of this domain."""
        return covers(self.exempt, domain)


def covers(patterns: Collection[str], domain: Domain) -> bool:
    """Whether a name, or a suffix of it with a dot in front, is among the patterns; a set of them may be large."""
    if not patterns:
        return False
    name = domain.ascii
    if name in patterns:
        return True
    at = name.find(".")
    while at >= 0:
        if name[at:] in patterns:
            return True
        at = name.find(".", at + 1)
    return False
