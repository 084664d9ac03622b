"""What owners publish in DNS for mail: does it protect, and what is missing?

Two questions of whoever runs mail servers. *Which of my customers' domains do the TLSA records of my MX hosts protect?*
A domain is, when its own MX records are signed and name hosts with usable TLSA records (RFC 7672 §2.2); `advise` says
for each domain whether, and if not, what stands in the way. *What should I publish for my own names?* `plans` list
the records that somebody's servers, keys and addresses call for, each with how DNS stands towards it now.

    ours = await resolver.run(lookup_ours(names))
    advice = await resolver.run(advise(domain, ours))
    records = [await resolver.run(plan) for plan in plans(Wanted(hosts=…, domains=…, …))]

Public names: `advise`, `Advice`, `lookup_ours`, `OurHosts`, `trouble`, `Standing`, `explained`; `plans`, `Wanted`,
`OwnHost`, `OwnKey`, `PlannedRecord`, `State`, `sts_policy`.
"""

from danelaw.publication.advice import Advice, OurHosts, advise, lookup_ours, trouble
from danelaw.publication.plan import plans
from danelaw.publication.plan_text import sts_policy
from danelaw.publication.record import PlannedRecord, State
from danelaw.publication.standing import Standing, explained
from danelaw.publication.wanted import OwnHost, OwnKey, Wanted

__all__ = [
    "Advice",
    "OurHosts",
    "OwnHost",
    "OwnKey",
    "PlannedRecord",
    "Standing",
    "State",
    "Wanted",
    "advise",
    "explained",
    "lookup_ours",
    "plans",
    "sts_policy",
    "trouble",
]
