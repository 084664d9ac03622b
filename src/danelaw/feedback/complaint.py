"""Complaints about mail in the Abuse Reporting Format (RFC 5965): what somebody's spam button tells its sender."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.feedback.errors import FeedbackError
from danelaw.feedback.parts import address, group, printed, told, value, values

KINDS = ("abuse", "fraud", "virus", "other", "not-spam", "opt-out", "opt-out-list")
"""Feedback types (RFC 5965 §7.3, RFC 6650 §5). `auth-failure` is read by `danelaw.dmarcreport`."""
_REPORT = frozenset({"message/feedback-report"})
_MOST_INCIDENTS = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """One complaint. `kind` is a word of `KINDS`, or another as written; `reporter` who stands in From of the mail.

    `mail_from`, `recipients` and `source_ip` are the envelope and the client of the message as the reporter saw them;
    many hide the recipient. `message_id`, `list_id` and `list_unsubscribe` are from the header of the message.
    """

    kind: str
    reporter: str
    user_agent: str = ""
    source_ip: str = ""
    mail_from: str = ""
    recipients: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    arrival_date: str = ""
    incidents: int = 1
    message_id: str = ""
    list_id: str = ""
    list_unsubscribe: str = ""


def read_complaint(octets: bytes) -> Complaint | None:
    """The complaint that a mail is (RFC 5965 §2), None where it is none. Raises `FeedbackError` where it says no kind,
    is too large, or is about authentication, which is no complaint.
    """
    found = told(octets, _REPORT)
    if found is None:
        return None
    fields, about = group(found.fields), found.about
    kind = value(fields, "Feedback-Type").lower()
    if not kind or kind == "auth-failure":
        raise FeedbackError("it does not say what it complains about" if not kind else "it is about authentication")
    author = found.mail.header.first("From")
    return Complaint(
        kind=kind,
        reporter="" if author is None else printed(author.decoded),
        user_agent=value(fields, "User-Agent"),
        source_ip=value(fields, "Source-IP"),
        mail_from=address(value(fields, "Original-Mail-From")),
        recipients=tuple(map(address, values(fields, "Original-Rcpt-To"))),
        domains=values(fields, "Reported-Domain"),
        arrival_date=value(fields, "Arrival-Date") or value(fields, "Received-Date"),
        incidents=_incidents(value(fields, "Incidents")),
        message_id=value(about, "Message-ID"),
        list_id=value(about, "List-Id"),
        list_unsubscribe=value(about, "List-Unsubscribe"),
    )


def _incidents(text: str) -> int:
    is_number = text.isascii() and text.isdecimal() and len(text) <= 10
    return int(text) if is_number and 1 <= int(text) <= _MOST_INCIDENTS else 1
