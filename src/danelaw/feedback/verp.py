"""Return paths that say whose mail came back: the recipient is in them, signed, so that nobody can make one up.

A delivery report names its recipient in words of whoever wrote it, and often another than we wrote to: mail is
forwarded. What comes back to a return path of its own needs no such word. The form is that of VERP, local-part and
domain of the recipient behind `+` with `=` for `@`, and a short signature behind.
"""

from __future__ import annotations

import hmac

from danelaw.address import Mailbox, MailboxError
from danelaw.feedback.errors import FeedbackError

_LONGEST_LOCALPART = 64  # RFC 5321 §4.5.3.1.1
_DIGITS = 12


class VERP:
    """Return paths at `address` (`bounces@lists.example.org`); `key` is secret, and the same for all that read them.

    Raises `FeedbackError` for an address that is none, or a key of less than 16 octets.
    """

    def __init__(self, address: str, key: bytes | str) -> None:
        try:
            Mailbox.from_text(address)
        except MailboxError as error:
            raise FeedbackError(error.reason) from None
        self._local, _, self._domain = address.rpartition("@")
        self._key = key.encode() if isinstance(key, str) else key
        if len(self._key) < 16:
            raise FeedbackError("the key of return paths has less than 16 octets")

    def reverse_path(self, recipient: str) -> str:
        """The return path for mail to a recipient. Raises `FeedbackError` where it would be no address, or too long
        (RFC 5321 §4.5.3.1.1).
        """
        local, at, domain = recipient.rpartition("@")
        found = f"{self._local}+{local}={domain}={self._mark(recipient)}"
        if len(found.encode()) > _LONGEST_LOCALPART:
            raise FeedbackError(
                f"{recipient[:80]!r} does not fit into a return path", advice="send it from an address without VERP"
            )
        try:
            whole = Mailbox.from_text(f"{found}@{self._domain}").to_text()
        except MailboxError as error:
            raise FeedbackError(error.reason) from None
        if not at or self.recipient(whole) != recipient:
            raise FeedbackError(f"{recipient[:80]!r} cannot be written into a return path")
        return whole

    def recipient(self, address: str) -> str | None:
        """Whom a return path of ours is about; None for every other address."""
        local, _, domain = address.rpartition("@")
        if domain.lower() != self._domain.lower() or len(local) > _LONGEST_LOCALPART:
            return None
        base, plus, rest = local[: len(self._local)], local[len(self._local) :][:1], local[len(self._local) + 1 :]
        body, _, mark = rest.rpartition("=")
        name, equals, host = body.rpartition("=")
        if base.lower() != self._local.lower() or plus != "+" or not (name and equals and host):
            return None
        recipient = f"{name}@{host}"
        return recipient if hmac.compare_digest(mark.lower().encode(), self._mark(recipient).encode()) else None

    def _mark(self, recipient: str) -> str:
        # Of the small letters: some hosts on the way change case.
        return hmac.digest(self._key, recipient.lower().encode(), "sha256").hex()[:_DIGITS]
