"""Certificates of the public kind: names, paths, roots (RFC 5280, RFC 9525).

A TLS server presents a *chain*: its own certificate (the leaf), then those of the CAs between it and a root.
`verify` answers two questions about it: does a path of valid signatures, dates and constraints lead to one of our
`Roots`, and does the leaf name the server we mean? The second answer needs *reference identifiers*, names we
know before the connection; the certificate's *DNS-IDs* (dNSName entries) must cover one of them. `*` stands for
exactly one leftmost label; the common name counts for nothing.

    roots = Roots.from_pem(pem)                 # once
    result = verify(chain, roots, (Domain("mx.example.org"),), now)
    if not result.ok: print(result.reason, result.tlsrpt)

The handshake itself verifies nothing: the chain is judged afterwards, so that one judge decides for DANE, MTA-STS
and configured CAs alike, and always with a reason in words.

Public names: `verify`, `PKIXResult`, `PKIXFailure`, `Roots`, `RootsError`, `dns_ids`, `matches`,
`Certificate`, `read_certificate`, `subject_public_key_info`, `DERError`. `Domain` is danelaw's own.
"""

from danelaw.address import Domain
from danelaw.pkix.certificate import Certificate, read_certificate, subject_public_key_info
from danelaw.pkix.der import DERError
from danelaw.pkix.names import dns_ids, matches
from danelaw.pkix.result import PKIXFailure, PKIXResult
from danelaw.pkix.roots import Roots, RootsError
from danelaw.pkix.verify import verify

__all__ = [
    "Certificate",
    "DERError",
    "Domain",
    "PKIXFailure",
    "PKIXResult",
    "Roots",
    "RootsError",
    "dns_ids",
    "matches",
    "read_certificate",
    "subject_public_key_info",
    "verify",
]
