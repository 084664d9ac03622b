"""Mails, clients and DNS by chance, for comparing verdicts: the same seed gives the same mails, but for their keys."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from danelaw.address import Domain
from danelaw.dkim import Canonicalization, PrivateKey, SigningKey, SignSettings, sign
from danelaw.message import Header

NOW = 1_790_000_000
_CLIENTS = ("192.0.2.1", "192.0.2.77", "198.51.100.9", "2001:db8::1", "2001:db8:1::9")
_DOMAINS = tuple(f"d{number}.example" for number in range(150))
_SIGNERS = ("a.test", "sub.a.test", "b.lab")
_AUTHORS = ("a.test", "sub.a.test", "b.lab", "none.invalid")
POLICIES = {
    "a.test": "v=DMARC1; p=reject; sp=quarantine",
    "b.lab": "v=DMARC1; p=none",
}


@dataclass(frozen=True, slots=True)
class Mail:
    """A message and how it comes. `damage` says what was done to it after it was signed."""

    octets: bytes
    client: str
    helo: str
    mail_from: str
    author: str
    damage: str


class World:
    """The DNS of one seed: `records` by (name, type); TXT values are lists of strings."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._chance = random.Random(seed)
        self.records: dict[tuple[str, str], list[str]] = {}
        self.failing = {"down.example"}
        for domain in _DOMAINS:
            for text in self._records():
                self._add(domain, "TXT", text)
            if self._chance.random() < 0.5:
                self._add(domain, "A", self._chance.choice(_CLIENTS[:3]))
            if self._chance.random() < 0.3:
                self._add(domain, "AAAA", self._chance.choice(_CLIENTS[3:]))
            for exchange in self._chance.sample(_DOMAINS, self._chance.choice((0, 0, 1, 2, 11))):
                self._add(domain, "MX", exchange)
        for domain, text in POLICIES.items():
            self._add(f"_dmarc.{domain}", "TXT", text)
        self.signers = self._keys()

    def _add(self, name: str, rdtype: str, value: str) -> None:
        self.records.setdefault((name, rdtype), []).append(value)

    def _keys(self) -> dict[tuple[str, str], SigningKey]:
        kinds = {
            "r": PrivateKey.from_key(rsa.generate_private_key(65537, 2048)),
            "s": PrivateKey.from_key(rsa.generate_private_key(65537, 1024)),
            "e": PrivateKey.from_key(ed25519.Ed25519PrivateKey.generate()),
        }
        keys = {}
        for domain in _SIGNERS:
            for selector, key in kinds.items():
                keys[domain, selector] = SigningKey(Domain.from_text(domain), selector, key)
                self._add(f"{selector}._domainkey.{domain}", "TXT", key.record().to_text())
        self._add("revoked._domainkey.a.test", "TXT", "v=DKIM1; p=")
        self._add("sha1._domainkey.a.test", "TXT", kinds["r"].record().to_text().replace("k=rsa", "h=sha1; k=rsa"))
        strict = kinds["r"].record().to_text().replace("k=rsa", "k=rsa; t=s")
        self._add("strict._domainkey.a.test", "TXT", strict)
        for selector in ("revoked", "sha1", "strict", "absent"):
            keys["a.test", selector] = SigningKey(Domain.from_text("a.test"), selector, kinds["r"])
        return keys

    def _records(self) -> list[str]:
        """None, one or two SPF records, most of them right."""
        count = self._chance.choices((0, 1, 2), (5, 92, 3))[0]
        return [self._record() for _ in range(count)]

    def _record(self) -> str:
        chance = self._chance
        terms = [self._term() for _ in range(chance.choice((0, 1, 1, 2, 3, 4, 12)))]
        if chance.random() < 0.1:
            terms.append(f"redirect={chance.choice(_DOMAINS)}")
        else:
            terms.append(chance.choice(("-all", "~all", "?all", "+all", "all", "")))
        text = " ".join(["v=spf1", *terms]).rstrip()
        return chance.choice((text, text, text, text, text.upper().replace("V=SPF1", "v=spf1"), text + " "))

    def _term(self) -> str:
        chance = self._chance
        domain = chance.choice((*_DOMAINS, "down.example", "void.example"))
        qualifier = chance.choice(("", "", "", "+", "-", "~", "?"))
        return qualifier + chance.choice(
            (
                f"ip4:{chance.choice(_CLIENTS[:3])}",
                "ip4:192.0.2.0/24",
                "ip6:2001:db8::/32",
                f"a:{domain}",
                "a",
                f"a:{domain}/24//48",
                f"mx:{domain}",
                "mx",
                f"include:{domain}",
                f"include:{domain}",
                f"exists:{domain}",
                "exists:%{d}",
                "exists:%{l1r-}.%{d2}",
                chance.choice(
                    ("ip4:192.0.2.999", "ip4:1.2.3.4/33", "ip6:::g", "a:", "unknown:x", "exists:%{x}", "mx/129")
                ),
            )
        )


def mails(world: World, count: int) -> Iterator[Mail]:
    """So many mails of one world."""
    chance = random.Random(world.seed + 1)
    for _ in range(count):
        author = chance.choice(_AUTHORS)
        octets = _message(chance, author)
        for _ in range(chance.choice((0, 1, 1, 2))):
            octets = _signed(chance, world, octets)
        octets, damage = _damaged(chance, octets)
        domain = chance.choice((*_DOMAINS, author))
        mail_from = "" if chance.random() < 0.1 else f"joe-x@{domain}"
        yield Mail(octets, chance.choice(_CLIENTS), chance.choice((*_DOMAINS, "x")), mail_from, author, damage)


def _message(chance: random.Random, author: str) -> bytes:
    words = [b"tea", b"at", b"five", b" ", b"\t", b"caf\xc3\xa9", b"x" * 70, b".", b"\r\n", b"\r\n\r\n", b" \r\n"]
    body = b" ".join(chance.choice(words) for _ in range(chance.randrange(0, 60)))
    fields = [
        f"From: Joe <joe@{author}>",
        "To: Anna <a@b.lab>",
        "Subject: is  it \t tea",
        "Date: Mon, 5 Jan 2026 10:00:00 +0000",
    ]
    chance.shuffle(fields)
    if chance.random() < 0.3:
        fields.append("Received: from x by y;\r\n\tMon, 5 Jan 2026 10:00:00 +0000")
    return "\r\n".join(fields).encode() + b"\r\n\r\n" + body + chance.choice((b"", b"\r\n", b"\r\n\r\n\r\n"))


def _signed(chance: random.Random, world: World, octets: bytes) -> bytes:
    ways = tuple(Canonicalization)
    settings = SignSettings(header_canonicalization=chance.choice(ways), body_canonicalization=chance.choice(ways))
    key = world.signers[chance.choice(tuple(world.signers))]
    if chance.random() < 0.2:
        place = chance.choice(("", "sub."))
        settings = replace(settings, identity=f"joe@{place}{key.domain.ascii}")
    if chance.random() < 0.2:
        settings = replace(settings, oversigned=())
    header = Header.from_bytes(octets)
    fields = [(field.name, field.raw) for field in header]
    return b"".join(sign(fields, octets[header.body_offset :], [key], now=NOW, settings=settings)) + octets


def _damaged(chance: random.Random, octets: bytes) -> tuple[bytes, str]:
    changes = {
        "none": lambda: octets,
        "body": lambda: octets + b"more\r\n",
        "line ends": lambda: octets + b"\r\n\r\n",
        "white space at line ends": lambda: octets.replace(b"five\r\n", b"five \r\n"),
        "white space": lambda: octets.replace(b"at five", b"at  five"),
        "subject": lambda: octets.replace(b"Subject: is", b"Subject: was"),
        "folding": lambda: octets.replace(b"Subject: is", b"Subject:\r\n is"),
        "capitals": lambda: octets.replace(b"Subject: is", b"SUBJECT: is"),
        "second subject": lambda: b"Subject: other\r\n" + octets,
        "order": lambda: re.sub(rb"(?s)^(.*?)(To: [^\r]*\r\n)", rb"\2\1", octets, count=1),
        "signature": lambda: octets.replace(b"; b=", b"; zz=1; b=", 1),
        "version": lambda: octets.replace(b"v=1;", b"v=2;", 1),
        "l=0": lambda: octets.replace(b"; h=", b"; l=0; h=", 1),
        "no From in h=": lambda: re.sub(rb"(?i)h=from:", b"h=", octets, count=1),
        "expired": lambda: octets.replace(b"t=%d;" % NOW, b"t=1000; x=2000;", 1),
    }
    name = chance.choices(tuple(changes), [8, *[1] * (len(changes) - 1)])[0]
    return changes[name](), name
