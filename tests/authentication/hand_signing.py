"""Signatures made by hand, tag by tag, right or wrong as a test wants; no code of danelaw in it (RFC 6376 §3)."""

from __future__ import annotations

import base64
import hashlib
import re

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256

HEADERS = "from:to:subject"


def relaxed(field: bytes) -> bytes:
    """A field in relaxed form, without line end (RFC 6376 §3.4.2)."""
    name, _, value = field.partition(b":")
    return name.rstrip().lower() + b":" + re.sub(rb"[ \t]+", b" ", value.replace(b"\r\n", b"")).strip()


def canonical_body(body: bytes, how: str) -> bytes:
    """RFC 6376 §3.4.3 and §3.4.4."""
    lines = body.split(b"\r\n")
    if how == "relaxed":
        lines = [re.sub(rb"[ \t]+", b" ", line).rstrip(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines) or (b"" if how == "relaxed" else b"\r\n")


def hand_signed(message: bytes, key: RSAPrivateKey | Ed25519PrivateKey, **changes: str | None) -> bytes:
    """The message with a signature on top. `changes` are tags: None leaves one out; `bh` and `b` may be given too."""
    header, _, body = message.partition(b"\r\n\r\n")
    rsa = isinstance(key, RSAPrivateKey)
    tags: dict[str, str | None] = {
        "v": "1",
        "a": "rsa-sha256" if rsa else "ed25519-sha256",
        "c": "relaxed/relaxed",
        "d": "example.org",
        "s": "r" if rsa else "e",
        "h": HEADERS,
    }
    tags |= {name: value for name, value in changes.items() if name != "b"}
    algorithm = hashlib.sha1 if tags["a"] == "rsa-sha1" else hashlib.sha256
    way, _, body_way = (tags["c"] or "simple").partition("/")
    hashed = canonical_body(body, body_way or "simple")
    length = tags.get("l")
    if length and length.isdigit():
        hashed = hashed[: int(length)]
    tags.setdefault("bh", base64.b64encode(algorithm(hashed).digest()).decode())
    text = "; ".join(f"{name}={value}" for name, value in tags.items() if value is not None)
    own = f"DKIM-Signature: {text}; b=".encode()
    fields = re.findall(rb"[^\n]+\n(?:[ \t][^\n]*\n)*", header + b"\r\n")
    signed = b""
    for name in (tags["h"] or "").lower().split(":"):
        same = [i for i, one in enumerate(fields) if one.partition(b":")[0].rstrip().lower() == name.strip().encode()]
        if same:
            field = fields[same[-1]]
            fields[same[-1]] = b":"
            signed += relaxed(field) + b"\r\n" if way == "relaxed" else field
    signed += relaxed(own) if way == "relaxed" else own
    if isinstance(key, RSAPrivateKey):
        signature = key.sign(signed, PKCS1v15(), SHA1() if tags["a"] == "rsa-sha1" else SHA256())
    else:
        signature = key.sign(hashlib.sha256(signed).digest())
    given = changes.get("b")
    return own + (given.encode() if given is not None else base64.b64encode(signature)) + b"\r\n" + message
