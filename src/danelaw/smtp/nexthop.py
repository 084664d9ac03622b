"""What becomes of a message whose needs the next hop does not offer: one table, no downgrade.

| the message needs | the next hop lacks | then |
|---|---|---|
| SMTPUTF8 | SMTPUTF8 | 550 5.6.7 (RFC 6531 §3.5) |
| 8-bit data | 8BITMIME | 550 5.6.3 (RFC 6152 §3, RFC 3463 §3.7): no conversion to 7 bit |
| more octets than SIZE states | SIZE=n | 552 5.3.4 (RFC 1870 §6.1) |
| DSN parameters | DSN | sent without them; NOTIFY=SUCCESS gets a "relayed" notice (RFC 3461 §5.2.2) |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType

from danelaw.smtp.envelope import Envelope, Notify, Recipient
from danelaw.smtp.extensions import Extensions
from danelaw.smtp.reply import Reply


class Need(Enum):
    """What a message may need of the next hop."""

    SMTPUTF8 = "SMTPUTF8"
    EIGHT_BIT_MIME = "8BITMIME"
    SIZE = "SIZE"
    DSN = "DSN"


RELAYED = "relayed"
"""The message is sent all the same, and who asked for NOTIFY=SUCCESS is told that it was relayed."""

TABLE: Mapping[Need, Reply | str] = MappingProxyType(
    {
        Need.SMTPUTF8: Reply.of(550, "5.6.7", "the next server does not take internationalised mail (SMTPUTF8)"),
        Need.EIGHT_BIT_MIME: Reply.of(550, "5.6.3", "the next server does not take 8-bit mail (8BITMIME)"),
        Need.SIZE: Reply.of(552, "5.3.4", "the message is larger than the next server accepts"),
        Need.DSN: RELAYED,
    }
)
"""In the order in which they are looked at. A `Reply` is the status of the refusal; nothing is sent then."""


REQUIRETLS_MISSING = Reply.of(550, "5.7.30", "REQUIRETLS support required")
"""For a message with REQUIRETLS and a reverse-path, when the server does not offer it inside TLS (RFC 8689 §4.2.1)."""


def _uses_dsn(envelope: Envelope) -> bool:
    if envelope.ret is not None or envelope.envid is not None:
        return True
    return any(recipient.notify is not None or recipient.orcpt is not None for recipient in envelope.recipients)


_MISSING: Mapping[Need, Callable[[Envelope, Extensions, int | None, bool], bool]] = MappingProxyType(
    {
        Need.SMTPUTF8: lambda envelope, offered, size, eight_bit: envelope.smtputf8 and not offered.smtputf8,
        Need.EIGHT_BIT_MIME: lambda envelope, offered, size, eight_bit: eight_bit and not offered.eight_bit_mime,
        Need.SIZE: lambda envelope, offered, size, eight_bit: (
            size is not None and offered.max_size is not None and size > offered.max_size
        ),
        Need.DSN: lambda envelope, offered, size, eight_bit: not offered.dsn and _uses_dsn(envelope),
    }
)


def lacking(envelope: Envelope, offered: Extensions, *, size: int | None, eight_bit: bool) -> tuple[Need, ...]:
    """What this message needs and the next hop does not offer, in the table's order.

    `size` in octets when known; `eight_bit` whether the message has octets above 127 (a message declared
    BODY=8BITMIME that is plain ASCII needs nothing).
    """
    return tuple(need for need, missing in _MISSING.items() if missing(envelope, offered, size, eight_bit))


def refusal(envelope: Envelope, offered: Extensions, *, size: int | None, eight_bit: bool) -> Reply | None:
    """The status with which this message cannot go to this next hop, or None when it can."""
    if not envelope.smtputf8 and not eight_bit and (size is None or size <= (offered.max_size or size)):
        return None  # the common case: DSN alone never refuses
    for need in lacking(envelope, offered, size=size, eight_bit=eight_bit):
        outcome = TABLE[need]
        if isinstance(outcome, Reply):
            return outcome
    return None


def relayed(recipients: tuple[Recipient, ...], offered: Extensions) -> tuple[Recipient, ...]:
    """Of the recipients a next hop accepted, those owed a "relayed" notice since it lacks DSN (RFC 3461 §5.2.2)."""
    if offered.dsn:
        return ()
    return tuple(one for one in recipients if one.notify is not None and Notify.SUCCESS in one.notify)
