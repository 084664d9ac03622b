"""Names of people and places in SMTP (RFC 5321 §4.1.2, RFC 6531 §3.3).

A *mailbox* is `local-part@domain`. The local-part belongs to the domain's owner alone: nobody else may fold its
case or read meaning into it. The domain is a DNS name, always held here as A-labels (`xn--…`), or an address
literal in brackets. MAIL carries a *reverse-path*, where notices go, and may be `<>`; RCPT carries a
*forward-path*. Only local-parts can be non-ASCII on the wire, and then the message needs SMTPUTF8.

The grammar is SMTP's, which is much narrower than that of message headers: no comments, no white space, no
display names. Three things are accepted beyond or dropped from it: underscores in domains (met in the field),
source routes (dropped), and `<Postmaster>` without a domain. Refused though the ABNF would let it pass: the empty
quoted local-part, IPv4 literals with leading zeros, and address literals with unregistered tags.

Names: `Domain`, `AddressLiteral`, `Localpart`, `Mailbox`, `ReversePath`, `ForwardPath`, each with `from_text` and
`to_text`; `SocketAddress`, an IP address with a port; `DomainError`, `AddressLiteralError`, `LocalpartError`,
`MailboxError`, `PathError`.
"""

from danelaw.address.domain import Domain, DomainError
from danelaw.address.literal import AddressLiteral, AddressLiteralError
from danelaw.address.localpart import Localpart, LocalpartError
from danelaw.address.mailbox import Mailbox, MailboxError
from danelaw.address.path import ForwardPath, PathError, ReversePath
from danelaw.address.socket_address import SocketAddress

__all__ = [
    "AddressLiteral",
    "AddressLiteralError",
    "Domain",
    "DomainError",
    "ForwardPath",
    "Localpart",
    "LocalpartError",
    "Mailbox",
    "MailboxError",
    "PathError",
    "ReversePath",
    "SocketAddress",
]
