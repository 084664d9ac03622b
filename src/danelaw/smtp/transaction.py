"""A mail transaction on the server's side while it grows (RFC 5321 §3.3)."""

from __future__ import annotations

from danelaw.smtp.envelope import Body, Envelope, Recipient
from danelaw.smtp.events import MailFrom
from danelaw.smtp.message_reader import ChunkReader, DataReader
from danelaw.smtp.settings import ServerSettings


class Transaction:
    """From an accepted MAIL to the reply to its data."""

    __slots__ = ("_envelope", "_mail", "_recipients", "chunks", "data", "received", "recipients_refused")

    def __init__(self, mail: MailFrom) -> None:
        self._mail = mail
        self._recipients: list[Recipient] = []
        self._envelope: Envelope | None = None
        self.recipients_refused = False
        self.data: DataReader | None = None
        self.chunks: ChunkReader | None = None
        self.received = 0

    @property
    def smtputf8(self) -> bool:
        """MAIL carried SMTPUTF8."""
        return self._mail.smtputf8

    @property
    def recipient_count(self) -> int:
        """Accepted recipients."""
        return len(self._recipients)

    def add(self, recipient: Recipient) -> None:
        """Take an accepted recipient."""
        self._recipients.append(recipient)
        self._envelope = None

    def envelope(self) -> Envelope:
        """The envelope as accepted so far."""
        if self._envelope is None:
            mail = self._mail
            self._envelope = Envelope(
                mail.reverse_path,
                tuple(self._recipients),
                mail.smtputf8,
                mail.body,
                mail.ret,
                mail.envid,
                mail.requiretls,
            )
        return self._envelope

    def read_data(self, settings: ServerSettings) -> None:
        """354 was given."""
        self.data = DataReader(settings, announced_8bit=self._mail.body is Body.EIGHT_BIT_MIME)

    def read_chunks(self, settings: ServerSettings) -> None:
        """The first BDAT was accepted."""
        self.chunks = ChunkReader(settings, announced_8bit=self._mail.body is Body.EIGHT_BIT_MIME)
