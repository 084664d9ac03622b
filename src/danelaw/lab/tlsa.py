"""TLSA records from words: what a scenario publishes about the certificate its host shows.

`"3 1 1"` matches the host's key; `"2 1 1"` the private root; a further word changes that: `old` another key,
`intermediate` the issuer of the certificate, `short` a digest that lacks a byte, `raw HEX` literally. Usage 0
and 2 stand for authorities, 1 and 3 for the host's own certificate (RFC 6698 §2.1.1).
"""

from __future__ import annotations

import hashlib

import dns.rdata
import dns.rdataclass
import dns.rdatatype
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from danelaw.lab.certificates import Authorities, Credential

_DIGESTS = {"1": hashlib.sha256, "2": hashlib.sha512}


def tlsa_rdata(words: str, shown: Credential, authorities: Authorities) -> dns.rdata.Rdata:
    """The record for the declaration `words`."""
    usage, selector, matching, *more = words.split()
    data = bytes.fromhex(more[1]) if more[:1] == ["raw"] else _association(words, shown, authorities)
    # dnspython refuses to hold a digest of the wrong length as a TLSA record; other people's servers do not.
    wire = bytes([int(usage), int(selector), int(matching)]) + data
    return dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TLSA, wire)


def _association(words: str, shown: Credential, authorities: Authorities) -> bytes:
    usage, selector, matching, *more = words.split()
    option = more[0] if more else ""
    certificate = _chosen(usage, option, shown, authorities)
    data = _selected(selector, certificate)
    if matching in _DIGESTS:
        data = _DIGESTS[matching](data).digest()
    if option == "short":
        data = data[:-1]
    return data


def _chosen(usage: str, option: str, shown: Credential, authorities: Authorities) -> x509.Certificate:
    authority = usage in ("0", "2")
    if option == "old":
        return authorities.public.root if authority else authorities.self_signed(("old.lab",)).certificate
    if not authority:
        return shown.certificate
    return authorities.private.intermediate if option == "intermediate" else authorities.private.root


def _selected(selector: str, certificate: x509.Certificate) -> bytes:
    if selector == "1":
        return certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    return certificate.public_bytes(serialization.Encoding.DER)
