"""What the replies of mail servers mean: bounce classes, from a data file operators can extend.

RFC 5321 gives a reply three digits and RFC 3463 an enhanced code, but servers use both loosely, and what a postmaster
wants to know (is the mailbox full, are we on a list, did we send too fast?) stands in the words. `bounces.toml` in
this package says which words mean what; `Classifier` reads it once and answers one look-up per failed reply:

    found = shipped().classify(Reply.of(550, "5.1.1", "User unknown"), site="google")
    found.bounce_class.name, found.bounce_class.treatment, found.bounce_class.notice

Rules are phrases, not regular expressions, and only the beginning of a reply is looked at, so a look-up takes bounded
time whatever a server says. Every rule carries examples, which are its tests (`BounceFile.failures`). What the gateway
does by itself about a class, beyond trying again or not, are the responses of `responses.toml` (`Responses`).
"""

from __future__ import annotations

from danelaw.replies.classes import BounceClass, BounceRule, Treatment
from danelaw.replies.classifier import Classified, Classifier, shipped
from danelaw.replies.file import BounceFile, BounceFileError
from danelaw.replies.responses import Action, Response, ResponseFileError, Responses, shipped_responses
from danelaw.replies.spoken import MAX_TEXT, NoReply, SpokenReply

__all__ = [
    "MAX_TEXT",
    "Action",
    "BounceClass",
    "BounceFile",
    "BounceFileError",
    "BounceRule",
    "Classified",
    "Classifier",
    "NoReply",
    "Response",
    "ResponseFileError",
    "Responses",
    "SpokenReply",
    "Treatment",
    "shipped",
    "shipped_responses",
]
