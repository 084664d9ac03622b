"""What is counted, and the words for it: every kind of finding with its values, strongest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from danelaw.tlspolicy import Protection

_PROTECTIONS = {
    one.level: one.value
    for one in Protection
    if one not in (Protection.PINNED, Protection.NOTHING_SENT)  # a pinned key counts as `pkix`
}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of finding: a title, and for each value its words; `good` are the values to be proud of."""

    title: str
    words: Mapping[str, str]
    good: frozenset[str]


def _kind(title: str, words: dict[str, str], *good: str) -> Kind:
    return Kind(title, MappingProxyType(words), frozenset(good))


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "level": _kind(
            "How mail would go",
            {**_PROTECTIONS, "waits": "waits: nothing sent", "unknown": "not tested"},
            "dane",
            "mta-sts",
            "pkix",
        ),
        "dnssec": _kind(
            "DNSSEC",
            {
                "signed": "signed",
                "unsigned": "not signed",
                "bogus": "signatures do not verify",
                "unknown": "cannot be looked up",
            },
            "signed",
        ),
        "dane": _kind(
            "DANE",
            {
                "valid": "all servers match",
                "partial": "some servers only",
                "host-only": "servers match, MX not signed",
                "untested": "published, not tested",
                "unusable": "no record usable",
                "broken": "broken",
                "none": "none",
                "unknown": "cannot be looked up",
            },
            "valid",
        ),
        "mta_sts": _kind(
            "MTA-STS",
            {
                "enforce": "enforce",
                "testing": "testing",
                "announced": "announced, policy not fetched",
                "none": "mode none",
                "broken": "broken",
                "absent": "none",
                "unknown": "cannot be looked up",
            },
            "enforce",
        ),
        "tlsrpt": _kind(
            "TLSRPT",
            {"yes": "wants reports", "broken": "record broken", "no": "none", "unknown": "cannot be looked up"},
            "yes",
        ),
        "tls": _kind(
            "TLS",
            {
                "TLSv1.3": "TLS 1.3",
                "TLSv1.2": "TLS 1.2",
                "TLSv1.1": "TLS 1.1",
                "TLSv1": "TLS 1.0",
                "none": "no TLS",
                "unknown": "not tested",
            },
            "TLSv1.3",
            "TLSv1.2",
        ),
        "requiretls": _kind("REQUIRETLS", {"yes": "offered", "no": "not offered", "unknown": "not tested"}, "yes"),
    }
)
"""The kinds in the order in which they are shown."""

NO_MAIL: Mapping[str, str] = MappingProxyType(
    {"no-domain": "do not exist", "null-mx": "take no mail (null MX)", "no-address": "have no mail server"}
)
"""Why a domain counts in no share: it takes no mail."""


def words_for(kind: str, value: str) -> str:
    """The words for a value; one that a newer danelaw wrote stands for itself."""
    return KINDS[kind].words.get(value, value)
