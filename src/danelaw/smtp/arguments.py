"""The parameters of MAIL and RCPT as words again, for those who want to hear what a client said (RFC 5321 §4.1.2)."""

from __future__ import annotations

from danelaw.smtp import xtext
from danelaw.smtp.envelope import Envelope, Recipient
from danelaw.smtp.events import MailFrom


def mail_arguments(said: MailFrom | Envelope) -> tuple[str, ...]:
    """`("SIZE=1234", "BODY=8BITMIME")`; an `Envelope` has no SIZE."""
    words = []
    if isinstance(said, MailFrom) and said.size is not None:
        words.append(f"SIZE={said.size}")
    if said.body is not None:
        words.append(f"BODY={said.body.value}")
    if said.smtputf8:
        words.append("SMTPUTF8")
    if said.ret is not None:
        words.append(f"RET={said.ret.value}")
    if said.envid is not None:
        words.append(f"ENVID={xtext.encode(said.envid)}")
    if said.requiretls:
        words.append("REQUIRETLS")
    return tuple(words)


def rcpt_arguments(recipient: Recipient) -> tuple[str, ...]:
    """`("NOTIFY=NEVER", "ORCPT=rfc822;anna@example.org")`."""
    words = []
    if recipient.notify is not None:
        words.append(f"NOTIFY={recipient.notify.to_text()}")
    if recipient.orcpt is not None:
        words.append(f"ORCPT={recipient.orcpt.to_text()}")
    return tuple(words)
