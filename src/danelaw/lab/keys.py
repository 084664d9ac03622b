"""Keys of the lab's zones: made when first used, since few runs need all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import dns.dnssec
import dns.dnssectypes
import dns.name
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS
from dns.rdtypes.ANY.RRSIG import RRSIG
from dns.rdtypes.dnskeybase import Flag

from danelaw.lab.scenario import Algorithm

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

_NUMBERS = {
    Algorithm.P256: dns.dnssectypes.Algorithm.ECDSAP256SHA256,
    Algorithm.ED25519: dns.dnssectypes.Algorithm.ED25519,
    Algorithm.RSA: dns.dnssectypes.Algorithm.RSASHA256,
}


@dataclass(frozen=True, slots=True)
class Window:
    """From when until when signatures are valid, POSIX seconds."""

    inception: int
    expiration: int


@dataclass(frozen=True, slots=True)
class ZoneKey:
    """One key pair with its DNSKEY record."""

    private: PrivateKey
    dnskey: DNSKEY

    @classmethod
    def generate(cls, algorithm: Algorithm, *, signs_keys: bool) -> ZoneKey:
        """A new key; `signs_keys` sets the SEP flag (RFC 4034 §2.1.1)."""
        private: PrivateKey
        if algorithm is Algorithm.P256:
            private = ec.generate_private_key(ec.SECP256R1())
        elif algorithm is Algorithm.ED25519:
            private = ed25519.Ed25519PrivateKey.generate()
        else:
            private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        flags = Flag.ZONE | Flag.SEP if signs_keys else Flag.ZONE
        dnskey = dns.dnssec.make_dnskey(private.public_key(), _NUMBERS[algorithm], flags=flags)
        return cls(private, dnskey)

    def sign(self, rrset: dns.rrset.RRset, signer: dns.name.Name, window: Window) -> RRSIG:
        """The signature of `rrset` by this key (RFC 4034 §3.1)."""
        signature = dns.dnssec.sign(
            rrset, self.private, signer, self.dnskey, inception=window.inception, expiration=window.expiration
        )
        return signature


class ZoneKeys:
    """The key signing and zone signing keys of one zone; `spare` more keys only make the DNSKEY answer larger."""

    def __init__(self, origin: dns.name.Name, algorithm: Algorithm, *, spare: int = 0) -> None:
        self.origin = origin
        self.algorithm = algorithm
        self._spare_count = spare

    @cached_property
    def ksk(self) -> ZoneKey:
        """Signs the DNSKEY RRset; its digest is what the parent publishes."""
        return ZoneKey.generate(self.algorithm, signs_keys=True)

    @cached_property
    def zsk(self) -> ZoneKey:
        """Signs everything else."""
        return ZoneKey.generate(self.algorithm, signs_keys=False)

    @cached_property
    def dnskeys(self) -> tuple[DNSKEY, ...]:
        """The whole DNSKEY RRset."""
        spare = [ZoneKey.generate(self.algorithm, signs_keys=False).dnskey for _ in range(self._spare_count)]
        return (self.ksk.dnskey, self.zsk.dnskey, *spare)

    @cached_property
    def ds(self) -> DS:
        """The digest for the parent (RFC 4509: SHA-256)."""
        return dns.dnssec.make_ds(self.origin, self.ksk.dnskey, dns.dnssectypes.DSDigest.SHA256)
