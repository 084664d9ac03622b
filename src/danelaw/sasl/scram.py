"""The messages of SCRAM and what proves what (RFC 5802 §3, §7)."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass

from danelaw.sasl.errors import SASLError
from danelaw.sasl.saslprep import saslprep
from danelaw.sasl.verifiers import SCRAMKeys

_NAME = re.compile(r"(?:[^=,\0]|=2C|=3D)+")
_NONCE = re.compile(r"[\x21-\x2b\x2d-\x7e]{1,512}")
_LONGEST_NAME = 255


class SCRAMError(SASLError):
    """A message that does not follow RFC 5802, or asks for what was not offered."""


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """client-first-message. `header` is gs2-header, `bare` what follows it.

    The flag is `n`, or `y` from a client that could bind to the channel and was not offered it (RFC 5802 §6).
    """

    header: bytes
    bare: str
    user: str
    nonce: str
    acting_as: str = ""

    @classmethod
    def from_bytes(cls, data: bytes) -> ClientFirst:
        """Read it. Raises `SCRAMError`, `SASLError`, `UnicodeDecodeError`."""
        text = data.decode("utf-8")
        flag, first, rest = text.partition(",")
        acting_as, second, bare = rest.partition(",")
        if not (first and second):
            raise SCRAMError("the first message has no header")
        if flag not in ("n", "y"):
            raise SCRAMError("channel binding, which was not offered, or a flag that is none")
        # GNU SASL sends an empty one, which RFC 5802 §7 has no words for.
        acting_as = _name(acting_as, "a=") if acting_as not in ("", "a=") else ""
        name, _, nonce = bare.partition(",")
        nonce, _, _extensions = nonce.partition(",")
        return cls(
            text[: len(text) - len(bare)].encode(),
            bare,
            saslprep(_name(name, "n=")),
            _nonce(nonce),
            acting_as,
        )


@dataclass(frozen=True, slots=True)
class ClientFinal:
    """client-final-message. `header` is gs2-header once more."""

    header: bytes
    nonce: str
    proof: bytes
    without_proof: str

    @classmethod
    def from_bytes(cls, data: bytes) -> ClientFinal:
        """Read it. Raises `SCRAMError`, `UnicodeDecodeError`."""
        without_proof, found, proof = data.decode("utf-8").rpartition(",p=")
        header, _, nonce = without_proof.partition(",")
        nonce, _, _extensions = nonce.partition(",")
        if not found or not header.startswith("c="):
            raise SCRAMError("the final message lacks its header or its proof")
        return cls(_octets(header[2:]), _nonce(nonce), _octets(proof), without_proof)


def server_first(nonce: str, keys: SCRAMKeys) -> str:
    """server-first-message; `nonce` is the client's with ours behind it."""
    return f"r={nonce},s={base64.b64encode(keys.salt).decode('ascii')},i={keys.iterations}"


def server_final(keys: SCRAMKeys, said: str) -> bytes:
    """server-final-message: only who has the user's keys can make it."""
    return b"v=" + base64.b64encode(hmac.digest(keys.server_key, said.encode(), "sha256"))


def client_proof_is_right(keys: SCRAMKeys, said: str, proof: bytes) -> bool:
    """Whether the client knows the key whose hash is `stored_key`. `said` is AuthMessage."""
    signature = hmac.digest(keys.stored_key, said.encode(), "sha256")
    if len(proof) != len(signature):
        return False
    client_key = bytes(one ^ other for one, other in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), keys.stored_key)


def _name(text: str, prefix: str) -> str:
    name = text[2:]
    if not text.startswith(prefix) or len(name) > 3 * _LONGEST_NAME or not _NAME.fullmatch(name):
        raise SCRAMError(f"a name after {prefix} cannot be read")
    name = name.replace("=2C", ",").replace("=3D", "=")
    if len(name) > _LONGEST_NAME:
        raise SCRAMError("a name is too long")
    return name


def _nonce(text: str) -> str:
    if not text.startswith("r=") or not _NONCE.fullmatch(text[2:]):
        raise SCRAMError("the nonce cannot be read")
    return text[2:]


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise SCRAMError("base64 in a message cannot be read") from None
