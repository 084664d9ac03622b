"""Senders: every result of SPF, from records that are good, bad, broken on the way, or forged (RFC 7208)."""

from __future__ import annotations

from danelaw.lab.scenario import Fault, FaultKind, SideZone
from danelaw.lab.sender import Sender

_STRANGER = "203.0.113.99"


def _record(text: str, *more: str) -> tuple[str, ...]:
    return (f'@ TXT "{text}"', *more)


def _txt(kind: FaultKind, name: str = "@", *records: str) -> tuple[Fault, ...]:
    return (Fault(kind=kind, name=name, types=("TXT",), records=records),)


_RESULTS: tuple[Sender, ...] = (
    Sender(domain="spf-pass.lab"),
    Sender(domain="spf-unsigned.lab", signed=False, dnssec="insecure"),
    Sender(domain="spf-helo.lab", helo="spf-helo.lab", identity="helo"),
    Sender(
        domain="spf-fail.lab",
        publishes="v=spf1 ip4:192.0.2.0/24 -all exp=why.%{d}",
        client=_STRANGER,
        spf="fail",
        explanation=f"{_STRANGER} is none of our hosts",
        records=_record("v=spf1 ip4:192.0.2.0/24 -all exp=why.%{d}", 'why TXT "%{i} is none of our hosts"'),
    ),
    Sender(
        domain="spf-softfail.lab",
        publishes="v=spf1 ip4:192.0.2.0/24 ~all",
        client=_STRANGER,
        spf="softfail",
        records=_record("v=spf1 ip4:192.0.2.0/24 ~all"),
    ),
    Sender(
        domain="spf-neutral.lab",
        publishes="v=spf1 ip4:192.0.2.0/24",
        client=_STRANGER,
        spf="neutral",
        records=_record("v=spf1 ip4:192.0.2.0/24"),
    ),
    Sender(domain="spf-none.lab", publishes="another TXT record", spf="none", records=_record("hello")),
    Sender(
        domain="spf-permerror.lab",
        publishes="v=spf1 ip4:192.0.2 -all",
        spf="permerror",
        records=_record("v=spf1 ip4:192.0.2 -all"),
    ),
    Sender(
        domain="spf-two-records.lab",
        publishes="two SPF records",
        spf="permerror",
        records=_record("v=spf1 -all", '@ TXT "v=spf1 +all"'),
    ),
    Sender(
        domain="spf-eleven.lab",
        publishes="v=spf1 include:spf-eleven.lab",
        spf="permerror",
        records=_record("v=spf1 include:%{d} -all"),
    ),
)

_MECHANISMS: tuple[Sender, ...] = (
    Sender(
        domain="spf-include.lab",
        publishes="v=spf1 include:spf-pass.lab -all",
        records=_record("v=spf1 include:spf-pass.lab -all"),
    ),
    Sender(
        domain="spf-include-unsigned.lab",
        publishes="v=spf1 include:spf-unsigned.lab -all",
        dnssec="insecure",
        records=_record("v=spf1 include:spf-unsigned.lab -all"),
    ),
    Sender(
        domain="spf-mx.lab",
        publishes="v=spf1 mx//64 -all",
        client="2001:db8:7::99",
        records=_record("v=spf1 mx//64 -all", "@ MX 10 mx", "mx AAAA 2001:db8:7::1", "mx A 192.0.2.10"),
    ),
    Sender(
        domain="spf-mapped.lab",
        publishes="v=spf1 a -all",
        client="::ffff:192.0.2.10",
        records=_record("v=spf1 a -all", "@ A 192.0.2.10"),
    ),
    Sender(
        domain="spf-macro.lab",
        publishes="v=spf1 exists:%{ir}.%{l}._spf.%{d} -all",
        records=_record("v=spf1 exists:%{ir}.%{l}._spf.%{d} -all", "10.2.0.192.anna._spf A 127.0.0.2"),
    ),
    Sender(
        domain="spf-redirect.lab",
        publishes="v=spf1 redirect=spf-fail.lab",
        client=_STRANGER,
        spf="fail",
        explanation=f"{_STRANGER} is none of our hosts",
        records=_record("v=spf1 redirect=spf-fail.lab"),
    ),
    Sender(
        domain="spf-ptr.lab",
        publishes="v=spf1 ptr -all",
        client="198.51.100.7",
        records=_record("v=spf1 ptr -all", "host A 198.51.100.7"),
        also_zones=(SideZone(origin="100.51.198.in-addr.arpa", records=("7 PTR host.spf-ptr.lab.",)),),
    ),
)

_FAULTS: tuple[Sender, ...] = (
    Sender(
        domain="spf-bogus.lab",
        publishes="v=spf1 -all, signature altered",
        spf="temperror",
        dnssec="bogus",
        records=_record("v=spf1 -all"),
        faults=_txt(FaultKind.CORRUPT_SIGNATURES),
    ),
    Sender(
        domain="spf-forged.lab",
        publishes="v=spf1 -all, replaced by +all",
        spf="temperror",
        dnssec="bogus",
        attack=True,
        records=_record("v=spf1 -all"),
        faults=_txt(FaultKind.FORGE, "@", '@ TXT "v=spf1 +all"'),
    ),
    Sender(
        domain="spf-denied.lab",
        publishes="v=spf1 -all, denied without proof",
        spf="temperror",
        dnssec="bogus",
        attack=True,
        records=_record("v=spf1 -all"),
        faults=_txt(FaultKind.DENY),
    ),
    Sender(
        domain="spf-servfail.lab",
        publishes="v=spf1 -all, SERVFAIL",
        spf="temperror",
        dnssec="indeterminate",
        records=_record("v=spf1 -all"),
        faults=_txt(FaultKind.SERVFAIL),
    ),
    Sender(
        domain="spf-include-bogus.lab",
        publishes="v=spf1 include:spf-bogus.lab -all",
        spf="temperror",
        dnssec="bogus",
        records=_record("v=spf1 include:spf-bogus.lab -all"),
    ),
    Sender(
        domain="spf-mx-servfail.lab",
        publishes="v=spf1 mx -all, SERVFAIL for the host",
        client=_STRANGER,
        spf="temperror",
        dnssec="indeterminate",
        records=_record("v=spf1 mx -all", "@ MX 10 mx", "mx A 192.0.2.10"),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="mx", types=("A",)),),
    ),
    Sender(
        domain="spf-exp-bogus.lab",
        publishes="v=spf1 -all exp=why.%{d}, explanation forged",
        spf="fail",
        attack=True,
        records=_record("v=spf1 -all exp=why.%{d}", 'why TXT "the real words"'),
        faults=_txt(FaultKind.FORGE, "why", 'why TXT "call 555-0100"'),
    ),
)

SENDERS: tuple[Sender, ...] = _RESULTS + _MECHANISMS + _FAULTS
