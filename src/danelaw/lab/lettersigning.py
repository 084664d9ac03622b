"""DKIM signatures and ARC sets of the lab's letters, made by the text of RFC 6376 §3.7 and RFC 8617 §5.1.

Shares no code with danelaw's own, so that errors do not cancel out.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_FIELD = re.compile(rb"[^\n]+\n(?:[ \t][^\n]*\n)*")


class LetterKeys:
    """The two keys that sign all letters, made when first used."""

    @cached_property
    def rsa(self) -> rsa.RSAPrivateKey:
        """2048 bits."""
        return rsa.generate_private_key(65537, 2048)

    @cached_property
    def ed25519(self) -> ed25519.Ed25519PrivateKey:
        """The other one (RFC 8463)."""
        return ed25519.Ed25519PrivateKey.generate()

    def records(self) -> dict[str, str]:
        """p= and k= of key records by the name of the key."""
        der = self.rsa.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        raw = self.ed25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        return {"rsa": f"k=rsa; p={_text(der)}", "ed25519": f"k=ed25519; p={_text(raw)}"}

    def sign(self, algorithm: str, octets: bytes) -> str:
        """b= over what is to be hashed."""
        if algorithm == "rsa":
            return _text(self.rsa.sign(octets, PKCS1v15(), SHA256()))
        return _text(self.ed25519.sign(hashlib.sha256(octets).digest()))


def signed(octets: bytes, keys: LetterKeys, algorithm: str, tags: Mapping[str, str], *, first: str = "v=1") -> bytes:
    """A signature field on top, relaxed/relaxed; `tags` are d, s, h and whatever else shall stand there."""
    name = b"DKIM-Signature" if first == "v=1" else b"ARC-Message-Signature"
    header, _, body = octets.partition(b"\r\n\r\n")
    hashed = _body(body)
    if "l" in tags:
        hashed = hashed[: int(tags["l"])]
    given = {"bh": _text(hashlib.sha256(hashed).digest())} | dict(tags)
    text = "; ".join([first, f"a={algorithm}-sha256", "c=relaxed/relaxed", *(f"{tag}={given[tag]}" for tag in given)])
    own = name + b": " + text.encode() + b"; b="
    left = _FIELD.findall(header + b"\r\n")
    covered = []
    for wanted in tags["h"].lower().encode().split(b":"):
        place = next((i for i in reversed(range(len(left))) if _name(left[i]) == wanted), None)
        if place is not None:
            covered.append(_relaxed(left.pop(place)))
    return own + keys.sign(algorithm, b"\r\n".join([*covered, _relaxed(own)])).encode() + b"\r\n" + octets


def sealed(octets: bytes, keys: LetterKeys, domain: str, results: str, status: str) -> bytes:
    """One more ARC set on top, its chain validation status `status`."""
    header = octets.partition(b"\r\n\r\n")[0] + b"\r\n"
    arc = [field for field in _FIELD.findall(header) if _name(field).startswith(b"arc-")]
    number = len(arc) // 3 + 1
    tags = {"d": domain, "s": "rsa", "h": "from:to:subject"}
    ours = f"ARC-Authentication-Results: i={number}; {domain}; {results}\r\n".encode()
    octets = signed(octets, keys, "rsa", tags, first=f"i={number}")
    signature = octets.partition(b"\r\n")[0] + b"\r\n"
    seal = f"ARC-Seal: i={number}; a=rsa-sha256; cv={status}; d={domain}; s=rsa; b=".encode()
    # On top stands seal, signature, results of the newest set; hashed is results, signature, seal, the oldest first.
    before = [arc[place + step] for place in reversed(range(0, len(arc), 3)) for step in (2, 1, 0)]
    covered = b"\r\n".join(map(_relaxed, [*before, ours, signature, seal]))
    seal += keys.sign("rsa", covered).encode() + b"\r\n"
    return seal + signature + ours + octets[len(signature) :]


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _name(field: bytes) -> bytes:
    return field.partition(b":")[0].strip().lower()


def _relaxed(field: bytes) -> bytes:
    """Without line end (RFC 6376 §3.4.2)."""
    value = field.partition(b":")[2].replace(b"\r\n", b"")
    return _name(field) + b":" + re.sub(rb"[ \t]+", b" ", value).strip(b" ")


def _body(body: bytes) -> bytes:
    """RFC 6376 §3.4.4."""
    lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)
