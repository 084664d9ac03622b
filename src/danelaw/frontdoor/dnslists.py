"""The step that asks DNS lists about a client and the domains it names (RFC 5782)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.address import Domain, DomainError
from danelaw.dnslist import DNSList, Inquiry, Listing, ListStatus, ReturnCodes, look_up
from danelaw.frontdoor.premises import Premises, address_of, is_postmaster, within
from danelaw.frontdoor.remembered import Remembered
from danelaw.inbound.arrival import Finding
from danelaw.inbound.steps import Stage, Step
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from danelaw.address import ReversePath
    from danelaw.config.front import DNSListEntry
    from danelaw.dnslist.lookup import Subject
    from danelaw.frontdoor.clientnames import ClientNameStep
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.smtp import Recipient

_MOST = 10_000
_LEAST_SECONDS = 1.0
_CANNOT_ASK = Reply.of(451, "4.7.1", "a list that has to be asked about you does not answer; try again later")


@dataclass(frozen=True, slots=True)
class Heard:
    """What one list says of one subject."""

    entry: DNSListEntry
    listing: Listing

    @property
    def listed(self) -> bool:
        """The subject stands in it."""
        return self.listing.status is ListStatus.LISTED

    def finding(self, step: str) -> Finding:
        """As it is kept with the message."""
        listing = self.listing
        codes = f" ({', '.join(listing.codes)})" if listing.codes else ""
        words = f": {listing.reason}" if listing.reason else ""
        score = f", score {self.entry.score:g}" if self.listed and self.entry.use != "allow" else ""
        reason = (
            f"{self.entry.shown} on {listing.inquiry.subject}{codes}{words}{score} (DNSSEC: {listing.dnssec.value})"
        )
        return Finding(step, "allowed" if self.listed and self.entry.use == "allow" else listing.status.value, reason)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What all lists say of one client in one transaction."""

    heard: tuple[Heard, ...] = ()

    @property
    def allowed(self) -> bool:
        """A list of the good has it."""
        return any(one.listed and one.entry.use == "allow" for one in self.heard)

    @property
    def score(self) -> float:
        """The sum over the lists that have it."""
        return sum(one.entry.score for one in self.heard if one.listed and one.entry.use != "allow")


class DNSListStep(Step):
    """Asks all lists at once, once for each client, HELO and sender's domain while the answers live."""

    name = "dns-list"
    stages = Stage.RECIPIENT | Stage.MESSAGE

    def __init__(self, premises: Premises, names: ClientNameStep | None = None) -> None:
        """`names` gives the names of clients where a list wants them."""
        self.premises = premises
        self._names = names
        self._settings = premises.config.dns_lists
        self._entries = tuple(
            (entry, DNSList(entry.zone, ReturnCodes.from_text(entry.codes))) for entry in premises.config.dns_list
        )
        self._remembered: Remembered[tuple[str, str, str], Opinion] = Remembered(_MOST)

    async def opinion(self, client: Client, reverse_path: ReversePath) -> Opinion:
        """What the lists say; never raises for what DNS does."""
        address = address_of(client.address)
        if within(address, self._settings.exempt):
            return Opinion()
        sender = reverse_path.mailbox.domain.to_text() if reverse_path.mailbox is not None else ""
        key = (client.address, client.helo, sender)
        now = self.premises.clock()
        known = self._remembered.get(key, now)
        if known is None:
            asked = [
                (entry, Inquiry(dns_list, subject))
                for entry, dns_list in self._entries
                for subject in await self._subjects(entry, client, reverse_path)
            ]
            known = Opinion(await self._ask(asked))
            expires = min((one.listing.expires for one in known.heard), default=now)
            soonest, latest = now + _LEAST_SECONDS, now + self._settings.remember.total_seconds()
            self._remembered.put(key, known, max(soonest, min(expires, latest)))
        return known

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """Refuse for the first list that asks for it, or for the sum of scores."""
        if is_postmaster(recipient):
            return None
        opinion = await self.opinion(client, reverse_path)
        if opinion.allowed:
            return None
        for one in opinion.heard:
            if one.listed and one.entry.use == "refuse":
                return _refusal(one)
        limit = self._settings.refuse_score
        if limit is not None and opinion.score >= limit:
            worst = max((one for one in opinion.heard if one.listed), key=lambda one: one.entry.score)
            return _refusal(worst)
        if any(one.listing.status is ListStatus.FAILED and one.entry.on_failure == "defer" for one in opinion.heard):
            return _CANNOT_ASK
        return None

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Keep with the message who has the client, who failed, and how many do not have it."""
        opinion = await self.opinion(arrival.client, arrival.envelope.reverse_path)
        said = [one for one in opinion.heard if one.listing.status is not ListStatus.NOT_LISTED]
        arrival.findings += [one.finding(self.name) for one in said]
        silent = [one.entry.shown for one in opinion.heard if one.listing.status is ListStatus.NOT_LISTED]
        if silent:
            arrival.findings.append(Finding(self.name, ListStatus.NOT_LISTED.value, ", ".join(dict.fromkeys(silent))))
        return None

    async def _ask(self, asked: Sequence[tuple[DNSListEntry, Inquiry]]) -> tuple[Heard, ...]:
        inquiries = [inquiry for _, inquiry in asked]
        listings = await self.premises.look_up(look_up(inquiries), self._settings.timeout.total_seconds())
        if listings is None:
            late = "no answer in time"
            listings = tuple(Listing(inquiry, ListStatus.FAILED, reason=late) for inquiry in inquiries)
        for listing in listings:
            self.premises.metrics.dns_lists.add(listing.status.value)
        return tuple(Heard(entry, listing) for (entry, _), listing in zip(asked, listings, strict=True))

    async def _subjects(self, entry: DNSListEntry, client: Client, reverse_path: ReversePath) -> tuple[Subject, ...]:
        if entry.of == "client":
            return (address_of(client.address),)
        if entry.of == "sender":
            domain = reverse_path.mailbox.domain if reverse_path.mailbox is not None else None
            return (domain,) if isinstance(domain, Domain) else ()
        if entry.of == "client-name":
            return (await self._names.client_name(client)).names[:1] if self._names is not None else ()
        try:
            # A name that is an address is looked up in no list of domains (RFC 5782 §3).
            found = Domain.from_text(client.helo)
        except DomainError:
            return ()
        return () if found.ascii.replace(".", "").isdigit() else (found,)


def _refusal(one: Heard) -> Reply:
    listing = one.listing
    words = f": {listing.reason}" if listing.reason else ""
    text = f"{listing.inquiry.subject} is listed by {one.entry.shown}{words}"
    return Reply.of(550, "5.7.1", text.encode("ascii", "replace").decode())
