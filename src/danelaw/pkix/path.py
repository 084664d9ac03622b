"""Building and checking a path from a presented chain to trust anchors (RFC 5280 §6.1)."""

from __future__ import annotations

from OpenSSL import crypto

from danelaw.pkix.certificate import read_certificate
from danelaw.pkix.der import DERError
from danelaw.pkix.result import PKIXFailure

MAX_CHAIN = 16
"""Presented certificates looked at; real chains have two to four."""

# Result codes of OpenSSL's X509_verify_cert(3).
_FAILURES = {
    2: PKIXFailure.NOT_TRUSTED,  # unable to get issuer certificate
    7: PKIXFailure.BAD_SIGNATURE,
    9: PKIXFailure.NOT_YET_VALID,
    10: PKIXFailure.EXPIRED,
    18: PKIXFailure.NOT_TRUSTED,  # self-signed leaf
    19: PKIXFailure.NOT_TRUSTED,  # self-signed certificate in the chain
    20: PKIXFailure.NOT_TRUSTED,  # unable to get local issuer certificate
    21: PKIXFailure.NOT_TRUSTED,  # unable to verify the leaf signature
    27: PKIXFailure.NOT_TRUSTED,
}
_WORDS = {
    7: "{who} has a signature that is not its issuer's",
    9: "{who} is not yet valid",
    10: "{who} has expired",
    18: "the certificate is self-signed, no CA vouches for it",
    19: "the chain ends at a self-signed CA that is not trusted",
    24: "{who} is no CA, but signed another certificate",
    25: "{who} allows fewer CAs below it than the chain has",
    32: "{who} may not sign certificates (key usage)",
    47: "a CA in the chain may not issue for this name (name constraints)",
    48: "a CA in the chain may not issue for this name (name constraints)",
}


class PathError(Exception):
    """No valid path. `failure` is the kind, `words` a sentence for people."""

    def __init__(self, failure: PKIXFailure, words: str) -> None:
        super().__init__(words)
        self.failure = failure
        self.words = words


def load_chain(chain: tuple[bytes, ...]) -> tuple[crypto.X509, ...]:
    """Load a presented chain, leaf first. Unreadable issuers are left out; raises `PathError` for the leaf."""
    if not chain:
        raise PathError(PKIXFailure.OTHER, "the server shows no certificate")
    loaded = []
    for index, data in enumerate(chain[:MAX_CHAIN]):
        try:
            loaded.append(crypto.load_certificate(crypto.FILETYPE_ASN1, data))
        except crypto.Error:
            if index == 0:
                raise PathError(PKIXFailure.OTHER, "the server's certificate cannot be parsed") from None
    return tuple(loaded)


def verified_path(store: crypto.X509Store, loaded: tuple[crypto.X509, ...]) -> tuple[bytes, ...]:
    """The path from the leaf to an anchor of `store` in DER, anchor last.

    Signatures, dates (at the store's time), basic constraints, path lengths, key usage of CAs and name constraints
    are OpenSSL's work; that every certificate on the path may serve TLS (RFC 5280 §4.2.1.12) is checked here, since
    pyOpenSSL sets no purpose. Raises `PathError`.
    """
    context = crypto.X509StoreContext(store, loaded[0], list(loaded[1:]))
    try:
        verified = context.get_verified_chain()
    except crypto.X509StoreContextError as error:
        raise _path_error(error) from None
    path = tuple(crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate) for certificate in verified)
    _check_purpose(path)
    return path


def _path_error(error: crypto.X509StoreContextError) -> PathError:
    code, depth, text = int(error.errors[0]), int(error.errors[1]), str(error.errors[2])
    failure = _FAILURES.get(code, PKIXFailure.OTHER)
    who = "the certificate" if depth == 0 else "a CA certificate in the chain"
    words = _WORDS.get(code)
    if words is None:
        words = "no trusted CA issued the certificate" if failure is PKIXFailure.NOT_TRUSTED else f"{{who}}: {text}"
    return PathError(failure, words.format(who=who))


def _check_purpose(path: tuple[bytes, ...]) -> None:
    try:
        certificates = [read_certificate(data) for data in path]
    except DERError as error:
        raise PathError(PKIXFailure.OTHER, f"a certificate cannot be read: {error.reason}") from None
    if not all(certificate.server_purpose for certificate in certificates):
        raise PathError(PKIXFailure.OTHER, "the certificate is not meant for TLS servers (extended key usage)")
    if not certificates[0].tls_key_usage:
        raise PathError(PKIXFailure.OTHER, "the certificate's key is not meant for TLS (key usage)")
