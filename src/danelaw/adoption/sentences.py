"""A survey's answers as sentences, the same in the terminal and in HTML."""

from __future__ import annotations

from danelaw.adoption.providers import Provider, Step
from danelaw.adoption.summary import Summary, Weighed, percent

_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def headline(summary: Summary) -> str:
    """The answer first: how many recipients are at domains whose servers prove who they are."""
    total, verified = summary.total, summary.verified
    if not total.domains:
        return "None of the domains takes mail."
    untested = summary.kinds["level"].get("unknown")
    if untested is not None and untested.domains == total.domains:
        published = summary.kinds["dane"]
        found = sum(published[word].domains for word in ("untested", "valid") if word in published)
        return (
            f"{percent(found, total.domains)} of the domains publish DANE on all their servers; no server was tested, "
            "so whether they match is open."
        )
    return (
        f"{percent(verified.recipients, total.recipients)} of your recipients are at domains whose servers can be "
        f"verified ({percent(verified.domains, total.domains)} of the domains)."
    )


def provider_words(one: Provider, total: Weighed) -> str:
    """Who carries how much: "These four hosts of example.net carry 61 % of your recipients (1,204 domains)."."""
    count = len(one.hosts)
    number = _NUMBERS[count] if count < len(_NUMBERS) else f"{count:,}"
    hosts = "This one host" if count == 1 else f"These {number} hosts"
    domains = "1 domain" if one.domains == 1 else f"{one.domains:,} domains"
    verb = "carries" if count == 1 else "carry"
    return f"{hosts} of {one.site} {verb} {percent(one.recipients, total.recipients)} of your recipients ({domains})."


def gain_words(one: Provider, total: Weighed) -> str:
    """What would change if this provider did its part; empty when nothing would."""
    step = one.step
    if step is None:
        return ""
    domains, recipients = one.gains
    more = "1 more domain" if domains == 1 else f"{domains:,} more domains"
    share = percent(recipients, total.recipients)
    first = {
        Step.PUBLISH: "With TLSA there",
        Step.SIGN: "With its zone signed and TLSA there",
        Step.REPAIR: "With the TLSA records there repaired",
    }[step]
    rest = ""
    if one.unsigned[0]:
        others = "1 domain there is" if one.unsigned[0] == 1 else f"{one.unsigned[0]:,} domains there are"
        rest = f" {others} not signed and would stay without."
    return f"{first}, {more} ({share} of your recipients) would be protected by DANE.{rest}"
