"""Trust anchors that are bare keys, `2 1 0`: signatures verified by the key itself (RFC 7671 §5.2.2)."""

from __future__ import annotations

import warnings

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key


def signed_by(certificate_der: bytes, spki: bytes) -> bool:
    """True when the key signed the certificate (both DER). False for anything that cannot be parsed or verified."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # oddities of certificates that make no difference to the signature
            certificate = x509.load_der_x509_certificate(certificate_der)
            _verify(certificate, spki)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError, _OtherKey):
        return False
    return True


class _OtherKey(Exception):
    """The signature's algorithm is not one of the key."""


def _verify(certificate: x509.Certificate, spki: bytes) -> None:
    key = load_der_public_key(spki)
    signature, signed = certificate.signature, certificate.tbs_certificate_bytes
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
        return
    parameters, digest = certificate.signature_algorithm_parameters, certificate.signature_hash_algorithm
    if isinstance(key, rsa.RSAPublicKey) and parameters is not None and digest is not None:
        if isinstance(parameters, ec.ECDSA):
            raise _OtherKey
        key.verify(signature, signed, parameters, digest)
    elif isinstance(key, ec.EllipticCurvePublicKey) and isinstance(parameters, ec.ECDSA):
        key.verify(signature, signed, parameters)
    else:
        raise _OtherKey
