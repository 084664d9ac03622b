"""What senders ask for in a field or in an address (`danelaw.demanding`): read, refused or obeyed, and taken out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath
from danelaw.demanding import (
    FIELD_NAME,
    DemandError,
    TagDomain,
    demand_in_field,
    signed_fields,
    touched,
    without_requests,
)
from danelaw.demanding.removal import field_bodies
from danelaw.inbound.arrival import Finding, Refuse
from danelaw.inbound.head import Head
from danelaw.inbound.steps import Stage, Step
from danelaw.requiretls import waives_tls
from danelaw.smtp import OriginalRecipient, Recipient, Reply
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Ruling
    from danelaw.smtp import Envelope
    from danelaw.telemetry import Metrics

DEMAND = "demand"
"""The step whose findings say who asked for what."""
_FIELD = FIELD_NAME.lower().encode()
_BY_FIELD = f"the sender asked for it in the field {FIELD_NAME}"
_BY_TAG = "the sender asked for it in the recipient's address"


@dataclass(frozen=True, slots=True)
class Asking:
    """How senders may ask: in the field, and by tags below `tags` (None: not at all)."""

    field: bool
    tags: TagDomain | None
    metrics: Metrics

    def recipient(self, written: Recipient) -> Recipient | Reply:
        """The recipient that is meant, with what is asked for it; a reply refuses a tag that cannot be read."""
        if self.tags is None:
            return written
        try:
            mailbox, demand = self.tags.untagged(written.forward_path.mailbox)
        except DemandError as error:
            self.metrics.demand_requests.add("address", "refused")
            return Reply.of(553, "5.1.3", error.reason)
        if demand is SenderDemand.NONE:
            return written
        return replace(
            written,
            forward_path=ForwardPath(mailbox),
            orcpt=_untagged(written.orcpt, self.tags),
            demand=demand.word,
        )


class DemandStep(Step):
    """Asked before all others about mail of users and of clients that may relay, where there is a request in it."""

    name = DEMAND
    stages = Stage.MESSAGE
    for_strangers = False
    for_trusted = True
    prompt = True

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def wants(self, head: Head, envelope: Envelope) -> bool:
        """Where the field is, or may be, a recipient was tagged, or an address in the header may be: programs that send
        a message for each recipient repeat the tags of the others in To.
        """
        if head.mentions(_FIELD):
            return True
        tags = self._asking.tags
        return tags is not None and (head.mentions(tags.mark) or any(one.demand for one in envelope.recipients))

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Obey what is asked, or refuse the message with what is wrong about it."""
        try:
            by_field = self._asked(arrival)
        except DemandError as error:
            self._asking.metrics.demand_requests.add("field", "refused")
            return Refuse(Reply.of(554, "5.6.0", error.reason), self.name)
        if by_field is not SenderDemand.NONE or _tagged(arrival) or not self._broken(arrival):
            self._take_out(arrival)
        groups = _by_demand(arrival.recipients, by_field)
        (first, staying), *others = groups.items()
        parts = [(demand, arrival.copy(self.name, leaving)) for demand, leaving in others]
        arrival.recipients = staying
        for demand, part in ((first, arrival), *parts):
            self._obey(part, demand, by_field)
        return None

    def _asked(self, arrival: Arrival) -> SenderDemand:
        """What the field asks of all. Raises `DemandError`, also for requests that contradict each other."""
        header = arrival.content.header
        bodies = field_bodies(header)
        if bodies and not self._asking.field:
            raise DemandError(f"this gateway does not obey the field {FIELD_NAME}; take it out")
        by_field = demand_in_field(bodies)
        asks = by_field is not SenderDemand.NONE or _tagged(arrival)
        if asks and not arrival.envelope.requiretls and _waives(header):
            raise DemandError("the message asks for protection and says TLS-Required: No; write one of the two")
        broken = self._broken(arrival) if asks else ()
        if broken:
            names = ", ".join(name.decode() for name in broken)
            raise DemandError(f"the request must be taken out, and your signature (DKIM) covers: {names}")
        return by_field

    def _broken(self, arrival: Arrival) -> list[bytes]:
        """The fields which the client's signature covers and the removal of requests changes."""
        header = arrival.content.header
        return sorted(touched(header, self._asking.tags) & signed_fields(header))

    def _take_out(self, arrival: Arrival) -> None:
        header = without_requests(arrival.content.header, self._asking.tags)
        if header != arrival.content.header:
            arrival.content = arrival.content.with_header(header)

    def _obey(self, arrival: Arrival, demand: SenderDemand, by_field: SenderDemand) -> None:
        if demand is SenderDemand.NONE:
            return
        if demand.requiretls:
            arrival.envelope = replace(arrival.envelope, requiretls=True)
        if not demand.requiretls or demand.dane:
            arrival.demand = SenderDemand.DANE.word if demand.dane else demand.word
        by = "field" if demand is by_field else "address"
        arrival.findings.append(Finding(self.name, demand.word, _BY_FIELD if by == "field" else _BY_TAG))
        self._asking.metrics.demand_requests.add(by, demand.word, by=len(arrival.recipients))


class StrangersDemandStep(Step):
    """Asked after all others about mail of everybody else: the field has no effect, and goes.

    Left in, it would be obeyed by the next gateway that trusts this one. So anybody who posts to a list here could have
    the copies for its members wait, or be refused and the members removed for their bounces.
    """

    name = "demand-of-strangers"
    stages = Stage.MESSAGE
    prompt = True

    def wants(self, head: Head, envelope: Envelope) -> bool:
        """Where the field is, or may be."""
        return head.mentions(_FIELD)

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Take the field out."""
        header = without_requests(arrival.content.header)
        if header != arrival.content.header:
            arrival.content = arrival.content.with_header(header)
            arrival.findings.append(Finding(self.name, "removed", f"{FIELD_NAME} of a stranger, which has no effect"))
        return None


def _tagged(arrival: Arrival) -> bool:
    return any(one.demand for one in arrival.recipients)


def _waives(header: bytes) -> bool:
    return waives_tls(Head(header + b"\r\n").tls_required, requiretls=False)


def _by_demand(recipients: list[Recipient], by_field: SenderDemand) -> dict[SenderDemand, list[Recipient]]:
    """The recipients by what holds for them. Of two requests for the same mailbox the stronger counts for both: an
    unprotected copy would undo the other.
    """
    of_mailbox: dict[str, SenderDemand] = {}
    for one in recipients:
        mailbox = one.forward_path.mailbox.to_text().lower()
        asked = by_field.with_demand(SenderDemand.from_word(one.demand))
        of_mailbox[mailbox] = of_mailbox.get(mailbox, SenderDemand.NONE).with_demand(asked)
    groups: dict[SenderDemand, list[Recipient]] = {}
    for one in recipients:
        groups.setdefault(of_mailbox[one.forward_path.mailbox.to_text().lower()], []).append(one)
    return groups


def _untagged(orcpt: OriginalRecipient | None, tags: TagDomain) -> OriginalRecipient | None:
    """ORCPT without the tag (RFC 3461 §4.2): notices name the recipient that is meant."""
    if orcpt is None:
        return None
    address = tags.written_without(orcpt.address.encode("utf-8", "surrogateescape"))
    return replace(orcpt, address=address.decode("utf-8", "surrogateescape"))
