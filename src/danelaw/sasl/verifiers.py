"""What is kept of a password: enough to check it, too little to know it.

`$scrypt$ln=15,r=8,p=3$<salt>$<key>`, or `{SCRAM-SHA-256}<iterations>,<salt>,<StoredKey>,<ServerKey>` as Dovecot writes
it, all in base64. Making and checking takes a tenth of a second or more on purpose.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TypeAlias

from danelaw.sasl.errors import SASLError

SALT_OCTETS = 16
USUAL_ITERATIONS = 100_000
"""Of SCRAM. RFC 7677 §4 asks for 4096 at least; the client does the same work at each login."""
_FEWEST_ITERATIONS, _MOST_ITERATIONS = 4096, 10_000_000
_KEY_OCTETS = 32
_MOST_SCRYPT_MEMORY = 256 << 20
_SCRYPT = re.compile(
    r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/=]{1,128})\$([A-Za-z0-9+/=]{1,128})"
)
_SCRAM = re.compile(r"\{SCRAM-SHA-256\}(\d{1,8}),([A-Za-z0-9+/=]{1,128}),([A-Za-z0-9+/=]{44}),([A-Za-z0-9+/=]{44})")


@dataclass(frozen=True, slots=True)
class ScryptKey:
    """A key made by scrypt (RFC 7914 §6): 2^`log_n` blocks of 128 * `r` octets, `p` times over."""

    log_n: int
    r: int
    p: int
    salt: bytes
    key: bytes

    @classmethod
    def of(cls, password: str, salt: bytes, *, log_n: int = 15, r: int = 8, p: int = 3) -> ScryptKey:
        """The key of a prepared password; the usual cost is 32 MiB and about 0.2 s."""
        return cls(log_n, r, p, salt, _scrypt(password, salt, log_n, r, p))

    def matches(self, password: str) -> bool:
        """True for the password it was made of, prepared."""
        return hmac.compare_digest(_scrypt(password, self.salt, self.log_n, self.r, self.p), self.key)

    def decoy(self, noise: bytes) -> ScryptKey:
        """One that costs the same and matches nothing; `noise` is at least 64 octets nobody else can know."""
        return ScryptKey(self.log_n, self.r, self.p, noise[: len(self.salt)], noise[-_KEY_OCTETS:])

    def to_text(self) -> str:
        """As it is kept."""
        return f"$scrypt$ln={self.log_n},r={self.r},p={self.p}${_base64(self.salt)}${_base64(self.key)}"


@dataclass(frozen=True, slots=True)
class SCRAMKeys:
    """The keys of SCRAM-SHA-256 (RFC 5802 §3). They too can check a password."""

    iterations: int
    salt: bytes
    stored_key: bytes
    server_key: bytes

    @classmethod
    def of(cls, password: str, salt: bytes, *, iterations: int = USUAL_ITERATIONS) -> SCRAMKeys:
        """The keys of a prepared password."""
        salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
        client_key = hmac.digest(salted, b"Client Key", "sha256")
        return cls(iterations, salt, hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256"))

    def matches(self, password: str) -> bool:
        """True for the password they were made of, prepared."""
        return hmac.compare_digest(
            SCRAMKeys.of(password, self.salt, iterations=self.iterations).stored_key, self.stored_key
        )

    def decoy(self, noise: bytes) -> SCRAMKeys:
        """Keys that cost the same and match nothing; `noise` is at least 64 octets nobody else can know."""
        return SCRAMKeys(
            self.iterations, noise[: len(self.salt)], noise[-_KEY_OCTETS:], noise[-2 * _KEY_OCTETS : -_KEY_OCTETS]
        )

    def to_text(self) -> str:
        """As they are kept."""
        fields = (str(self.iterations), _base64(self.salt), _base64(self.stored_key), _base64(self.server_key))
        return "{SCRAM-SHA-256}" + ",".join(fields)


Verifier: TypeAlias = ScryptKey | SCRAMKeys


def verifier_from_text(text: str) -> Verifier:
    """Read a kept verifier. Raises `SASLError` for other kinds, and for one that would take too long to check."""
    found = _SCRYPT.fullmatch(text)
    if found is not None:
        log_n, r, p = int(found[1]), int(found[2]), int(found[3])
        if 0 in (log_n, r, p) or p > 64 or (128 * r << log_n) > _MOST_SCRYPT_MEMORY:
            raise SASLError("the cost of an scrypt key is out of bounds (256 MiB at most)")
        key = _octets(found[5])
        if len(key) != _KEY_OCTETS:
            raise SASLError(f"an scrypt key has {len(key)} octets instead of {_KEY_OCTETS}")
        return ScryptKey(log_n, r, p, _salt(found[4]), key)
    found = _SCRAM.fullmatch(text)
    if found is not None:
        iterations = int(found[1])
        if not _FEWEST_ITERATIONS <= iterations <= _MOST_ITERATIONS:
            raise SASLError(
                f"SCRAM keys with {iterations} iterations; {_FEWEST_ITERATIONS} are the least (RFC 7677 §4)"
            )
        return SCRAMKeys(iterations, _salt(found[2]), _octets(found[3]), _octets(found[4]))
    raise SASLError(
        "a verifier is neither $scrypt$… nor {SCRAM-SHA-256}…", advice="danelaw user passwd NAME makes a new one"
    )


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    # OpenSSL wants to be allowed a little more than the blocks themselves take.
    most = (128 * r << log_n) + 128 * r * (p + 2) + (1 << 20)
    return hashlib.scrypt(password.encode(), salt=salt, n=1 << log_n, r=r, p=p, maxmem=most, dklen=_KEY_OCTETS)


def _salt(text: str) -> bytes:
    salt = _octets(text)
    if not 4 <= len(salt) <= 64:
        raise SASLError(f"a salt of {len(salt)} octets; 4 to 64 are expected")
    return salt


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    try:
        # Some programs leave the padding out.
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except binascii.Error:
        raise SASLError("a verifier's base64 cannot be read") from None
