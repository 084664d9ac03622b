"""Cipher suites by their registered names, which Received must use (RFC 8314 §4.3, RFC 5246 appendix C)."""

from __future__ import annotations

import re

# OpenSSL's key exchange and authentication parts, in the terms of the TLS registry.
_EXCHANGES = {
    "ECDHE-ECDSA-": "ECDHE_ECDSA",
    "ECDHE-RSA-": "ECDHE_RSA",
    "ECDHE-PSK-": "ECDHE_PSK",
    "DHE-RSA-": "DHE_RSA",
    "DHE-DSS-": "DHE_DSS",
    "DHE-PSK-": "DHE_PSK",
    "RSA-PSK-": "RSA_PSK",
    "PSK-": "PSK",
    "AECDH-": "ECDH_anon",
    "ADH-": "DH_anon",
}
_BULK = {
    "CHACHA20-POLY1305": "CHACHA20_POLY1305_SHA256",
    "AES128-CCM8": "AES_128_CCM_8",
    "AES256-CCM8": "AES_256_CCM_8",
    "AES128-CCM": "AES_128_CCM",
    "AES256-CCM": "AES_256_CCM",
}
_REGISTERED = re.compile(r"TLS_[A-Za-z0-9_]{3,60}\Z", re.ASCII)
_BLOCK = re.compile(r"(AES|CAMELLIA|ARIA)(128|256)(?:-(GCM))?-(SHA(?:256|384)?)\Z", re.ASCII)


def registered_name(cipher: str) -> str | None:
    """`ECDHE-RSA-AES128-GCM-SHA256` as `TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256`; TLS 1.3 names pass unchanged.

    None for a name whose registered form is not known for certain.
    """
    if _REGISTERED.match(cipher):
        return cipher
    prefix = next((prefix for prefix in _EXCHANGES if cipher.startswith(prefix)), "")
    exchange = _EXCHANGES.get(prefix, "RSA")
    rest = cipher.removeprefix(prefix)
    if rest in _BULK:
        return f"TLS_{exchange}_WITH_{_BULK[rest]}"
    match = _BLOCK.match(rest)
    if match is None:
        return None
    kind, bits, mode, digest = match.groups()
    return f"TLS_{exchange}_WITH_{kind}_{bits}_{mode or 'CBC'}_{digest}"
