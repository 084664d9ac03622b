"""What is done for users who hand in mail: their senders, their rates, fields they forgot (RFC 6409)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.address import Mailbox, MailboxError
from danelaw.inbound.arrival import Refuse
from danelaw.inbound.ledger import MESSAGES, RECIPIENTS, Ceiling, Ledger
from danelaw.inbound.steps import Stage, Step
from danelaw.message import Header, author_addresses, field, format_date
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from danelaw.address import ReversePath
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.inbound.userbook import UserBook
    from danelaw.smtp import Recipient

_NOT_YOURS = Reply.of(550, "5.7.1", "you may not send mail with that sender address")
_NOT_YOUR_FROM = Reply.of(550, "5.7.1", "you may not send mail with that From field")
_TOO_MANY_MESSAGES = Reply.of(451, "4.7.1", "you have sent too many messages within an hour; try again later")
_TOO_MANY_RECIPIENTS = Reply.of(452, "4.7.1", "you have sent to too many recipients within an hour; try again later")
_DATE = re.compile(rb"^date[ \t]*:", re.IGNORECASE | re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionSettings:
    """`own_senders`, `own_authors`: a user may use no address but its own, in the envelope and in the From field.
    Ceilings are for each user, None for none.
    """

    hostname: str
    own_senders: bool = False
    own_authors: bool = False
    add_fields: bool = True
    messages: Ceiling | None = None
    recipients: Ceiling | None = None


class SubmissionStep(Step):
    """Asked about users only; it comes before other steps, since it costs nothing.

    `reached(ceiling, user, of)` is told when a user has sent too much.
    """

    name = "submission"
    stages = Stage.MAIL | Stage.RECIPIENT | Stage.MESSAGE
    for_strangers = False
    for_users = True

    def __init__(
        self,
        settings: SubmissionSettings,
        users: UserBook,
        ledger: Ledger,
        ticks: Callable[[], int],
        reached: Callable[[str, str, int], None],
    ) -> None:
        self._settings = settings
        self._users = users
        self._ledger = ledger
        self._ticks = ticks
        self._reached = reached

    @property
    def idle(self) -> bool:
        """True when it neither adds fields nor looks at authors."""
        return not (self._settings.add_fields or self._settings.own_authors)

    def close(self) -> None:
        """No password is checked any more."""
        self._users.close()

    async def mail(self, client: Client, reverse_path: ReversePath) -> Reply | None:
        """Is the sender one of the user's, and may it send one more message?"""
        # Notices of a mail reader have no sender (RFC 8098 §3).
        mailbox = reverse_path.mailbox
        if self._settings.own_senders and mailbox is not None and not self._owns(client.user, mailbox):
            return _NOT_YOURS
        if self._takes(client.user, MESSAGES, self._settings.messages, "messages of a user"):
            return None
        return _TOO_MANY_MESSAGES

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """May it send to one more?"""
        if self._takes(client.user, RECIPIENTS, self._settings.recipients, "recipients of a user"):
            return None
        return _TOO_MANY_RECIPIENTS

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Date and Message-ID where they are missing (RFC 6409 §8.2, §8.3), and whether the authors are the user."""
        header = arrival.content.header
        if self._settings.own_authors and not self._wrote(arrival.client.user, header):
            return Refuse(_NOT_YOUR_FROM, self.name)
        if not self._settings.add_fields:
            return None
        if not _MESSAGE_ID.search(header):
            arrival.added.append(field("Message-ID", f"<{arrival.id_text}@{self._settings.hostname}>"))
        if not _DATE.search(header):
            arrival.added.append(field("Date", format_date(arrival.received_at)))
        return None

    def _owns(self, user: str, mailbox: Mailbox) -> bool:
        known = self._users.user(user)
        return known.may_send_as(mailbox) if known is not None else mailbox.to_text().lower() == user.lower()

    def _wrote(self, user: str, header: bytes) -> bool:
        """Whether every reader sees this user as the only author."""
        fields = Header.from_bytes(header + b"\r\n").fields
        authors = author_addresses((one.name, one.raw) for one in fields)
        if authors.ambiguous or not authors.mailboxes:
            return False
        try:
            return all(self._owns(user, Mailbox.from_text(author.address)) for author in authors.mailboxes)
        except MailboxError:
            return False

    def _takes(self, user: str, kind: int, ceiling: Ceiling | None, name: str) -> bool:
        if ceiling is None:
            return True
        now = self._ticks()
        if self._ledger.take(self._ledger.row(f"user {user.casefold()}", now), kind, ceiling, now):
            return True
        self._reached(name, user, ceiling.count)
        return False
