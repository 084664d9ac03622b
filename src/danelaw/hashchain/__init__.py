"""Hash chains: a log in which nothing can be changed without changing all that follows.

Entries of one batch form a tree of hashes (`merkle`, RFC 9162 §2.1), whose root stands in a *link*; each link names the
one before it and one farther back (`link`). Who keeps the digest of one link, a *head*, holds a summary of everything
up to it: an altered, inserted or missing entry no longer leads to that head. A chain does not say that its entries are
true, nor does it keep its end from being cut off or its whole from being written anew; heads kept elsewhere do.

Public names: `Link`, `NOTHING`, `entry_of`, `jump_of`, `way`, `flaw_of`, `leaf_hash`, `root_of`, `path_of`,
`root_by_path`.
"""

from danelaw.hashchain.link import NOTHING, Link, entry_of, flaw_of, jump_of, way
from danelaw.hashchain.merkle import leaf_hash, path_of, root_by_path, root_of

__all__ = [
    "NOTHING",
    "Link",
    "entry_of",
    "flaw_of",
    "jump_of",
    "leaf_hash",
    "path_of",
    "root_by_path",
    "root_of",
    "way",
]
