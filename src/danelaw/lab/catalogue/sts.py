"""MTA-STS: policies, their hosts, what is remembered, and where DANE stands beside."""

from __future__ import annotations

from danelaw.lab.catalogue.base import NO_TLSA, encrypted, sts, waits
from danelaw.lab.scenario import (
    STS,
    Behaviour,
    Certificate,
    Fault,
    FaultKind,
    Host,
    Issuer,
    PolicyHost,
    Scenario,
    SideZone,
    StartTLS,
)

_ENFORCE = "MTA-STS enforce"
_UNTRUSTED = Host(tlsa=(), certificate=Certificate(issuer=Issuer.SELF))
_NO_POLICY = "no policy could be had: encrypted, unchecked"


def _fails(domain: str, why: str, host: Host = NO_TLSA, policy: STS | None = None) -> Scenario:
    return waits(
        domain, why, publishes=_ENFORCE, signed=False, hosts=(host,), sts=policy or STS(), rules=("sts-enforce",)
    )


def _no_policy(domain: str, kind: PolicyHost, *defects: str) -> Scenario:
    return encrypted(
        domain,
        _NO_POLICY,
        publishes="MTA-STS, no good policy",
        signed=False,
        sts=STS(host=kind),
        rules=("sts-fetch",),
        defects=defects,
    )


_ENFORCED: tuple[Scenario, ...] = (
    sts("sts-wildcard.lab", sts=STS(patterns=("*.sts-wildcard.lab",)), rules=("sts-enforce",)),
    _fails(
        "sts-two-labels.lab",
        "host is not listed in the policy",
        Host(name="a.b", tlsa=()),
        STS(patterns=("*.sts-two-labels.lab",)),
    ),
    _fails("sts-mismatch.lab", "host is not listed in the policy", policy=STS(patterns=("mx.elsewhere.lab",))),
    _fails("sts-untrusted.lab", "certificate is not from a public CA", _UNTRUSTED),
    _fails("sts-expired.lab", "certificate has expired", Host(tlsa=(), certificate=Certificate(expired=True))),
    _fails(
        "sts-wrong-name.lab",
        "certificate is for another name",
        Host(tlsa=(), certificate=Certificate(names=("elsewhere.lab",))),
    ),
    _fails(
        "sts-no-tls.lab",
        "server offers no TLS; the policy demands it",
        Host(tlsa=(), behaviour=Behaviour(starttls=StartTLS.ABSENT)),
    ),
    encrypted(
        "sts-none.lab",
        "policy says none: encrypted, unchecked",
        publishes="MTA-STS none",
        signed=False,
        hosts=(_UNTRUSTED,),
        sts=STS(mode="none"),
        rules=("sts-none",),
    ),
    Scenario(
        domain="sts-testing-plain.lab",
        publishes="MTA-STS testing",
        protection="clear text",
        level="clear",
        why="no TLS offered; policy says report, do not stop",
        signed=False,
        hosts=(Host(tlsa=(), behaviour=Behaviour(starttls=StartTLS.ABSENT)),),
        sts=STS(mode="testing"),
        rules=("sts-testing",),
    ),
)

_FETCHED: tuple[Scenario, ...] = (
    _no_policy("sts-not-found.lab", PolicyHost.NOT_FOUND),
    _no_policy("sts-no-host.lab", PolicyHost.ABSENT),
    _no_policy("sts-redirect.lab", PolicyHost.REDIRECTS, "sts-redirect"),
    _no_policy("sts-policy-name.lab", PolicyHost.WRONG_CERTIFICATE, "sts-redirect"),
    _no_policy("sts-policy-ca.lab", PolicyHost.UNTRUSTED),
    _no_policy("sts-large.lab", PolicyHost.TOO_LARGE),
    _no_policy("sts-slow.lab", PolicyHost.SLOW),
    _no_policy("sts-html.lab", PolicyHost.HTML),
    _no_policy("sts-malformed.lab", PolicyHost.MALFORMED),
    encrypted(
        "sts-two-records.lab",
        "two MTA-STS records count as none: encrypted, unchecked",
        signed=False,
        sts=STS(txt="twice"),
        rules=("sts-txt",),
    ),
    encrypted(
        "sts-bad-record.lab",
        "the MTA-STS record is malformed: encrypted, unchecked",
        signed=False,
        sts=STS(txt="malformed"),
        rules=("sts-txt",),
    ),
    encrypted(
        "sts-txt-servfail.lab",
        "MTA-STS look-up fails and no policy is known: encrypted, unchecked",
        signed=False,
        sts=STS(),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="_mta-sts", types=("TXT",)),),
        rules=("sts-txt",),
    ),
    sts(
        "sts-gone.lab",
        publishes="STS enforce, TXT gone",
        why="public CA; policy remembered from last week",
        sts=STS(txt="gone", host=PolicyHost.ABSENT, remembered=True),
        rules=("sts-cached",),
    ),
    waits(
        "sts-gone-untrusted.lab",
        "policy remembered from last week still holds",
        attack=True,
        publishes="STS enforce, TXT fails",
        signed=False,
        hosts=(_UNTRUSTED,),
        sts=STS(host=PolicyHost.NOT_FOUND, remembered=True),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="_mta-sts", types=("TXT",)),),
        rules=("sts-cached",),
        defects=("sts-memory",),
    ),
)

_BESIDE_DANE: tuple[Scenario, ...] = (
    Scenario(
        domain="dane-and-sts.lab",
        publishes="TLSA, STS that would fail",
        hosts=(Host(certificate=Certificate(issuer=Issuer.SELF)),),
        sts=STS(patterns=("mx.elsewhere.lab",)),
        rules=("dane-before-sts",),
    ),
    waits(
        "dane-fails-sts-good.lab",
        "key matches none of 1 TLSA record; MTA-STS cannot rescue it",
        publishes="TLSA old, MTA-STS",
        hosts=(Host(tlsa=("3 1 1 old",)),),
        sts=STS(),
        rules=("dane-before-sts",),
    ),
    sts(
        "unusable-and-sts.lab",
        publishes="TLSA 1 1 1, MTA-STS",
        signed=True,
        hosts=(Host(tlsa=("1 1 1",)),),
        sts=STS(),
        rules=("both",),
    ),
    waits(
        "unusable-sts-untrusted.lab",
        "no record usable, and the policy demands a public CA",
        publishes="TLSA 1 1 1, MTA-STS",
        hosts=(Host(tlsa=("1 1 1",), certificate=Certificate(issuer=Issuer.SELF)),),
        sts=STS(),
        rules=("both",),
    ),
    sts(
        "unsigned-mx-sts.lab",
        publishes="unsigned MX, TLSA, STS",
        why="public CA and listed; the host's DANE matches as well",
        hosts=(Host(name="mx.provider.lab.", elsewhere=True),),
        sts=STS(),
        rules=("both",),
    ),
    Scenario(domain="attacker.lab", publishes="TLSA 3 1 1, somebody else's", rules=("tlsa-usable",)),
    waits(
        "forged-mx.lab",
        "the policy does not list the host that DNS names",
        attack=True,
        publishes="STS enforce, fake MX",
        signed=False,
        hosts=(NO_TLSA,),
        sts=STS(remembered=True),
        faults=(Fault(kind=FaultKind.FORGE, types=("MX",), records=("@ MX 5 mx.attacker.lab.",)),),
        rules=("both",),
        defects=("forged-mx",),
    ),
    sts(
        "shared-good.lab",
        publishes="MTA-STS, shared host",
        hosts=(Host(name="mx.bulk.unsigned.", tlsa=()),),
        also_zones=(SideZone(origin="bulk.unsigned", signed=False),),
        sts=STS(),
        rules=("shared-mx",),
        defects=("shared-mx-poisoned",),
    ),
    waits(
        "shared-bad.lab",
        "host is not listed in the policy",
        publishes="MTA-STS, shared host",
        signed=False,
        hosts=(Host(name="mx.bulk.unsigned.", elsewhere=True, tlsa=()),),
        sts=STS(patterns=("mx.elsewhere.lab",)),
        rules=("shared-mx",),
        defects=("shared-mx-poisoned",),
    ),
)

STS_SCENARIOS: tuple[Scenario, ...] = _ENFORCED + _FETCHED + _BESIDE_DANE
