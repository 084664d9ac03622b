"""The quarantine's arithmetic and words: terms of retention, what people are shown of a stranger's message, links that
act once, and the mail that carries them. Pure: time, randomness and keys are arguments.

Mail is held by a step of arrival, by a hold rule, or by an operator (`danelaw.queue.Custody`); it is a recipient's
state in the queue, and nothing leaves it but by an act, at the end of its term, or over a limit, each logged.
`Retention` says how long and what then. `Summary` and `anatomy` show a message without letting it speak for itself;
`attached` and `resent` give it to somebody else.
"""

from __future__ import annotations

from danelaw.quarantine.anatomy import Part, anatomy
from danelaw.quarantine.forwarding import ForwardError, attached, resent
from danelaw.quarantine.retention import AtEnd, Held, Retention, Term, excess
from danelaw.quarantine.summary import HEAD_OCTETS, Summary, one_line, shown

__all__ = [
    "HEAD_OCTETS",
    "AtEnd",
    "ForwardError",
    "Held",
    "Part",
    "Retention",
    "Summary",
    "Term",
    "anatomy",
    "attached",
    "excess",
    "one_line",
    "resent",
    "shown",
]
