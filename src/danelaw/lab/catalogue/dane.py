"""DANE: which records count, what they match, which host decides."""

from __future__ import annotations

from danelaw.lab.catalogue.base import OLD_KEY, encrypted, waits
from danelaw.lab.scenario import Behaviour, Certificate, Chain, Host, Issuer, Scenario, SideZone, StartTLS

_PRIVATE = Certificate(issuer=Issuer.PRIVATE, chain=Chain.FULL)
_SHORT_CHAIN = Certificate(issuer=Issuer.PRIVATE, chain=Chain.INTERMEDIATE)
_NO_TLS = Behaviour(starttls=StartTLS.ABSENT)
_TA = "issued by the CA in DNS, name matches"

_MATCHING: tuple[Scenario, ...] = (
    Scenario(domain="ee-certificate.lab", publishes="TLSA 3 0 1", hosts=(Host(tlsa=("3 0 1",)),), rules=("dane-ee",)),
    Scenario(domain="ee-full-key.lab", publishes="TLSA 3 1 0", hosts=(Host(tlsa=("3 1 0",)),), rules=("dane-ee",)),
    Scenario(domain="ee-sha512.lab", publishes="TLSA 3 1 2", hosts=(Host(tlsa=("3 1 2",)),), rules=("dane-ee",)),
    Scenario(
        domain="ee-wrong-name.lab",
        why="certificate names another host, but 3 1 1 trusts the key",
        hosts=(Host(certificate=Certificate(issuer=Issuer.SELF, names=("elsewhere.lab",))),),
        rules=("dane-ee",),
        defects=("ee-dates-names",),
    ),
    Scenario(
        domain="ta-certificate.lab",
        publishes="TLSA 2 0 1",
        why=_TA,
        hosts=(Host(certificate=_PRIVATE, tlsa=("2 0 1",)),),
        rules=("dane-ta",),
    ),
    Scenario(
        domain="ta-intermediate.lab",
        publishes="TLSA 2 1 1, intermediate",
        why=_TA,
        hosts=(Host(certificate=_SHORT_CHAIN, tlsa=("2 1 1 intermediate",)),),
        rules=("dane-ta",),
        defects=("private-intermediate",),
    ),
    Scenario(
        domain="ta-intermediate-cert.lab",
        publishes="TLSA 2 0 1, intermediate",
        why=_TA,
        hosts=(Host(certificate=_SHORT_CHAIN, tlsa=("2 0 1 intermediate",)),),
        rules=("dane-ta",),
        defects=("private-intermediate",),
    ),
    Scenario(
        domain="ta-in-dns.lab",
        publishes="TLSA 2 0 0, CA not shown",
        why="issued by the CA in DNS, which the server does not show",
        hosts=(Host(certificate=_SHORT_CHAIN, tlsa=("2 0 0",)),),
        rules=("dane-ta",),
    ),
    waits(
        "ta-not-shown.lab",
        "the CA in DNS is not among the certificates shown",
        publishes="TLSA 2 0 1, CA not shown",
        hosts=(Host(certificate=_SHORT_CHAIN, tlsa=("2 0 1",)),),
        rules=("dane-ta", "temporary"),
        defects=("private-intermediate",),
    ),
    waits(
        "ta-wrong-name.lab",
        "issued by the CA in DNS, but for another name",
        publishes="TLSA 2 1 1",
        hosts=(
            Host(
                certificate=Certificate(issuer=Issuer.PRIVATE, chain=Chain.FULL, names=("elsewhere.lab",)),
                tlsa=("2 1 1",),
            ),
        ),
        rules=("dane-ta",),
    ),
    waits(
        "ta-expired.lab",
        "issued by the CA in DNS, but expired",
        publishes="TLSA 2 1 1",
        hosts=(Host(certificate=Certificate(issuer=Issuer.PRIVATE, chain=Chain.FULL, expired=True), tlsa=("2 1 1",)),),
        rules=("dane-ta",),
    ),
    Scenario(
        domain="ta-domain-name.lab",
        publishes="TLSA 2 1 1",
        why="issued by the CA in DNS, for the domain itself",
        hosts=(
            Host(
                certificate=Certificate(issuer=Issuer.PRIVATE, chain=Chain.FULL, names=("ta-domain-name.lab",)),
                tlsa=("2 1 1",),
            ),
        ),
        rules=("dane-ta",),
    ),
    Scenario(
        domain="mixed-stale-ta.lab",
        publishes="TLSA 2 1 1 old, 3 1 1",
        hosts=(Host(tlsa=("2 1 1 old", "3 1 1")),),
        rules=("dane-ee",),
        defects=("mixed-stale",),
    ),
    Scenario(
        domain="mixed-stale-ee.lab",
        publishes="TLSA 3 1 1 old, 2 1 1",
        why=_TA,
        hosts=(Host(certificate=_PRIVATE, tlsa=("3 1 1 old", "2 1 1")),),
        rules=("dane-ta",),
        defects=("mixed-stale",),
    ),
    waits(
        "stale.lab",
        "key matches none of 1 TLSA record",
        publishes="TLSA 3 1 1, old",
        hosts=(OLD_KEY,),
        rules=("tlsa-usable", "temporary"),
        defects=("mismatch-permanent",),
    ),
    Scenario(
        domain="agility.lab",
        publishes="TLSA 3 1 2, 3 1 1 old",
        why="SHA-512 record matches; the weaker one is not looked at",
        hosts=(Host(tlsa=("3 1 2", "3 1 1 old")),),
        rules=("agility",),
    ),
    waits(
        "agility-stale.lab",
        "only the SHA-512 record counts, and it is old",
        publishes="TLSA 3 1 2 old, 3 1 1",
        hosts=(Host(tlsa=("3 1 2 old", "3 1 1")),),
        rules=("agility",),
    ),
    Scenario(
        domain="agility-full.lab",
        publishes="TLSA 3 1 2 old, 3 1 0",
        why="the full key is always compared",
        hosts=(Host(tlsa=("3 1 2 old", "3 1 0")),),
        rules=("agility",),
    ),
)

_USABLE: tuple[Scenario, ...] = (
    Scenario(
        domain="odd-and-good.lab",
        publishes="TLSA 1 1 1, 3 1 1",
        hosts=(Host(tlsa=("1 1 1 old", "3 1 1")),),
        rules=("tlsa-usable",),
    ),
    encrypted(
        "short-digest.lab",
        "no record usable for mail: TLS, unchecked",
        publishes="TLSA 3 1 1, 31 bytes",
        hosts=(Host(tlsa=("3 1 1 short",)),),
        rules=("tlsa-unusable",),
        defects=("unusable-drops-tls",),
    ),
    encrypted(
        "unknown-parameters.lab",
        "no record usable for mail: TLS, unchecked",
        publishes="TLSA 4 2 9",
        hosts=(Host(tlsa=("4 2 9 raw 00112233", "3 7 1 raw " + "ab" * 32)),),
        rules=("tlsa-unusable",),
    ),
    waits(
        "odd-no-tls.lab",
        "server offers no TLS; TLSA in DNS demands it",
        publishes="TLSA 0 0 1 only",
        hosts=(Host(tlsa=("0 0 1",), behaviour=_NO_TLS),),
        rules=("tlsa-unusable", "tls-missing"),
        defects=("unusable-drops-tls",),
    ),
    encrypted("signed-no-tlsa.lab", "no TLSA record: encrypted, unchecked", rules=("tlsa-absent", "opportunistic")),
    Scenario(
        domain="signed-no-tls.lab",
        publishes="nothing",
        protection="clear text",
        level="clear",
        why="server offers no TLS and nobody asked for it",
        hosts=(Host(tlsa=(), behaviour=_NO_TLS),),
        rules=("tlsa-absent",),
    ),
    encrypted(
        "tlsa-alias-unsigned.lab",
        "TLSA is an alias into an unsigned zone: not DANE",
        publishes="TLSA by unsigned alias",
        hosts=(Host(tlsa_owner="tlsa.lent.unsigned."),),
        records=("_25._tcp.mx CNAME tlsa.lent.unsigned.",),
        also_zones=(SideZone(origin="lent.unsigned", signed=False),),
        rules=("tlsa-absent",),
    ),
)

_HOSTS: tuple[Scenario, ...] = (
    Scenario(
        domain="provider.lab",
        why="server's key is the one in signed DNS",
        rules=("tlsa-usable",),
    ),
    Scenario(
        domain="customer.lab",
        publishes="MX at provider.lab",
        hosts=(Host(name="mx.provider.lab.", elsewhere=True),),
        rules=("tlsa-usable",),
    ),
    Scenario(
        domain="unsigned-mx.lab",
        publishes="unsigned MX, TLSA",
        protection="host-only DANE",
        level="host-dane",
        why="host proved by DANE, but its name came from unsigned DNS",
        signed=False,
        hosts=(Host(name="mx.provider.lab.", elsewhere=True),),
        rules=("host-dane",),
    ),
    waits(
        "unsigned-mx-stale.lab",
        "key matches none of 1 TLSA record",
        publishes="unsigned MX, TLSA old",
        signed=False,
        hosts=(Host(name="mx.rented.lab.", tlsa=("3 1 1 old",)),),
        also_zones=(SideZone(origin="rented.lab"),),
        rules=("host-dane",),
    ),
    Scenario(
        domain="weakest.lab",
        publishes="TLSA for 1 of 2 hosts",
        level="encrypted",
        hosts=(Host(name="mx1"), Host(name="mx2", preference=20, tlsa=())),
        rules=("weakest",),
    ),
    encrypted(
        "order-kept.lab",
        "first host publishes no TLSA: encrypted, unchecked",
        publishes="TLSA for the second host",
        hosts=(Host(name="mx1", tlsa=()), Host(name="mx2", preference=20)),
        rules=("mx-order", "weakest"),
    ),
    Scenario(
        domain="half-stale.lab",
        publishes="TLSA, first host's old",
        why="first host fails DANE, second one verified",
        hosts=(Host(name="mx1", tlsa=("3 1 1 old",)), Host(name="mx2", preference=20)),
        rules=("tlsa-usable",),
    ),
    Scenario(
        domain="half-plain.lab",
        why="first host offers no TLS, second one verified",
        hosts=(Host(name="mx1", behaviour=_NO_TLS), Host(name="mx2", preference=20)),
        rules=("tls-missing",),
    ),
    Scenario(
        domain="implicit-mx.lab",
        publishes="no MX, TLSA 3 1 1",
        mx="none",
        hosts=(Host(name="@"),),
        rules=("mx-absent",),
        defects=("implicit-mx",),
    ),
    encrypted(
        "implicit-plain.lab",
        "no MX: the domain itself; encrypted, unchecked",
        mx="none",
        hosts=(Host(name="@", tlsa=()),),
        rules=("mx-absent",),
    ),
    Scenario(
        domain="static.lab",
        publishes="TLSA of the relay",
        mx="none",
        next_hop="[relay.static.lab]",
        hosts=(Host(name="relay"),),
        rules=("next-hop",),
        defects=("static-next-hop",),
    ),
    encrypted(
        "office.unsigned",
        "relay in an unsigned zone: encrypted, unchecked",
        mx="none",
        signed=False,
        next_hop="[relay.office.unsigned]",
        hosts=(Host(name="relay", tlsa=()),),
        rules=("next-hop",),
        defects=("static-unsigned",),
    ),
)

DANE: tuple[Scenario, ...] = _MATCHING + _USABLE + _HOSTS
