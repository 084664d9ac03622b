"""Asking for protection from any mail client: a header field, or a tag in a recipient's address.

Mail programs can send no parameter with MAIL, so who writes in one asks in what it can write. The field is for the
whole message, a tag for one recipient:

    Danelaw-Require: dane
    To: anna@example.org.dane.tls.shop.example          (tag domain tls.shop.example)

The words are those of `SenderDemand.word`: `encrypted`, `verified`, `dane`, `requiretls`, in the field also
`requiretls+dane`. They only ever strengthen. What is misspelt, said twice or contradicts `TLS-Required: No` raises
`DemandError` with the words there are, for the client to be refused with; nothing is ever ignored. `without_requests`
takes field and tags out of a header, `touched` says which fields that changes, `signed_fields` which of them a
signature of the client's covers (RFC 6376 §3.5 h=).

Names: `FIELD_NAME`, `demand_in_field`, `TagDomain`, `ADDRESS_FIELDS`, `without_requests`, `touched`, `signed_fields`,
`FIELD_WORDS`, `TAG_WORDS`, `DemandError`.
"""

from danelaw.demanding.field import FIELD_NAME, demand_in_field
from danelaw.demanding.removal import ADDRESS_FIELDS, signed_fields, touched, without_requests
from danelaw.demanding.tag import TagDomain
from danelaw.demanding.words import FIELD_WORDS, TAG_WORDS, DemandError

__all__ = [
    "ADDRESS_FIELDS",
    "FIELD_NAME",
    "FIELD_WORDS",
    "TAG_WORDS",
    "DemandError",
    "TagDomain",
    "demand_in_field",
    "signed_fields",
    "touched",
    "without_requests",
]
