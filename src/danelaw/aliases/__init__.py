"""Which recipients exist, and who they stand for: map files and the expansion of aliases (RFC 5321 §3.9.1).

A map file has one entry a line; a line that begins with white space goes on with the one before, `#` begins a comment.

    anna@example.org                                  # a mailbox
    sales@example.org: anna@example.org, bob@partner.example
    anna@example.org: anna@example.org, archive@example.org   # herself, and a copy
    @example.org: postmaster@example.org              # everybody else there
    @.example.org                                     # any mailbox of any name below
    dave                                              # in a domain's own file: dave@ that domain

Local-parts are compared without regard to case, and `anna+list` is looked up as `anna` too where the separator says so:
both are ours to decide for domains that are ours (RFC 5321 §2.3.11). What is more specific goes first: the address, the
address without its tag, `@domain`, `@.parent`. Aliases may lead to aliases; one that leads back to itself by way of
another is an error found when the file is read. An address among its own targets ends there.

Public names: `AliasMap`, `Aliases`, `Entry`, `Expansion`, `AliasFileError`, `AliasProblem`.
"""

from danelaw.aliases.expansion import Aliases, Expansion
from danelaw.aliases.file import AliasFileError, AliasMap, AliasProblem, Entry

__all__ = ["AliasFileError", "AliasMap", "AliasProblem", "Aliases", "Entry", "Expansion"]
