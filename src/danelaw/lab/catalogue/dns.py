"""DNS: proofs, aliases, transports, and answers that must not be believed."""

from __future__ import annotations

from danelaw.lab.catalogue.base import NO_TLSA, encrypted, waits
from danelaw.lab.scenario import Algorithm, Authority, Denial, Fault, FaultKind, Host, Scenario, SideZone

_TLSA = "_25._tcp.mx"

_PROOFS: tuple[Scenario, ...] = (
    Scenario(domain="nsec3.lab", publishes="TLSA 3 1 1, NSEC3", denial=Denial.NSEC3, rules=("dns-proof",)),
    Scenario(domain="ed25519.lab", publishes="TLSA 3 1 1, Ed25519", algorithm=Algorithm.ED25519, rules=("dns-proof",)),
    encrypted(
        "nsec3-no-tlsa.lab",
        "no TLSA record: encrypted, unchecked",
        denial=Denial.NSEC3,
        rules=("dns-proof", "tlsa-absent"),
        defects=("false-bogus",),
    ),
    encrypted(
        "plain.optout",
        "unsigned under an opt-out zone: encrypted, unchecked",
        signed=False,
        rules=("dns-proof",),
        defects=("false-bogus",),
    ),
    Scenario(domain="dane.optout", publishes="TLSA 3 1 1", rules=("dns-proof",), defects=("false-bogus",)),
    encrypted("unsigned.lab", "unsigned zone: encrypted, unchecked", signed=False, rules=("opportunistic",)),
    encrypted(
        "no-ds.lab",
        "signed, but its parent has no DS record: encrypted, unchecked",
        publishes="TLSA 3 1 1, no DS",
        hosts=(Host(),),
        ds="missing",
        rules=("dns-proof",),
    ),
    Scenario(
        domain="tlsa-parent-denied.lab",
        publishes="TLSA, name above denied",
        faults=(Fault(kind=FaultKind.NO_NAME, name="_tcp.mx", types=("TXT", "A", "NS")),),
        rules=("dns-proof",),
    ),
    encrypted("mail.unsigned", "unsigned zone: encrypted, unchecked", signed=False, rules=("dns-proof",)),
    Scenario(
        domain="tlsa-wildcard.lab",
        publishes="TLSA by wildcard",
        hosts=(Host(tlsa_owner="*._tcp.mx.tlsa-wildcard.lab."),),
        rules=("dns-proof",),
        defects=("tlsa-wildcard-cname", "false-bogus"),
    ),
    Scenario(
        domain="tlsa-wildcard-nsec3.lab",
        publishes="TLSA by wildcard, NSEC3",
        denial=Denial.NSEC3,
        hosts=(Host(tlsa_owner="*._tcp.mx.tlsa-wildcard-nsec3.lab."),),
        rules=("dns-proof",),
        defects=("tlsa-wildcard-cname",),
    ),
    Scenario(
        domain="tlsa-alias.lab",
        publishes="TLSA by CNAME",
        hosts=(Host(tlsa_owner="key.tlsa-alias.lab."),),
        records=("_25._tcp.mx CNAME key",),
        rules=("dns-proof",),
        defects=("tlsa-wildcard-cname",),
    ),
    Scenario(
        domain="alias.domains.lab",
        publishes="CNAME to dane.lab",
        mx="missing",
        also_zones=(SideZone(origin="domains.lab", records=("alias CNAME dane.lab.",)),),
        rules=("dns-proof",),
    ),
    Scenario(
        domain="user.dnames.lab",
        publishes="DNAME to a signed zone",
        mx="missing",
        also_zones=(
            SideZone(origin="dnames.lab", records=("@ DNAME targets.lab.",)),
            SideZone(origin="targets.lab", records=("user MX 10 mx.dane.lab.",)),
        ),
        rules=("dns-proof",),
    ),
)

_ALIASES: tuple[Scenario, ...] = (
    Scenario(
        domain="mx-alias.lab",
        publishes="MX host alias, TLSA there",
        hosts=(Host(alias="mail.mx-alias.lab."),),
        rules=("tlsa-base",),
        defects=("base-original-only",),
    ),
    Scenario(
        domain="mx-alias-original.lab",
        publishes="MX host alias, TLSA here",
        hosts=(Host(alias="mail.mx-alias-original.lab.", tlsa_owner="_25._tcp.mx.mx-alias-original.lab."),),
        rules=("tlsa-base",),
    ),
    waits(
        "mx-alias-error.lab",
        "TLSA look-up at the expanded name fails; the original name is no way round",
        publishes="MX host alias, TLSA here",
        hosts=(Host(alias="mail.mx-alias-error.lab.", tlsa_owner="_25._tcp.mx.mx-alias-error.lab."),),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="_25._tcp.mail", types=("TLSA",)),),
        rules=("tlsa-base", "tlsa-error"),
    ),
    Scenario(
        domain="alias-unsigned.lab",
        publishes="TLSA, host alias unsigned",
        hosts=(Host(alias="mx.outside.unsigned.", tlsa_owner="_25._tcp.mx.alias-unsigned.lab."),),
        also_zones=(SideZone(origin="outside.unsigned", signed=False),),
        rules=("address-insecure",),
        defects=("alias-unsigned", "alias-original-lost"),
    ),
    encrypted(
        "alias-unsigned-none.lab",
        "host is an alias into an unsigned zone, no TLSA: encrypted, unchecked",
        publishes="host alias unsigned",
        hosts=(Host(alias="mx.abroad.unsigned.", tlsa=()),),
        also_zones=(SideZone(origin="abroad.unsigned", signed=False),),
        rules=("address-insecure",),
        defects=("alias-unsigned",),
    ),
    encrypted(
        "host-unsigned.lab",
        "host in an unsigned zone: TLSA not asked; encrypted, unchecked",
        publishes="host in an unsigned zone",
        hosts=(Host(name="mx.broken.unsigned.", tlsa=()),),
        also_zones=(SideZone(origin="broken.unsigned", signed=False),),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="broken.unsigned.", types=("TLSA",), below=True),),
        rules=("address-insecure",),
        defects=("unsigned-servfail",),
    ),
)

_TRANSPORT: tuple[Scenario, ...] = (
    Scenario(
        domain="big-dnskey.lab",
        publishes="TLSA, 6 RSA keys",
        algorithm=Algorithm.RSA,
        spare_keys=4,
        rules=("dns-transport",),
        defects=("dnskey-large",),
    ),
    Scenario(
        domain="edns-stripped.lab",
        why="server's key is the one in signed DNS, fetched by TCP",
        faults=(Fault(kind=FaultKind.STRIP_EDNS_UDP, below=True),),
        rules=("dns-transport",),
        defects=("edns-stripped",),
    ),
    Scenario(
        domain="tlsa-no-udp.lab",
        why="server's key is the one in signed DNS, fetched by TCP",
        faults=(Fault(kind=FaultKind.DROP_UDP, name=_TLSA, types=("TLSA",)),),
        rules=("dns-transport",),
        defects=("tlsa-dropped",),
    ),
    Scenario(
        domain="tlsa-dropped-by-one.lab",
        publishes="TLSA, 1 of 3 DNS drops it",
        authorities=(Authority(name="ns1"), Authority(name="ns2"), Authority(name="ns3", drops=("TLSA",))),
        rules=("dns-transport",),
        defects=("tlsa-dropped",),
    ),
    Scenario(
        domain="tlsa-flaky.lab",
        faults=(Fault(kind=FaultKind.DROP_FIRST, name=_TLSA, types=("TLSA",)),),
        rules=("dns-transport",),
        defects=("tlsa-dropped",),
    ),
)

_ERRORS: tuple[Scenario, ...] = (
    waits(
        "mx-servfail.lab",
        "MX look-up fails",
        faults=(Fault(kind=FaultKind.SERVFAIL, types=("MX",)),),
        rules=("mx-error",),
    ),
    waits(
        "mx-silent.lab",
        "MX look-up gets no answer",
        faults=(Fault(kind=FaultKind.DROP, types=("MX",)),),
        rules=("mx-error",),
    ),
    waits(
        "mx-garbage.lab",
        "MX answer is no DNS message",
        faults=(Fault(kind=FaultKind.GARBAGE, types=("MX",)),),
        rules=("mx-error",),
    ),
    waits(
        "mx-denied.lab",
        "absence of MX is claimed without proof",
        attack=True,
        faults=(Fault(kind=FaultKind.DENY, types=("MX",)),),
        rules=("mx-error",),
    ),
    waits(
        "null-mx-forged.lab",
        "the null MX lacks a valid signature",
        attack=True,
        faults=(Fault(kind=FaultKind.FORGE, types=("MX",), records=("@ MX 0 .",)),),
        rules=("mx-error",),
    ),
    waits(
        "signatures-expired.lab",
        "signatures of the zone have expired",
        faults=(Fault(kind=FaultKind.EXPIRED_SIGNATURES, types=("MX", "DNSKEY", "A", "TLSA", "SOA"), below=True),),
        rules=("mx-error",),
    ),
    waits(
        "wrong-ds.lab",
        "the parent's DS record fits no key of the zone",
        publishes="TLSA 3 1 1, wrong DS",
        ds="wrong",
        rules=("mx-error",),
    ),
    waits(
        "signatures-stripped.lab",
        "signatures were removed on the way",
        attack=True,
        faults=(Fault(kind=FaultKind.STRIP_SIGNATURES, below=True),),
        rules=("mx-error",),
        defects=("rrsig-stripped",),
    ),
    waits(
        "tlsa-denied.lab",
        "absence of TLSA is claimed without proof",
        attack=True,
        faults=(Fault(kind=FaultKind.DENY, name=_TLSA, types=("TLSA",)),),
        rules=("tlsa-error",),
    ),
    waits(
        "tlsa-corrupt.lab",
        "TLSA answer lacks a valid signature",
        attack=True,
        faults=(Fault(kind=FaultKind.CORRUPT_SIGNATURES, name=_TLSA, types=("TLSA",)),),
        rules=("tlsa-error",),
    ),
    waits(
        "tlsa-servfail.lab",
        "TLSA look-up fails",
        faults=(Fault(kind=FaultKind.SERVFAIL, name=_TLSA, types=("TLSA",)),),
        rules=("tlsa-error",),
    ),
    waits(
        "tlsa-silent.lab",
        "TLSA look-up gets no answer",
        faults=(Fault(kind=FaultKind.DROP, name=_TLSA, types=("TLSA",)),),
        rules=("tlsa-error",),
        defects=("tlsa-dropped",),
    ),
    Scenario(
        domain="tlsa-servfail-one.lab",
        publishes="TLSA, 2 hosts",
        why="TLSA of the first host cannot be had, second one verified",
        hosts=(Host(name="mx1"), Host(name="mx2", preference=20)),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="_25._tcp.mx1", types=("TLSA",)),),
        rules=("tlsa-error",),
    ),
    waits(
        "address-forged.lab",
        "address answer lacks a valid signature",
        attack=True,
        hosts=(NO_TLSA,),
        publishes="signed zone",
        faults=(Fault(kind=FaultKind.CORRUPT_SIGNATURES, name="mx", types=("A",)),),
        rules=("address-error",),
    ),
    Scenario(
        domain="address-servfail.lab",
        publishes="TLSA, 2 hosts",
        why="address of the first host cannot be had, second one verified",
        hosts=(Host(name="mx1"), Host(name="mx2", preference=20)),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="mx1", types=("A", "AAAA")),),
        rules=("address-error",),
    ),
    Scenario(
        domain="null-mx.lab",
        publishes="null MX",
        outcome="returned",
        protection="nothing sent",
        level="no-mail",
        why="the domain says that it takes no mail",
        mx="null",
        rules=("mx-null",),
    ),
    Scenario(
        domain="does-not-exist.lab",
        publishes="does not exist",
        outcome="returned",
        protection="nothing sent",
        level="no-mail",
        why="the domain does not exist, proved by signed DNS",
        mx="missing",
        rules=("mx-nxdomain",),
    ),
)

DNS: tuple[Scenario, ...] = _PROOFS + _ALIASES + _TRANSPORT + _ERRORS
