"""From what hooks said to what the gateway does: replies for the client, rulings on a message."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from danelaw.inbound.arrival import Discard, Hold, Refuse
from danelaw.policy import verdicts
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Ruling
    from danelaw.scripting.running import Said

NAME = "policy"


def reply_of(said: Said | None, *, utf8: bool = False) -> Reply | None:
    """What the client is told; None to go on. Without `utf8`, outside a transaction with SMTPUTF8, it is told in ASCII
    (RFC 6531 §3.7.4.1).
    """
    if said is None:
        return None
    match said.verdict:
        case verdicts.Reject(text, code, status) | verdicts.Defer(text, code, status):
            return Reply.of(code, status, text if utf8 else _in_ascii(text))
        case verdicts.Disconnect(text):
            return Reply.of(421, "4.7.0", text if utf8 else _in_ascii(text))
        case _:
            return None


def _in_ascii(text: str) -> str:
    """Letters without their marks, and ? for what is no letter of ours."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    return "".join(one for one in plain if not unicodedata.combining(one)).encode("ascii", "replace").decode()


def ruling_of(said: Said | None, *, utf8: bool = False) -> Ruling | None:
    """What becomes of the message; None for verdicts that let it go on, changed or not."""
    if said is None:
        return None
    match said.verdict:
        case verdicts.Reject() | verdicts.Defer():
            reply = reply_of(said, utf8=utf8)
            assert reply is not None
            return Refuse(reply, NAME)
        case verdicts.Discard(reason):
            return Discard(f"{said.hook.name}: {reason}", NAME)
        case verdicts.Hold(reason, seconds):
            return Hold(f"{said.hook.name}: {reason}", NAME, seconds)
        case _:
            return None
