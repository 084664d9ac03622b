"""Delivery status notifications of others (RFC 3464): what became of mail of ours."""

from __future__ import annotations

import re
from dataclasses import dataclass

from danelaw.feedback.parts import address, group, told, value
from danelaw.message import Header

MOST_RECIPIENTS = 200
_STATUS_PARTS = frozenset({"message/delivery-status", "message/global-delivery-status"})
_EMPTY_LINE = re.compile(rb"(?:\r?\n[ \t]*){2,}")
_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}", re.ASCII)
_ACTIONS = frozenset({"failed", "delayed", "delivered", "relayed", "expanded"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeRecipient:
    """What became of one recipient (RFC 3464 §2.3): `action` is failed, delayed, delivered, relayed, expanded, or
    empty for anything else; `status` an enhanced status code, or empty. `original` is who was written to before
    anybody forwarded it, empty where nobody says.
    """

    address: str
    action: str
    status: str
    original: str = ""
    diagnostic: str = ""
    remote_mta: str = ""

    @property
    def is_permanent(self) -> bool:
        """It failed for good: status 5, and not only for today."""
        return self.action == "failed" and self.status.startswith("5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One notice. `message_id` is of the message it is about; `envelope_id` is ENVID (RFC 3461 §4.4)."""

    reporting_mta: str
    recipients: tuple[NoticeRecipient, ...]
    envelope_id: str = ""
    arrival_date: str = ""
    message_id: str = ""
    list_id: str = ""


def read_notice(octets: bytes) -> Notice | None:
    """The notice that a mail is, None where it is none. Raises `FeedbackError` for one that is too large."""
    found = told(octets, _STATUS_PARTS)
    if found is None:
        return None
    first, *rest = _EMPTY_LINE.split(found.fields.strip(b"\r\n"), maxsplit=MOST_RECIPIENTS + 1)
    message = group(first)
    # Some leave out the group about the message, or put everything into one.
    groups = [message] if message.first("Final-Recipient") is not None else []
    groups += [group(one) for one in rest[:MOST_RECIPIENTS]]
    recipients = tuple(_recipient(one) for one in groups if one.first("Final-Recipient") is not None)
    return Notice(
        reporting_mta=_name(value(message, "Reporting-MTA")),
        recipients=recipients,
        envelope_id=value(message, "Original-Envelope-Id"),
        arrival_date=value(message, "Arrival-Date"),
        message_id=value(found.about, "Message-ID"),
        list_id=value(found.about, "List-Id"),
    )


def _recipient(fields: Header) -> NoticeRecipient:
    action = value(fields, "Action").lower()
    status = _STATUS.match(value(fields, "Status"))
    return NoticeRecipient(
        address=address(value(fields, "Final-Recipient")),
        action=action if action in _ACTIONS else "",
        status="" if status is None else status[0],
        original=address(value(fields, "Original-Recipient")),
        diagnostic=_name(value(fields, "Diagnostic-Code")),
        remote_mta=_name(value(fields, "Remote-MTA")),
    )


def _name(text: str) -> str:
    """A value without its type (`dns; mx.example.org`)."""
    return text.partition(";")[2].strip() if ";" in text else text
