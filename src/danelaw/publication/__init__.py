"""What owners publish in DNS for mail: does it protect, and what is missing?

Two questions of whoever runs mail servers. *Which of my customers' domains do the TLSA records of my MX hosts protect?*
A domain is, when its own MX records are signed and name hosts with usable TLSA records (RFC 7672 §2.2); `advise` says
for each domain whether, and if not, what stands in the way. *What should I publish for my own names?* `planned` lists
the records that the configuration calls for, and `compared` holds them against what DNS says now.

    ours = await resolver.run(lookup_ours(names))
    advice = await resolver.run(advise(domain, ours))

Public names: `advise`, `Advice`, `lookup_ours`, `OurHosts`, `trouble`, `Standing`, `explained`.
"""

from danelaw.publication.advice import Advice, OurHosts, advise, lookup_ours, trouble
from danelaw.publication.standing import Standing, explained

__all__ = ["Advice", "OurHosts", "Standing", "advise", "explained", "lookup_ours", "trouble"]
