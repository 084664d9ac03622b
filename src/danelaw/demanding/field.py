"""The header field `Danelaw-Require`: one protection for all recipients of a message."""

from __future__ import annotations

from collections.abc import Iterable

from danelaw.demanding.words import FIELD_WORDS, DemandError, demand_of
from danelaw.tlspolicy import SenderDemand

FIELD_NAME = "Danelaw-Require"

_WHITE_SPACE = " \t\r\n"


def demand_in_field(values: Iterable[bytes]) -> SenderDemand:
    """What the bodies of all `Danelaw-Require` fields of a message ask for; `NONE` without any.

    A body is what follows the colon, folded or not; the word counts in any case, and there are no comments.
    Raises `DemandError` for more than one field, and for what is none of `FIELD_WORDS`.
    """
    found = tuple(values)
    if not found:
        return SenderDemand.NONE
    if len(found) > 1:
        raise DemandError(f"the message has {len(found)} fields {FIELD_NAME}; write one")
    word = found[0].decode("utf-8", "backslashreplace").strip(_WHITE_SPACE)
    if not word:
        raise DemandError(f"the field {FIELD_NAME} is empty; write one of: {', '.join(FIELD_WORDS)}")
    return demand_of(word, FIELD_WORDS)
