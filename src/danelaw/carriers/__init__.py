"""Carriers: ways out of the gateway that are not SMTP, for the mail that ends here or goes on by other means.

A carrier is given a `Parcel` (one message and those of its recipients that travel together) and says what became of
each recipient. Four kinds:

- `Maildir` writes a file per recipient into a folder, as D. J. Bernstein's format has it: into `tmp`, flushed, linked
  into `new`, the folder flushed. The name is made from queue id and recipient, so that a message that is tried again
  after a crash is there once.
- `Pipe` runs a program per recipient, without a shell, with the message on its standard input; its exit status says
  what became of it, as sysexits(3) has it.
- `Post` sends the message as the body of an HTTP request, its envelope beside it as JSON; the status says what became
  of it (RFC 9110 §15), and an idempotency key lets the service know a message that comes twice.
- `LMTP` speaks to a mailbox server of this machine (RFC 2033): SMTP's transaction with a reply for each recipient.

What a carrier delivers is *handed over*: nothing is claimed about what protects it from there. A carrier that cannot
work at all raises `CarrierDown`, and all its mail waits as that of a host that does not answer.
"""

from __future__ import annotations

from danelaw.carriers.lmtp import LMTP
from danelaw.carriers.maildir import Maildir
from danelaw.carriers.parcel import Addressee, Carrier, CarrierDown, Given, Parcel, Result
from danelaw.carriers.pipe import Pipe
from danelaw.carriers.post import Post
from danelaw.carriers.template import Template, TemplateError, Unusable

__all__ = [
    "LMTP",
    "Addressee",
    "Carrier",
    "CarrierDown",
    "Given",
    "Maildir",
    "Parcel",
    "Pipe",
    "Post",
    "Result",
    "Template",
    "TemplateError",
    "Unusable",
]
