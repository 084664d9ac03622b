"""Greylisting: strangers are told to come again, and those who do are let in (RFC 6647).

A *triplet* is the client's network, the reverse-path and one recipient (RFC 6647 §2.3). Its first try is deferred; a
second one after the delay and within the window passes, and from then on the triplet passes at once as long as it is
used. Networks of which several triplets have passed need not prove themselves again. `judge` decides from what is
remembered, the time and the rules; who remembers is `danelaw.state`.

Public names: `Triplet`, `Rules`, `Record`, `Verdict`, `Judgement`, `judge`, `network_of`.
"""

from danelaw.greylist.judge import Judgement, Record, Rules, Verdict, judge
from danelaw.greylist.triplet import Triplet, network_of

__all__ = ["Judgement", "Record", "Rules", "Triplet", "Verdict", "judge", "network_of"]
