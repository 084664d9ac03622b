"""Kinds of differences between our verdicts and those of others, each with the section that decides it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Explained:
    """A kind of difference: `words` is searched for in our reason, the other's reason and the damage of the mail."""

    peer: str
    ours: str
    theirs: str
    words: str
    why: str
    rfc: str

    @property
    def sentence(self) -> str:
        """For the report."""
        both = (("ours", self.ours), ("theirs", self.theirs))
        verdicts = ", ".join(f"{whose} {word.replace('|', ' or ')}" for whose, word in both if word != ".*")
        return f"{verdicts}{': ' if verdicts else ''}{self.why} ({self.rfc})"


EXPLAINED = (
    Explained(
        "pyspf",
        ".*",
        "permerror",
        "trivial recursion",
        "pyspf looks for loops in all terms first; terms are evaluated from left to right, and a match ends it",
        "RFC 7208 §4.6.2",
    ),
    Explained(
        "pyspf",
        ".*",
        "permerror",
        "Void lookup limit",
        "pyspf counts every empty answer; the limit is on terms whose questions were answered with nothing",
        "RFC 7208 §4.6.4",
    ),
    Explained(
        "pyspf",
        ".*",
        "permerror",
        "More than 10 MX",
        "of more than ten MX records danelaw asks for ten, and ends where one of them matches",
        "RFC 7208 §4.6.4",
    ),
    Explained(
        "pyspf",
        ".*",
        ".*",
        "REDIRECT=",
        "names of modifiers have no case; pyspf knows only small letters",
        "RFC 7208 §4.6.1, RFC 5234 §2.3",
    ),
    Explained(
        "dkimpy",
        "permerror",
        "pass",
        "h=sha1 does not allow",
        "the key forbids SHA-256 (h=); dkimpy does not look",
        "RFC 6376 §6.1.2",
    ),
    Explained(
        "dkimpy",
        "permerror",
        "pass",
        r"the key allows only \S+ \(t=s\)",
        "the key forbids subdomains in i= (t=s); dkimpy takes them",
        "RFC 6376 §3.6.1",
    ),
    Explained(
        "dkimpy",
        "pass",
        "no pass",
        "body hash mismatch.*white space ends the body",
        "the last line has no end: it gets one before its white space is taken away; dkimpy leaves the white space",
        "RFC 6376 §3.4.3, §3.4.4",
    ),
    Explained(
        "libopendmarc",
        "pass",
        "quarantine|reject|none",
        r"DKIM .*True.* False",
        "a later signature that fails takes the place of one that passes; one that passes and is aligned is enough",
        "RFC 9989 §5.3.5",
    ),
    Explained(
        "opendkim",
        "fail",
        "pass",
        r"does not fit.*folding",
        "folding right behind the colon was added: simple forbids it, a milter is not shown it",
        "RFC 6376 §3.4.1",
    ),
)
