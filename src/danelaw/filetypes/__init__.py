"""What a file is by its octets, what an archive holds, and what is odd about a name. Pure, and bounded in work.

A name proves nothing: `invoice.pdf` may be a program. So types come from the octets, by marks that stand at fixed
places (`signatures`), and for containers from what is in them (`office`). Archives (ZIP, RAR, 7z, tar, gzip, bzip2, xz)
are listed, and looked into as far as `Limits` allows: never more octets unpacked, never deeper, never more members, so
that a bomb costs no more than anything else.

    facts = examine(octets, "invoice.pdf")
    facts.type, facts.members, facts.macros, facts.encrypted, facts.odd

Nothing here decides whether a file is bad. Names cannot be relied upon, archives can be damaged on purpose: what cannot
be followed is said in `odd`.

Public names: `examine`, `type_of`, `oddities`, `FileFacts`, `Member`, `Limits`.
"""

from danelaw.filetypes.examination import examine
from danelaw.filetypes.facts import FileFacts, Member
from danelaw.filetypes.limits import Limits
from danelaw.filetypes.names import oddities
from danelaw.filetypes.signatures import type_of

__all__ = ["FileFacts", "Limits", "Member", "examine", "oddities", "type_of"]
