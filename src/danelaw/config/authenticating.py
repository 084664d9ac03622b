"""The section about who really sent a message: SPF, DKIM, ARC and DMARC for mail from outside."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from danelaw.config.section import Section
from danelaw.config.values import Count, DomainPattern, HostName, Instant, Switch, Text

Mild = Literal["accept", "quarantine", "refuse"]


class AuthorPolicy(Section):
    """Your own word on mail of one author's domain that fails DMARC; it wins over what the domain publishes."""

    domain: DomainPattern = Field(
        description="The domain in From; `.example.org` means every name below example.org.",
        examples=["partner.example"],
    )
    policy: Literal["none", "quarantine", "reject"] = Field(
        description="`none` accepts what fails, `quarantine` holds it, `reject` refuses it.", examples=["none"]
    )
    until: Instant | None = Field(
        default=None,
        description="When it ends: a date, the end of that day in UTC, or a date-time.",
        examples=["2026-12-31"],
    )
    because: Text = Field(default="", description="Why, for whoever reads it later.", examples=["TICKET-1234"])


class Authentication(Section):
    """Who really sent a message. Looked at for clients outside of `[relay] networks`, at the end of the message."""

    enabled: Switch = Field(
        default=False,
        description="Evaluate SPF, DKIM, ARC and DMARC, write an Authentication-Results field (RFC 8601), remove those "
        "from outside that claim to be ours, and follow policies.",
        examples=[True],
    )
    authserv_id: HostName | None = Field(
        default=None,
        description="The name our results carry (authserv-id, RFC 8601 §2.5). Absent: `hostname`.",
        examples=["example.org"],
    )
    enforcement: Literal["none", "quarantine", "as-published"] = Field(
        default="as-published",
        description="How far DMARC policies are followed: `none` only records, `quarantine` holds where `reject` is "
        "published too, `as-published` refuses for `p=reject` what shows no trait of a mailing list and no seal of "
        "`sealers`, and holds the rest (RFC 9989 §7.4).",
        examples=["quarantine"],
    )
    no_author: Mild = Field(
        default="quarantine",
        description="What happens to a message whose From field stands twice, is absent, or can be read in two ways: "
        "no domain can stand behind it. Without enforcement it is accepted.",
        examples=["refuse"],
    )
    dns_failure: Literal["accept", "defer"] = Field(
        default="accept",
        description="When DNS leaves DMARC open (temperror): `accept` without any policy, or `defer` with 451.",
        examples=["defer"],
    )
    spf_fail: Mild = Field(
        default="accept",
        description="What an SPF fail (`-all`) does to a message that does not pass DMARC. Forwarded mail fails SPF.",
        examples=["quarantine"],
    )
    sealers: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Domains whose ARC seals are believed (RFC 8617): forwarders and lists that tell you honestly what "
        "they saw. `.example.org` means every name below. What they saw pass is accepted.",
        examples=[["lists.example.org"]],
    )
    partial_bodies: Switch = Field(
        default=False,
        description="Let a DKIM signature count although text was added behind what it covers (`l=`, RFC 6376 §8.2).",
        examples=[True],
    )
    smallest_rsa: Count = Field(
        default=1024,
        ge=1024,
        le=4096,
        description="Bits an RSA key of DKIM and ARC must have; fewer than 1024 never count (RFC 8301 §3.2).",
        examples=[2048],
    )
    policy: tuple[AuthorPolicy, ...] = Field(
        default=(),
        description="Your own word on authors' domains; the first that matches wins.",
        examples=[[{"domain": "partner.example", "policy": "none", "until": "2026-12-31"}]],
    )
