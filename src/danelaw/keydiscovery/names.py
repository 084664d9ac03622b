"""Where the keys of an address are published (RFC 7929 §3, RFC 8162 §3, draft-koch-openpgp-webkey-service-19 §3.1)."""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote

import dns.name

from danelaw.address import Domain, DomainError, Mailbox

OPENPGPKEY_LABEL = "_openpgpkey"
SMIMEA_LABEL = "_smimecert"
_HASH_OCTETS = 28
# Phil Zimmermann's human-oriented base-32, most significant bits first.
_Z_BASE_32 = "ybndrfg8ejkmcpqxot1uwisza345h769"
_ASCII_LOWER = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
_WELL_KNOWN = "/.well-known/openpgpkey"


@dataclass(frozen=True, slots=True)
class WebKeyPlace:
    """One place of a Web Key Directory: the host to connect to, and the URL to get there."""

    method: str
    host: Domain
    url: str


def hashed_owner(mailbox: Mailbox, label: str) -> dns.name.Name | None:
    """The owner name of an address's OPENPGPKEY or SMIMEA records; None where it has none: an address literal has no
    zone, and a domain may be too long for the labels.

    The local-part is taken without quotes, in Unicode's form C, and its case is kept: only the final system may fold
    it (RFC 7929 §3, §4: senders "MUST NOT perform any kind of mapping rules").
    """
    if not isinstance(mailbox.domain, Domain):
        return None
    local = unicodedata.normalize("NFC", mailbox.localpart.content)
    digest = hashlib.sha256(local.encode()).digest()[:_HASH_OCTETS].hex()
    try:
        return dns.name.Name((digest.encode("ascii"), label.encode("ascii"))).concatenate(mailbox.domain.to_dns())
    except dns.name.NameTooLong:
        return None


def z_base_32(octets: bytes) -> str:
    """The z-base-32 form (RFC 6189 §5.1.6) without padding."""
    bits = 8 * len(octets)
    number = int.from_bytes(octets, "big") << (-bits % 5)
    count = (bits + 4) // 5
    return "".join(_Z_BASE_32[number >> 5 * (count - 1 - place) & 31] for place in range(count))


def web_key_hash(localpart: str) -> str:
    """The name of a key's file: only ASCII letters are folded, and nothing else is mapped (§3.1)."""
    return z_base_32(hashlib.sha1(localpart.translate(_ASCII_LOWER).encode(), usedforsecurity=False).digest())


def web_key_places(mailbox: Mailbox) -> tuple[WebKeyPlace, ...]:
    """The advanced method first, then the direct one (§3.1); none for an address literal.

    The direct one is for domains whose sub-domain `openpgpkey` does not exist, and for nothing else: another error
    at the first place ends the search.
    """
    domain = mailbox.domain
    if not isinstance(domain, Domain):
        return ()
    local = mailbox.localpart.content
    file = f"hu/{web_key_hash(local)}?l={quote(local, safe='')}"
    places = []
    try:
        host = Domain.from_text(f"openpgpkey.{domain.ascii}")
        places.append(WebKeyPlace("advanced", host, f"https://{host.ascii}{_WELL_KNOWN}/{domain.ascii}/{file}"))
    except DomainError:
        pass
    places.append(WebKeyPlace("direct", domain, f"https://{domain.ascii}{_WELL_KNOWN}/{file}"))
    return tuple(places)
