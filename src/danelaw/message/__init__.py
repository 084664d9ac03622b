"""Messages as octets: the header taken apart without changing one, and the fields a relay adds on top.

A relay must pass on what it was given, bit for bit (RFC 5321 §2.4 and §6.4, DKIM depends on it), so nothing here
decodes, re-encodes or re-folds. `Header.from_bytes` finds the empty line (RFC 5322 §2.1) and the fields with
their offsets, folding included; `field.raw` of all fields and the rest of the message give the message back.
Where a line is no field, the header ends before it and `defect` says so. Limits are arguments.

    header = Header.from_bytes(message)
    header.received_count, header.message_id, header.first("Subject").value
    trace = Received(helo=…, client_address=…, by=…, protocol=with_protocol(…), …)
    message = prepend(message, [trace.to_bytes(ident, when)])

Public names: `Header`, `Field`, `boundary`, `count_received`; `Received`, `with_protocol`, `return_path`, `field`,
`prepend`, `passed_before`; `format_date`; `keep_fields`, `truncate`, `hide_localparts`, `hide_localparts_in`,
`RECOGNISABLE`; `registered_name`; `author_addresses`, `mailboxes`, `Addresses`, `Authors`, `NamedMailbox`, `Defect`;
`decode_field`, `decode_words`, `encode_words`; `MessageError`, `HeaderTooLarge`, `FieldError`.
"""

from danelaw.message.addresses import Addresses, Authors, NamedMailbox, author_addresses, mailboxes
from danelaw.message.ciphers import registered_name
from danelaw.message.date import format_date
from danelaw.message.defects import Defect
from danelaw.message.encodedwords import decode_field, decode_words, encode_words
from danelaw.message.errors import FieldError, HeaderTooLarge, MessageError
from danelaw.message.header import Field, Header, boundary, count_received
from danelaw.message.redaction import RECOGNISABLE, hide_localparts, hide_localparts_in, keep_fields, truncate
from danelaw.message.trace import Received, field, passed_before, prepend, return_path, with_protocol

__all__ = [
    "RECOGNISABLE",
    "Addresses",
    "Authors",
    "Defect",
    "Field",
    "FieldError",
    "Header",
    "HeaderTooLarge",
    "MessageError",
    "NamedMailbox",
    "Received",
    "author_addresses",
    "boundary",
    "count_received",
    "decode_field",
    "decode_words",
    "encode_words",
    "field",
    "format_date",
    "hide_localparts",
    "hide_localparts_in",
    "keep_fields",
    "mailboxes",
    "passed_before",
    "prepend",
    "registered_name",
    "return_path",
    "truncate",
    "with_protocol",
]
