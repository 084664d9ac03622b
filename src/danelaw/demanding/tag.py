"""Tags in addresses: `anna@example.org.dane.tls.shop.example` asks for DANE on the way to anna@example.org.

The tag is in the domain, below a name of the operator's own. A local-part means what its own host says it means
(RFC 5321 §2.3.11), so a tag there, `anna+dane` or `anna--dane`, would take real addresses for requests; and one that
came to another outbound server would be delivered without the protection. A tagged domain belongs to nobody else: on a
server that knows nothing of tags the message comes back.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from danelaw.address import Domain, DomainError, Mailbox
from danelaw.demanding.words import TAG_WORDS, DemandError, demand_of
from danelaw.tlspolicy import SenderDemand


@dataclass(frozen=True, slots=True)
class TagDomain:
    """Reads and removes tags below `domain`."""

    domain: Domain
    _suffix: str = field(init=False, repr=False, compare=False)
    _written: re.Pattern[bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_suffix", "." + self.domain.ascii)
        # No "@" within: what was read after one is never read again after the next, so any octets take linear time.
        pattern = (
            rb"(@[^\s<>()\[\],;:\"\\@]{1,253}?)\.(?:"
            + "|".join(TAG_WORDS).encode()
            + rb")\."
            + re.escape(self.domain.ascii.encode())
            + rb"(?![A-Za-z0-9._-])"
        )
        object.__setattr__(self, "_written", re.compile(pattern, re.IGNORECASE))

    @property
    def mark(self) -> bytes:
        """What stands in every header with a tagged address, once it is in lower case."""
        return self._suffix.encode()

    def claims(self, mailbox: Mailbox) -> bool:
        """Whether the address is meant to be tagged, rightly or wrongly."""
        domain = mailbox.domain
        return isinstance(domain, Domain) and (domain == self.domain or domain.ascii.endswith(self._suffix))

    def untagged(self, mailbox: Mailbox) -> tuple[Mailbox, SenderDemand]:
        """The recipient that is meant, and what is asked for it; `NONE` for an address without a tag.

        Raises `DemandError` for a tag that cannot be read, naming the words there are.
        """
        if not self.claims(mailbox):
            return mailbox, SenderDemand.NONE
        assert isinstance(mailbox.domain, Domain)
        rest = mailbox.domain.ascii[: -len(self.domain.ascii)].removesuffix(".")
        target, _, word = rest.rpartition(".")
        if not rest or (not target and word in TAG_WORDS):
            raise DemandError(f"a recipient is missing; write anna@example.org.{word or 'dane'}{self._suffix}")
        demand = demand_of(word, TAG_WORDS)
        try:
            meant = Mailbox(mailbox.localpart, Domain.from_text(target))
        except DomainError as error:
            raise DemandError(error.reason) from None
        if self.claims(meant):
            raise DemandError("the address has two tags; write one")
        return meant, demand

    def written_without(self, octets: bytes) -> bytes:
        """Header octets with the tag taken out of every tagged address in them; misspelt ones stay."""
        return self._written.sub(rb"\1", octets)
