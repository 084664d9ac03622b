"""From what hooks said to what the gateway does: replies for the client, rulings on a message."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.inbound.arrival import Discard, Hold, Refuse
from danelaw.policy import verdicts
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Ruling
    from danelaw.scripting.running import Said

NAME = "policy"


def reply_of(said: Said | None) -> Reply | None:
    """What the client is told; None to go on."""
    if said is None:
        return None
    match said.verdict:
        case verdicts.Reject(text, code, status) | verdicts.Defer(text, code, status):
            return Reply.of(code, status, text)
        case verdicts.Disconnect(text):
            return Reply.of(421, "4.7.0", text)
        case _:
            return None


def ruling_of(said: Said | None) -> Ruling | None:
    """What becomes of the message; None for verdicts that let it go on, changed or not."""
    if said is None:
        return None
    match said.verdict:
        case verdicts.Reject() | verdicts.Defer():
            reply = reply_of(said)
            assert reply is not None
            return Refuse(reply, NAME)
        case verdicts.Discard(reason):
            return Discard(f"{said.hook.name}: {reason}", NAME)
        case verdicts.Hold(reason, seconds):
            return Hold(f"{said.hook.name}: {reason}", NAME, seconds)
        case _:
            return None
