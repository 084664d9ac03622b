"""Fuzz target: certificates as servers present them. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Domain
from danelaw.pkix import DERError, Roots, RootsError, dns_ids, matches, read_certificate, verify

_NOW = 1_790_000_000.0
_HOST = Domain("mx.example.org")


def test_one_input(data: bytes) -> None:
    """Reading gives a certificate or a `DERError`; judging never raises, and never trusts."""
    try:
        read = read_certificate(data)
    except DERError:
        pass
    else:
        assert read.spki in data
        assert dns_ids(data) == read.dns_ids
        for name in (*read.dns_ids, *read.common_names):
            assert name.isascii()
            matches(_HOST, name)
    roots = _roots()
    result = verify((data, data[1:], data), roots, (_HOST,), _NOW)
    assert result.ok == (result.failure is None)
    assert not result.ok or data in roots.certificates
    try:
        Roots.from_pem(data)
    except RootsError:
        return


test_one_input.__test__ = False  # type: ignore[attr-defined]

_ROOT = """-----BEGIN CERTIFICATE-----
MIIBeTCCAR+gAwIBAgIUAaBHnoJIGlprfCfd58da6/pJFZEwCgYIKoZIzj0EAwIw
ETEPMA0GA1UEAwwGTm9ib2R5MCAXDTI2MTEyNDAwMDAyMloYDzIwNTEwNzE2MDAw
MDIyWjARMQ8wDQYDVQQDDAZOb2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC
AAQ4xlBXFAhe56GmfQwvUDvfigsvH8RMVlK7HvY/EPDKlKlnnzkw5ewYytaEHBtt
JYnQbTIPIyrISGJsKE4fmk3Do1MwUTAdBgNVHQ4EFgQUhsb2JqH1pIIk0PYR0n7n
yOcsCLgwHwYDVR0jBBgwFoAUhsb2JqH1pIIk0PYR0n7nyOcsCLgwDwYDVR0TAQH/
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiALUSF2OX5Q+LfDAxJ7s/aiHzZ/CuQ4
mZmpW+fI0j5wEgIhANOj7bYHKdmZ9cUVoj56rg0T1QAjbpw3rxkatLADVNj3
-----END CERTIFICATE-----
"""
_known: list[Roots] = []


def _roots() -> Roots:
    """Someone who signed nothing of this; made once."""
    if not _known:
        _known.append(Roots.from_pem(_ROOT.encode()))
    return _known[0]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
