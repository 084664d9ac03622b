"""Chains and TLSA records for tests of `dane.verify`, by name: "leaf" or "2 1 1 root" in words."""

from __future__ import annotations

import hashlib
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from tests.pkix.authority import CLIENT, DAY, NOW, SERVER, Issued, ec_key, make, rsa_key

from danelaw.dane import TLSARecord

MX = "mx.example.org"


@cache
def issued() -> dict[str, Issued]:
    """Every certificate the chains are made of."""
    root = make("Root", ca=True)
    middle = root.issue("Middle", ca=True)
    old_root = make("Old Root", ca=True, end=NOW - DAY)
    old_middle = root.issue("Old Middle", ca=True, end=NOW - DAY)
    client_ca = root.issue("Client CA", ca=True, usages=[CLIENT])
    short = root.issue("Short", ca=True, path_length=0)
    fenced = root.issue("Fenced", ca=True, permitted="example.net")
    no_ca = root.issue("No CA", ca=False)
    rsa, ed = make("RSA Root", key=rsa_key("root"), ca=True), make("Ed Root", key=ed25519_key(), ca=True)
    p384 = make("P-384 Root", key=ec.generate_private_key(ec.SECP384R1()), ca=True)
    named = {"dns": [MX]}
    return {
        "root": root,
        "middle": middle,
        "old-root": old_root,
        "old-middle": old_middle,
        "client-ca": client_ca,
        "short": short,
        "below-short": short.issue("Below Short", ca=True),
        "fenced": fenced,
        "no-ca": no_ca,
        "rsa": rsa,
        "ed": ed,
        "p384": p384,
        "stranger": make("Stranger", ca=True),
        "leaf": middle.issue("leaf", **named),
        "root-leaf": root.issue("root leaf", **named),
        "expired": root.issue("expired", **named, end=NOW - DAY),
        "future": root.issue("future", **named, start=NOW + DAY),
        "old-root-leaf": old_root.issue("leaf", **named),
        "old-middle-leaf": old_middle.issue("leaf", **named),
        "other": root.issue("other", dns=["mx.other.example"]),
        "cn": root.issue(MX),
        "cn-and-dns": root.issue(MX, dns=["mx.other.example"]),
        "cn-wild": root.issue("*.example.org"),
        "nameless": root.issue("nameless"),
        "wild": root.issue("wild", dns=["*.example.org"]),
        "wild-part": root.issue("wild part", dns=["m*.example.org"]),
        "wild-deep": root.issue("wild deep", dns=["*.org"]),
        "lan-wild": root.issue("lan wild", dns=["*.lan"]),
        "client": root.issue("client", **named, usages=[CLIENT]),
        "both": root.issue("both", **named, usages=[CLIENT, SERVER]),
        "client-ca-leaf": client_ca.issue("leaf", **named),
        "fenced-leaf": fenced.issue("leaf", **named),
        "no-ca-leaf": no_ca.issue("leaf", **named),
        "rsa-leaf": rsa.issue("leaf", **named),
        "ed-leaf": ed.issue("leaf", **named),
        "p384-leaf": p384.issue("leaf", **named),
        "forged": root.issue("forged", **named, signing_key=ec_key("forger")),
        "self": make(MX, **named),  # type: ignore[arg-type]
        "self-ca": make(MX, **named, ca=True, key=ec_key("self-ca")),  # type: ignore[arg-type]
        "too-deep": issued_below_short(short, named),
    }


def issued_below_short(short: Issued, named: dict[str, list[str]]) -> Issued:
    """A leaf with one CA too many above it; its issuer is "below-short-2"."""
    return short.issue("Below Short", ca=True, key=ec_key("Below Short")).issue("leaf", **named)


@cache
def ed25519_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def chain(names: str) -> tuple[Issued, ...]:
    """A chain as presented: "leaf middle root"."""
    return tuple(issued()[name] for name in names.split())


def der(names: str) -> tuple[bytes, ...]:
    """The same in DER."""
    return tuple(one.der for one in chain(names))


def tlsa(words: str) -> TLSARecord:
    """A record: "3 1 1 leaf", and "3 1 1 leaf broken" for one that matches nothing."""
    usage, selector, matching, name, *how = words.split()
    one = issued()[name]
    data = one.der if selector == "0" else one.spki
    digest = {"0": lambda octets: octets, "2": lambda octets: hashlib.sha512(octets).digest()}.get(
        matching, lambda octets: hashlib.sha256(octets).digest()
    )(data)
    if "broken" in how:
        digest = bytes((digest[0] ^ 0xFF,)) + digest[1:]
    if "short" in how:
        digest = digest[:-1]
    return TLSARecord(int(usage), int(selector), int(matching), digest)


def records(words: str) -> tuple[TLSARecord, ...]:
    """Several records, divided by commas."""
    return tuple(map(tlsa, words.split(",")))
