"""Names that are meant to be taken for others: facts about a sender's domain and display name.

Three tricks, each a fact with its evidence and none a verdict. A domain that looks like one of ours or of our partners:
written with other letters of the same shape (skeletons, UTS 39 §4), one letter off, with words added, under another
ending, or with the whole name as labels of another. A display name that holds an address other than the sender's. A
display name of a protected person at an address that is not hers.

What looks alike is data of the Unicode Consortium, from the library confusable-homoglyphs.

Public names: `skeleton`, `Likeness`, `Resemblance`, `resemblance`, `Person`, `address_in_name`, `posing_as`.
"""

from danelaw.lookalike.displayname import Person, address_in_name, posing_as
from danelaw.lookalike.domains import Likeness, Resemblance, resemblance
from danelaw.lookalike.skeleton import skeleton

__all__ = ["Likeness", "Person", "Resemblance", "address_in_name", "posing_as", "resemblance", "skeleton"]
