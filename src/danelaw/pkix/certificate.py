"""The parts of an X.509 certificate that mail security looks at (RFC 5280 §4.1, §4.2)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from danelaw.pkix import der
from danelaw.pkix.der import DERError, Element

MAX_CERTIFICATE_SIZE = 100_000  # octets; OpenSSL takes chains of 100 KiB from a peer at most
_MAX_NAMES = 2000

_COMMON_NAME = bytes.fromhex("550403")  # 2.5.4.3
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")  # 2.5.29.17, RFC 5280 §4.2.1.6
_KEY_USAGE = bytes.fromhex("551d0f")  # 2.5.29.15, §4.2.1.3
_EXTENDED_KEY_USAGE = bytes.fromhex("551d25")  # 2.5.29.37, §4.2.1.12
_ANY_PURPOSE = bytes.fromhex("551d2500")  # anyExtendedKeyUsage
_SERVER_AUTH = bytes.fromhex("2b06010505070301")  # id-kp-serverAuth 1.3.6.1.5.5.7.3.1

_VERSION, _EXTENSIONS, _DNS_NAME = 0xA0, 0xA3, 0x82
_STRINGS = {0x0C: "utf-8", 0x13: "ascii", 0x16: "ascii", 0x14: "latin-1", 0x1E: "utf-16-be", 0x1C: "utf-32-be"}
_TLS_KEY_USAGE = 0x80 | 0x20 | 0x08  # digitalSignature, keyEncipherment, keyAgreement


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is read of one certificate.

    `spki` is the SubjectPublicKeyInfo as it stands in the certificate. `not_before` and `not_after` are POSIX
    seconds, None when they cannot be read. `dns_ids` are the dNSNames of the subjectAltName, `common_names` the CNs of
    the subject, both lower case without a final dot. `has_dns_id` is true when there is any dNSName.
    `server_purpose` is false when an extended key usage leaves TLS servers out, `tls_key_usage` when key usage does.
    """

    der: bytes
    spki: bytes
    not_before: float | None
    not_after: float | None
    dns_ids: tuple[str, ...]
    common_names: tuple[str, ...]
    has_dns_id: bool
    server_purpose: bool
    tls_key_usage: bool


@lru_cache(maxsize=256)  # the leaf of a busy destination is looked at for every message
def read_certificate(data: bytes) -> Certificate:
    """Read a certificate in DER. Raises `DERError`."""
    if len(data) > MAX_CERTIFICATE_SIZE:
        raise DERError(f"a certificate of {len(data)} octets is too large")
    outer = der.whole(data, der.SEQUENCE)
    tbs = next(der.children(data, outer), None)
    if tbs is None or tbs.tag != der.SEQUENCE:
        raise DERError("the certificate has no TBSCertificate")
    fields = list(der.children(data, tbs))
    if fields and fields[0].tag == _VERSION:
        del fields[0]
    if len(fields) < 6 or any(fields[index].tag != der.SEQUENCE for index in (1, 2, 3, 4, 5)):
        raise DERError("the TBSCertificate lacks fields")
    not_before, not_after = _validity(data, fields[3])
    extensions = _extensions(data, fields[6:])
    names, has_dns_id = _dns_names(extensions.get(_SUBJECT_ALT_NAME))
    return Certificate(
        der=data,
        spki=data[fields[5].first : fields[5].end],
        not_before=not_before,
        not_after=not_after,
        dns_ids=names,
        common_names=_common_names(data, fields[4]),
        has_dns_id=has_dns_id,
        server_purpose=_server_purpose(extensions.get(_EXTENDED_KEY_USAGE)),
        tls_key_usage=_tls_key_usage(extensions.get(_KEY_USAGE)),
    )


def subject_public_key_info(data: bytes) -> bytes:
    """The SubjectPublicKeyInfo of a certificate in DER (RFC 6698 §2.1.2 selector 1). Raises `DERError`."""
    return read_certificate(data).spki


def _validity(data: bytes, validity: Element) -> tuple[float | None, float | None]:
    times = list(der.children(data, validity))
    if len(times) != 2:
        return None, None
    return _time(data, times[0]), _time(data, times[1])


def _time(data: bytes, item: Element) -> float | None:
    """UTCTime or GeneralizedTime in the forms of RFC 5280 §4.1.2.5; None for anything else."""
    text = der.contents(data, item).decode("latin-1")
    if item.tag == der.UTC_TIME and len(text) == 13:
        text = ("20" if text[:2] < "50" else "19") + text
    elif item.tag != der.GENERALIZED_TIME:
        return None
    if not (len(text) == 15 and text[:14].isascii() and text[:14].isdigit() and text[14] == "Z"):
        return None
    try:
        return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def _extensions(data: bytes, fields: list[Element]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for field in fields:
        if field.tag != _EXTENSIONS:
            continue
        for extension in der.children(data, der.element(data, field.start, field.end)):
            parts = list(der.children(data, extension))
            if len(parts) < 2 or parts[0].tag != der.OID or parts[-1].tag != der.OCTET_STRING:
                raise DERError("an extension is malformed")
            oid = der.contents(data, parts[0])
            if oid in found:
                raise DERError("an extension stands twice (RFC 5280 §4.2)")
            found[oid] = der.contents(data, parts[-1])
    return found


def _dns_names(value: bytes | None) -> tuple[tuple[str, ...], bool]:
    if value is None:
        return (), False
    raw = [
        der.contents(value, name)
        for name in der.children(value, der.whole(value, der.SEQUENCE))
        if name.tag == _DNS_NAME
    ]
    return tuple(filter(None, (_host(name, "ascii") for name in raw[:_MAX_NAMES]))), bool(raw)


def _common_names(data: bytes, subject: Element) -> tuple[str, ...]:
    found = []
    for rdn in der.children(data, subject):
        for attribute in der.children(data, rdn):
            parts = list(der.children(data, attribute))
            if len(parts) == 2 and der.contents(data, parts[0]) == _COMMON_NAME and parts[1].tag in _STRINGS:
                found.append(_host(der.contents(data, parts[1]), _STRINGS[parts[1].tag]))
    return tuple(filter(None, found))


def _host(value: bytes, encoding: str) -> str:
    """A name to compare with, "" for what cannot be a host name (NUL octets inside a name are a known attack)."""
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        return ""
    if not text.isascii() or len(text) > 254 or any(character <= " " or character == "\x7f" for character in text):
        return ""
    return text.lower().removesuffix(".")


def _server_purpose(value: bytes | None) -> bool:
    """No extended key usage allows everything (RFC 5280 §4.2.1.12)."""
    if value is None:
        return True
    purposes = {der.contents(value, purpose) for purpose in der.children(value, der.whole(value, der.SEQUENCE))}
    return bool(purposes & {_SERVER_AUTH, _ANY_PURPOSE})


def _tls_key_usage(value: bytes | None) -> bool:
    if value is None:
        return True
    bits = der.contents(value, der.whole(value, der.BIT_STRING))
    return len(bits) >= 2 and bool(bits[1] & _TLS_KEY_USAGE)
