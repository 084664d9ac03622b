"""The step that says who a sender would be taken for, and whether the recipient has heard of it before."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from danelaw.address import Domain
from danelaw.frontdoor.clientnames import own_names
from danelaw.frontdoor.premises import Premises
from danelaw.inbound.arrival import Finding
from danelaw.inbound.steps import Stage, Step
from danelaw.lookalike import Person, address_in_name, posing_as, resemblance
from danelaw.lookalike.domains import domain_of
from danelaw.message import Header, author_addresses, mailboxes
from danelaw.state import CorrespondentStore, StateError

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.message import NamedMailbox

_MOST_AUTHORS = 10
_MOST_PAIRS = 50
_LOOKED_AT = (b"sender", b"reply-to")


class LookAlikeStep(Step):
    """Facts about From, Sender and Reply-To. It rules nothing; a field may be added for people and their filters."""

    name = "look-alike"
    stages = Stage.MESSAGE

    def __init__(self, premises: Premises) -> None:
        self.premises = premises
        settings = premises.config.look_alikes
        self._field = settings.field
        self._models = (*own_names(premises), *settings.domains)
        self._people = tuple(Person(one.name, tuple(text.lower() for text in one.addresses)) for one in settings.person)

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Look at the authors."""
        found = list(dict.fromkeys(self._findings(arrival)))
        arrival.findings += found
        for finding in found:
            self.premises.metrics.look_alikes.add(finding.result)
        if found and self._field is not None:
            words = " ".join(dict.fromkeys(finding.result for finding in found))
            arrival.added.append(f"{self._field}: {words} ({self.premises.config.hostname})\r\n".encode())
        return None

    def _findings(self, arrival: Arrival) -> Iterator[Finding]:
        fields = [(field.name, field.raw) for field in Header.from_bytes(arrival.content.header + b"\r\n").fields]
        for author in author_addresses(fields, max_mailboxes=_MOST_AUTHORS).mailboxes:
            yield from self._of_author(author)
        for name, raw in fields:
            if name.lower() in _LOOKED_AT:
                for other in mailboxes(raw[raw.index(b":") + 1 :], max_mailboxes=_MOST_AUTHORS).mailboxes:
                    yield from self._of_domain(other.domain)
        sender = arrival.envelope.reverse_path.mailbox
        if sender is not None:
            yield from self._of_domain(sender.domain.to_text())

    def _of_author(self, author: NamedMailbox) -> Iterator[Finding]:
        yield from self._of_domain(author.domain)
        address = f"{author.localpart}@{author.domain}"
        said = address_in_name(author.display_name, author.domain)
        if said is not None:
            yield Finding(self.name, "address-in-name", f"the display name says {said}, the address is {address}")
        person = posing_as(author.display_name, address, self._people)
        if person is not None:
            yield Finding(self.name, "protected-name", f"{person.name} does not write from {address}")

    def _of_domain(self, text: str) -> Iterator[Finding]:
        domain = domain_of(text)
        if isinstance(domain, Domain):
            found = resemblance(domain, self._models)
            if found is not None:
                yield Finding(self.name, found.likeness.value, found.words)


class CorrespondentStep(Step):
    """Remembers who wrote to whom, clients of ours included, and says of a stranger's mail whether it is a first one.

    The author's address counts, and the reverse-path for what is asked before the header is here.
    """

    name = "correspondent"
    stages = Stage.MESSAGE
    for_trusted = True

    def __init__(self, premises: Premises, store: CorrespondentStore) -> None:
        self.premises = premises
        self.store = store

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    def knows(self, sender: str, recipient: str) -> bool:
        """True when these two have exchanged mail before."""
        try:
            return self.store.known(sender, recipient, self.premises.clock()) is not None
        except StateError:
            return False

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Say what was known, then remember."""
        fields = ((field.name, field.raw) for field in Header.from_bytes(arrival.content.header + b"\r\n").fields)
        authors = author_addresses(fields, max_mailboxes=1).mailboxes
        author = f"{authors[0].localpart}@{authors[0].domain}" if authors else None
        path = arrival.envelope.reverse_path.mailbox
        senders = dict.fromkeys(text for text in (author, path.to_text() if path is not None else None) if text)
        recipients = [item.forward_path.mailbox.to_text() for item in arrival.envelope.recipients[:_MOST_PAIRS]]
        now = self.premises.clock()
        try:
            if not arrival.client.trusted and senders:
                arrival.findings.append(self._finding(next(iter(senders)), recipients, now))
            for sender in senders:
                for recipient in recipients:
                    self.store.met(sender, recipient, now)
        except StateError as error:
            self.premises.log.warning("correspondents", reason=error.reason, advice=error.advice)
        return None

    def _finding(self, sender: str, recipients: list[str], now: float) -> Finding:
        known = [self.store.known(sender, recipient, now) for recipient in recipients]
        strangers = [recipient for recipient, one in zip(recipients, known, strict=True) if one is None]
        result = "first-time" if strangers else "known"
        self.premises.metrics.correspondents.add(result)
        if strangers:
            return Finding(self.name, result, f"{sender} has not written to {strangers[0]} before")
        messages = max(one.messages for one in known if one is not None)
        return Finding(self.name, result, f"{sender} is known: {messages} message{'' if messages == 1 else 's'} before")
