"""What comes back to whoever sends much mail: complaints (ARF, RFC 5965), delivery reports of others (RFC 3464), VERP.

    complaint = read_complaint(octets)      # None: the mail is none; FeedbackError: it is one that cannot be used
    complaint.kind, complaint.recipients, complaint.message_id

    notice = read_notice(octets)
    [one.address for one in notice.recipients if one.is_permanent]

Both are mail from strangers: sizes and numbers are limited, nothing of a message's body is looked at, and whoever
writes such a report can name any address in it. What can be believed is a return path of ours that a stranger cannot
make up: `VERP` writes the recipient into it, signed.

    verp = VERP("bounces@lists.example.org", key)
    verp.reverse_path("anna@example.org")           # bounces+anna=example.org=3f9c…@lists.example.org
    verp.recipient("bounces+anna=example.org=3f9c…@lists.example.org")      # anna@example.org, or None

Public names: `Complaint`, `read_complaint`, `Notice`, `NoticeRecipient`, `read_notice`, `VERP`, `FeedbackError`.
"""

from danelaw.feedback.complaint import Complaint, read_complaint
from danelaw.feedback.errors import FeedbackError
from danelaw.feedback.notice import Notice, NoticeRecipient, read_notice
from danelaw.feedback.verp import VERP

__all__ = ["VERP", "Complaint", "FeedbackError", "Notice", "NoticeRecipient", "read_complaint", "read_notice"]
