"""Who is told what: the NOTIFY rules and the end of bounce loops (RFC 3461 §5.2, RFC 5321 §4.5.5)."""

from __future__ import annotations

from enum import Enum

from danelaw.dsn.values import Action

_KEYWORD = {
    Action.FAILED: "FAILURE",
    Action.DELAYED: "DELAY",
    Action.DELIVERED: "SUCCESS",
    Action.RELAYED: "SUCCESS",
    Action.EXPANDED: "SUCCESS",
}


class Told(Enum):
    """Who learns of an event. `POSTMASTER` is by log or console, never by a notice (RFC 3461 §5.2.6 b)."""

    SENDER = "sender"
    POSTMASTER = "postmaster"
    NOBODY = "nobody"


def told(action: Action, notify: str | None, *, null_reverse_path: bool) -> Told:
    """Who is told that `action` happened for a recipient with this NOTIFY parameter.

    `notify` is the parameter's value (`SUCCESS,FAILURE`, `NEVER`), None when it was absent: then failure and
    delay are told, success is not. A failure nobody may be told of goes to the postmaster, so that a double
    bounce is not lost silently.
    """
    if notify is None:
        wanted = action in (Action.FAILED, Action.DELAYED)
    else:
        wanted = _KEYWORD[action] in {word.strip().upper() for word in notify.split(",")}
    if wanted and not null_reverse_path:
        return Told.SENDER
    if action is Action.FAILED and null_reverse_path:
        return Told.POSTMASTER
    return Told.NOBODY


def relayed_notice(notify: str | None, *, next_hop_offers_dsn: bool, null_reverse_path: bool) -> bool:
    """Whether a "relayed" notice is due: success was to be told and the next hop will not tell it
    (RFC 3461 §5.2.2 b)."""
    return not next_hop_offers_dsn and told(Action.RELAYED, notify, null_reverse_path=null_reverse_path) is Told.SENDER
