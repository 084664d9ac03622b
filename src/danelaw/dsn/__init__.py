"""Delivery status notifications: telling the sender what became of a message (RFC 3461, RFC 3464, RFC 6522, RFC 6533).

A notice is a multipart/report of three parts: words for a person, which begin with the outcome and give the
security reason in full; fields for a program (message/delivery-status); and the original message or only its
header. Which of the two: the header alone for delays and successes, with RET=HDRS, above a size, and always for
messages under REQUIRETLS (RFC 8689 §5), whose notices travel under REQUIRETLS themselves (`envelope_of`).

    if told(Action.FAILED, notify, null_reverse_path=False) is Told.SENDER:
        notice = DSN(reporting_mta="mx.example.org", to="anna@example.org", original=message, recipients=(
            DSNRecipient(address="bob@example.net", action=Action.FAILED, status="4.7.0", reason="…"),))
        content = build(notice, date=now, message_id="<…@mx.example.org>", boundary=token)
        envelope = envelope_of(notice, content)          # MAIL FROM:<>, with REQUIRETLS when due

Nobody is told about a notice: with an empty reverse-path `told` answers `POSTMASTER` or `NOBODY`, and `DSN` refuses
an empty `to`. Text that came from a remote server can neither break out of its field nor carry 8-bit octets into a
7-bit part. When the way back lacks SMTPUTF8, addresses and headers in UTF-8 are encoded, not dropped; where it lacks
8BITMIME or REQUIRETLS, `seven_bit` and `redacted` turn a finished notice into one that passes.

What a person reads is put together from `Texts`, one file per language; English and German come with danelaw. Each
`Cause` has words of its own: why, what each server did, what the sender can do, and what the recipient's postmaster can
do on the own server. Never is a key that was only seen from outside given as advice: it may be an attacker's.

Public names: `DSN`, `DSNRecipient`, `Action`, `Cause`, `Demander`, `Asked`, `HostTry`, `build`, `subject`,
`explanation`,
`Texts`, `TextsError`, `shipped`, `shipped_source`, `KEYS`, `SHIPPED`, `NoticeEnvelope`, `envelope_of`; `told`, `Told`,
`relayed_notice`; `redacted`, `seven_bit`; `encode_xtext`, `decode_xtext`, `encode_unitext`, `decode_unitext`;
`DSNError`.
"""

from danelaw.dsn.build import build
from danelaw.dsn.cause import Cause
from danelaw.dsn.errors import DSNError
from danelaw.dsn.notify import Told, relayed_notice, told
from danelaw.dsn.redact import redacted
from danelaw.dsn.sevenbit import seven_bit
from danelaw.dsn.texts import KEYS, SHIPPED, Texts, TextsError, shipped, shipped_source
from danelaw.dsn.values import DSN, Action, Asked, Demander, DSNRecipient, HostTry, NoticeEnvelope, envelope_of
from danelaw.dsn.words import explanation, subject
from danelaw.dsn.xtext import decode_unitext, decode_xtext, encode_unitext, encode_xtext

__all__ = [
    "DSN",
    "KEYS",
    "SHIPPED",
    "Action",
    "Asked",
    "Cause",
    "DSNError",
    "DSNRecipient",
    "Demander",
    "HostTry",
    "NoticeEnvelope",
    "Texts",
    "TextsError",
    "Told",
    "build",
    "decode_unitext",
    "decode_xtext",
    "encode_unitext",
    "encode_xtext",
    "envelope_of",
    "explanation",
    "redacted",
    "relayed_notice",
    "seven_bit",
    "shipped",
    "shipped_source",
    "subject",
    "told",
]
