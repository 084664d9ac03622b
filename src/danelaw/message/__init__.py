"""Messages as octets: the header taken apart without changing one, the parts within, and what a relay adds or changes.

A relay must pass on what it was given, bit for bit (RFC 5321 §2.4 and §6.4, DKIM depends on it), so nothing here
re-encodes or re-folds what it was not asked to change. `Header.from_bytes` finds the empty line (RFC 5322 §2.1) and
the fields with their offsets, folding included; `field.raw` of all fields and the rest of the message give the message
back. Where a line is no field, the header ends before it and `defect` says so. Limits are arguments.

    header = Header.from_bytes(message)
    header.received_count, header.message_id, header.first("Subject").decoded
    trace = Received(helo=…, client_address=…, by=…, protocol=with_protocol(…), …)
    message = prepend(message, [trace.to_bytes(ident, when)])

`Part.from_octets` reads a whole message, in memory, mapped, or in a seekable file: `scan` takes its header as real mail
has it, parts are found when asked for, within `Limits`. What is odd is a `Defect` with a name, never an exception.
`Draft` notes changes beside the octets and gives the message out in pieces, the rest as it came.

    message = Part.from_octets(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    for part in message.walk():
        part.number, part.content_type.value, part.filename, part.defects
    draft = Draft(message)
    draft.remove_part(attachment)
    append_text(draft, text, footer)
    out.writelines(draft.chunks())

Who a field of addresses names is in `addresses`; `author_addresses` reads the author domain of DMARC and never invents
one (RFC 9989 §5.3.1). Words in other charsets are decoded by `decode_field` and written by `encode_words` (RFC 2047),
parameters by `write_parameter` (RFC 2231).

Public names: `Header`, `Field`, `boundary`, `count_received`, `scan`, `header_defects`; `Part`, `ContentType`,
`Disposition`, `TransferEncoding`, `Limits`, `FileOctets`, `Octets`, `Defect`; `Draft`, `Snapshot`, `append_text`,
`attachment`, `text_entity`, `text_field`; `author_addresses`, `mailboxes`, `Addresses`, `Authors`, `NamedMailbox`;
`decode_field`, `decode_words`, `encode_words`, `write_parameter`; `Received`, `with_protocol`, `return_path`, `field`,
`prepend`, `passed_before`; `format_date`; `keep_fields`, `truncate`, `hide_localparts`, `hide_localparts_in`,
`RECOGNISABLE`; `registered_name`; `MessageError`, `HeaderTooLarge`, `FieldError`, `MessageLimit`.
"""

from danelaw.message.addresses import Addresses, Authors, NamedMailbox, author_addresses, mailboxes
from danelaw.message.ciphers import registered_name
from danelaw.message.compose import append_text, attachment, text_entity, text_field
from danelaw.message.contenttype import ContentType, Disposition
from danelaw.message.date import format_date
from danelaw.message.defects import Defect
from danelaw.message.draft import Draft, Snapshot
from danelaw.message.encodedwords import decode_field, decode_words, encode_words
from danelaw.message.errors import FieldError, HeaderTooLarge, MessageError, MessageLimit
from danelaw.message.header import Field, Header, boundary, count_received, without_fields
from danelaw.message.limits import Limits
from danelaw.message.octets import FileOctets, Octets
from danelaw.message.parameters import write_parameter
from danelaw.message.part import Part
from danelaw.message.redaction import RECOGNISABLE, hide_localparts, hide_localparts_in, keep_fields, truncate
from danelaw.message.scan import header_defects, scan
from danelaw.message.trace import Received, field, passed_before, prepend, return_path, with_protocol
from danelaw.message.transfer import TransferEncoding

__all__ = [
    "RECOGNISABLE",
    "Addresses",
    "Authors",
    "ContentType",
    "Defect",
    "Disposition",
    "Draft",
    "Field",
    "FieldError",
    "FileOctets",
    "Header",
    "HeaderTooLarge",
    "Limits",
    "MessageError",
    "MessageLimit",
    "NamedMailbox",
    "Octets",
    "Part",
    "Received",
    "Snapshot",
    "TransferEncoding",
    "append_text",
    "attachment",
    "author_addresses",
    "boundary",
    "count_received",
    "decode_field",
    "decode_words",
    "encode_words",
    "field",
    "format_date",
    "header_defects",
    "hide_localparts",
    "hide_localparts_in",
    "keep_fields",
    "mailboxes",
    "passed_before",
    "prepend",
    "registered_name",
    "return_path",
    "scan",
    "text_entity",
    "text_field",
    "truncate",
    "with_protocol",
    "without_fields",
    "write_parameter",
]
