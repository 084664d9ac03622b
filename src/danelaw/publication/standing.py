"""How a customer's domain stands towards the TLSA records of our MX hosts."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Standing(Enum):
    """The answer for one domain; `explained` has the words. Only `PROTECTED` is protected."""

    PROTECTED = "protected"
    OUR_TLSA = "our-tlsa"
    UNSIGNED = "unsigned"
    NO_DS = "no-ds"
    ALIAS = "alias"
    OTHER_NAME = "other-name"
    PARTLY = "partly-elsewhere"
    ELSEWHERE = "elsewhere"
    BOGUS = "bogus"
    FAILED = "failed"
    NULL_MX = "null-mx"
    NO_MAIL = "no-mail"
    NXDOMAIN = "nxdomain"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Words:
    """`plural` says what holds for several domains, behind their number; `advice` is what their owner would do."""

    plural: str
    advice: str = ""


_WORDS = {
    Standing.PROTECTED: Words("are protected"),
    Standing.OUR_TLSA: Words(
        "would be, but for our own TLSA records", "mend the TLSA records of our MX hosts: danelaw publish plan"
    ),
    Standing.UNSIGNED: Words(
        "are not signed", "sign the domain's zone (DNSSEC), and give the DS record to its registry"
    ),
    Standing.NO_DS: Words(
        "are signed, but the registry has no DS record",
        "give the zone's DS record to the registry, through the registrar",
    ),
    Standing.ALIAS: Words(
        "lead through an alias that is not signed to its end",
        "give the domain MX records of its own that name our MX host itself, without an alias on the way",
    ),
    Standing.OTHER_NAME: Words(
        "use our servers under names of their own, without TLSA records there",
        "name our MX host itself in the MX record, or publish its TLSA record at the other name too",
    ),
    Standing.PARTLY: Words(
        "also use MX hosts of others, which nothing protects",
        "take the other MX hosts out, or have TLSA published for them: an attacker may block ours and wait there",
    ),
    Standing.ELSEWHERE: Words("have their mail elsewhere"),
    Standing.BOGUS: Words(
        "have broken DNSSEC: their mail waits",
        "mend the zone's signatures, or the DS record at the registry: senders that validate cannot deliver at all",
    ),
    Standing.FAILED: Words("could not be looked up now", "try again later"),
    Standing.NULL_MX: Words("take no mail (null MX)"),
    Standing.NO_MAIL: Words("have neither MX nor address"),
    Standing.NXDOMAIN: Words("do not exist"),
    Standing.INVALID: Words("are no domain names"),
}


def explained(standing: Standing) -> Words:
    """The words for a standing."""
    return _WORDS[standing]
