"""The decision table: every override × what a host can publish × sender's demand × trust group → requirement.

The cells are made by `decide`, the function that deliveries use, so the page docs/decision-table.md
(`python -m danelaw.tlspolicy.table` prints it) cannot say anything else than what is done.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.dane import TLSAState
from danelaw.tlspolicy.decide import decide
from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.group import GroupDemand
from danelaw.tlspolicy.override import Override, OverrideTLS
from danelaw.tlspolicy.published import Published, STSPublished
from danelaw.tlspolicy.requirement import (
    Check,
    DANECheck,
    FingerprintCheck,
    PKIXCheck,
    RefusalKind,
    Requirement,
    RequireTLSCheck,
    STSCheck,
    TLSUse,
)

DOMAIN = Domain("example.org")
HOST = Domain("mx.example.org")
_PIN = "0" * 64


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the table: the inputs by name, and the requirement they lead to."""

    override: OverrideTLS | None
    published: Published
    demand: SenderDemand
    group: SenderDemand
    requirement: Requirement


_TLSA_FAILED = "TLSA look-up failed"
_TXT_FAILED = "TXT look-up failed"


def cases() -> Iterator[Published]:
    """Everything the destination can publish about one host, as far as it makes a difference."""
    for secure_mx in (True, False):
        for tlsa in (TLSAState.USABLE, TLSAState.UNUSABLE, TLSAState.ABSENT):
            for sts in STSPublished:
                yield case(secure_mx=secure_mx, tlsa=tlsa, sts=sts)
    for secure_mx in (True, False):
        yield case(secure_mx=secure_mx, tlsa_error=_TLSA_FAILED)
    yield case(secure_mx=False, tlsa_error=_TLSA_FAILED, sts=STSPublished.ENFORCE_LISTED)
    for tlsa in (TLSAState.USABLE, TLSAState.UNUSABLE, TLSAState.ABSENT):
        yield case(secure_mx=False, tlsa=tlsa, sts_unknown=_TXT_FAILED)
    for secure_mx in (True, False):
        for tlsa in (TLSAState.USABLE, TLSAState.UNUSABLE, TLSAState.ABSENT):
            yield case(secure_mx=secure_mx, tlsa=tlsa, sts_unknown=_TXT_FAILED, wait=_TXT_FAILED)
    yield case(secure_mx=True, unreachable="address look-up failed")
    yield Published(host=Domain("[192.0.2.1]"), domain=None, secure_mx=True)


def case(
    *,
    secure_mx: bool,
    tlsa: TLSAState = TLSAState.ABSENT,
    sts: STSPublished = STSPublished.NONE,
    tlsa_error: str | None = None,
    sts_unknown: str | None = None,
    wait: str | None = None,
    unreachable: str | None = None,
) -> Published:
    """The facts of one row about `HOST` of `DOMAIN`."""
    base = None if tlsa is TLSAState.ABSENT else HOST
    authentic = secure_mx or sts is STSPublished.ENFORCE_LISTED
    return Published(
        host=HOST,
        domain=DOMAIN,
        secure_mx=secure_mx,
        tlsa=tlsa,
        base=base,
        names=(HOST, DOMAIN) if secure_mx else (HOST,),
        pkix_names=(DOMAIN, HOST) if authentic else (DOMAIN,),
        sts=sts,
        unreachable=unreachable,
        tlsa_error=tlsa_error,
        sts_unknown=sts_unknown,
        wait=wait,
    )


SECTIONS = (
    *((demand, SenderDemand.NONE) for demand in SenderDemand),
    *(
        (demand, group)
        for group in (SenderDemand.ENCRYPTED, SenderDemand.VERIFIED, SenderDemand.DANE)
        for demand in (SenderDemand.NONE, SenderDemand.TLS_REQUIRED_NO)
    ),
)
"""Demands of the sender with those of trust groups (`NONE`: no group). What is left out is as the stronger of both."""


def rows() -> Iterator[Row]:
    """The whole table."""
    for demand, group in SECTIONS:
        for facts in cases():
            for tls in (None, *OverrideTLS):
                yield Row(tls, facts, demand, group, decide(facts, _override(tls), demand, group_demand(group)))


def group_demand(demand: SenderDemand) -> GroupDemand | None:
    """A trust group that demands this; None for `NONE`."""
    return GroupDemand.together((GroupDemand(demand, ("example",)),))


def _override(tls: OverrideTLS | None) -> Override | None:
    if tls is None:
        return None
    pins = (_PIN,) if tls is OverrideTLS.FINGERPRINT else ()
    return Override(DOMAIN.ascii, tls, pins)


def cell(requirement: Requirement) -> str:
    """One requirement in a few words, such as `DANE + STS → MTA-STS` or `skip (demand)`."""
    if requirement.refusal is not None:
        return "skip (DNS)" if requirement.refusal.kind is RefusalKind.LOOKUP else "skip (demand)"
    if requirement.tls is TLSUse.NEVER:
        return "no TLS → clear text"
    demanded = " + ".join(_WORDS[type(check)] for check in requirement.checks)
    if requirement.tls is TLSUse.OPPORTUNISTIC:
        earned = "may"
        if requirement.at_best is not None:
            earned = f"may → {requirement.at_best.value} if it holds"
    else:
        earned = f"{demanded or 'TLS'} → {requirement.earns.value}"
    watched = "".join(f", watch {_WORDS[type(check)]}" for check in requirement.observe)
    return earned + watched


_WORDS: dict[type[Check], str] = {
    DANECheck: "DANE",
    STSCheck: "STS",
    PKIXCheck: "CA",
    FingerprintCheck: "pin",
    RequireTLSCheck: "REQUIRETLS",
}


def published_words(facts: Published) -> tuple[str, str, str]:
    """The three left columns: MX, TLSA, MTA-STS."""
    if facts.domain is None:
        return "address literal", "–", "–"
    if facts.unreachable is not None:
        return "any", "address look-up failed", "any"
    mx = "signed" if facts.secure_mx else "unsigned"
    if facts.tlsa_error is not None:
        any_other = "any" if facts.secure_mx else "any other"
        return mx, "look-up failed", facts.sts.value if facts.sts.enforced else any_other
    tlsa = {TLSAState.USABLE: "usable", TLSAState.UNUSABLE: "none usable", TLSAState.ABSENT: "none"}[facts.tlsa]
    if facts.wait is not None:
        return mx, tlsa, "TXT failed, setting wait"
    return mx, tlsa, "not known" if facts.sts_unknown is not None else facts.sts.value


_INTRODUCTION = """\
# The decision table

*Made by `python -m danelaw.tlspolicy.table`; do not edit, a test compares.*

What one MX host must prove before it gets the mail of a destination: **override × published × sender's
demand × trust group → requirement**. Deliveries, `danelaw check` and this page use the same function,
`danelaw.tlspolicy.decide`.

How to read it. *MX signed*: the MX answer (or its proved absence) is secure by DNSSEC, or the host is named by
the administrator (`[relay.example]`). *TLSA*: what secure DNS says at the TLSA base domain; an insecure TLSA
answer counts as none, a failed one as *look-up failed*. *MTA-STS*: the policy known now, cached or fetched; mode
`none` is like no policy, and "listed" means that the MX host matches a pattern of the policy. *Not known*: the TXT
look-up failed or the policy host cannot be reached, and nothing is remembered. RFC 8461 has no such state, so it is
like no policy, unless the setting `on_txt_error = "wait"` says otherwise; only REQUIRETLS mail, which would be returned
for want of a policy, waits.

A cell says what must hold, then `→` what protects a message that is sent under it:

- **DANE** the chain matches a TLSA record (RFC 7672 §3) · **STS** the host is listed and a public CA vouches for it
  (RFC 8461 §4) · **CA** a public CA vouches for one of the names below · **pin** one of the pinned keys ·
  **REQUIRETLS** the server offers it inside TLS · **TLS** a session, nobody checked · with `+` all must hold.
- **may** TLS if offered and nothing checked; without TLS the protection is *clear text*.
- **watch X** judged, counted in TLS reports and recorded, but stops nothing.
- **skip (DNS)** what the host demands cannot be known now; **skip (demand)** the demand cannot be met. Nobody connects,
  the next host is tried, and when all are skipped the mail waits. With REQUIRETLS it is returned once every
  host failed for other reasons than DNS or the network: 5.7.30 when a verified host lacks the extension, else 5.7.10.

Names a `verify` override accepts: the next-hop domain and the end of its secure alias chain; the MX host only when
an attacker cannot have chosen it (signed MX, host named by the administrator, or listed in an enforced policy).

What overrides mean: they replace what is published, in both directions. `dane` keeps DANE and leaves MTA-STS
aside; `dane-require` insists on a signed MX and usable records. The most specific destination wins, an exact name
before `.suffix`, one set by `danelaw override` before one in the configuration file; expired ones never count.
An override for the domain wins over `TLS-Required: No`, and every demand is added to every override (RFC 8689 §4.2.1),
so that neither postmaster nor destination can make a message weaker than its sender demands.

What senders demand, and policy scripts for them. *Encrypted*: TLS, whoever answers. *Verified*: a server proved to be
the destination's, by DANE with a signed MX, an enforced MTA-STS policy, a pinned key, or a public CA as with `verify`;
host-only DANE is not enough. *DANE*: as `dane-require`. An override can neither waive nor weaken them; one that
switches TLS off gives way, since TLS may work after all and the mail would wait without it. REQUIRETLS asks more, of
the next hop too, and a server that is never to be spoken TLS with cannot promise it: there the host is skipped. Two
demands together are the stronger of both. Where they cannot be met the mail waits; only with REQUIRETLS it is returned.

What trust groups (docs/trust-groups.md) demand of their members is added in the same way, whoever the sender is, and
`TLS-Required: No` does not waive it: it waives what is published, and the group's demand comes on top of that. With any
other demand of the sender the cell is that of the stronger of both, so those tables are not printed again.
"""

_HEADINGS = {
    SenderDemand.NONE: "The sender asks for nothing",
    SenderDemand.TLS_REQUIRED_NO: "The sender says TLS-Required: No",
    SenderDemand.ENCRYPTED: "The sender demands encryption",
    SenderDemand.VERIFIED: "The sender demands verified TLS",
    SenderDemand.DANE: "The sender demands DANE",
    SenderDemand.REQUIRETLS: "The sender demands REQUIRETLS",
    SenderDemand.REQUIRETLS_DANE: "The sender demands REQUIRETLS and DANE",
}


_GROUP_HEADINGS = {
    SenderDemand.ENCRYPTED: "A trust group demands encryption",
    SenderDemand.VERIFIED: "A trust group demands verified TLS",
    SenderDemand.DANE: "A trust group demands DANE",
}


def _heading(demand: SenderDemand, group: SenderDemand) -> str:
    if group is SenderDemand.NONE:
        return _HEADINGS[demand]
    says = ", and the sender says TLS-Required: No" if demand is SenderDemand.TLS_REQUIRED_NO else ""
    return _GROUP_HEADINGS[group] + says


def page() -> str:
    """The page docs/decision-table.md."""
    lines = [_INTRODUCTION]
    heads = ["MX", "TLSA", "MTA-STS", "no override", *(f"`{tls.value}`" for tls in OverrideTLS)]
    cells = {(row.demand, row.group, row.published, row.override): cell(row.requirement) for row in rows()}
    for demand, group in SECTIONS:
        lines += [f"## {_heading(demand, group)}", "", _line(heads), _line(["---"] * len(heads))]
        for facts in cases():
            of_override = (cells[demand, group, facts, tls] for tls in (None, *OverrideTLS))
            lines.append(_line([*published_words(facts), *of_override]))
        lines.append("")
    return "\n".join(lines)


def _line(parts: list[str]) -> str:
    return "| " + " | ".join(parts) + " |"


if __name__ == "__main__":
    sys.stdout.write(page())
