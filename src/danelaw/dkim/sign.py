"""Signing a message with one key or several (RFC 6376 §5)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from danelaw.address import Domain
from danelaw.dkim.bodyhash import BodyDigest, BodyHashes
from danelaw.dkim.canonical import Canonicalization, Octets
from danelaw.dkim.errors import SigningError
from danelaw.dkim.headerhash import HeaderField, HeaderFields
from danelaw.dkim.privatekey import PrivateKey
from danelaw.dkim.signature import FIELD_NAME, DKIMSignature

# RFC 6376 §5.4.1, and List-Unsubscribe-Post (RFC 8058 §4). Received, Return-Path and the like change on the way.
DEFAULT_HEADERS = (
    "From",
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Content-Disposition",
    "Content-Language",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Date",
    "Resent-Message-ID",
    "List-Id",
    "List-Help",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Autocrypt",
    "TLS-Required",
)
# Named once more than they stand there, so that none can be added later (RFC 6376 §8.15). Not those a forwarder or
# a mailing list adds in good faith.
DEFAULT_OVERSIGNED = (
    "From",
    "Reply-To",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and where its public half is published: `<selector>._domainkey.<domain>`."""

    domain: Domain
    selector: str
    key: PrivateKey


@dataclass(frozen=True, slots=True, kw_only=True)
class SignSettings:
    """How to sign. `identity` is i= (default: none); with `lifetime` x= is set; without `timestamp` t= is left out."""

    headers: tuple[str, ...] = DEFAULT_HEADERS
    oversigned: tuple[str, ...] = DEFAULT_OVERSIGNED
    header_canonicalization: Canonicalization = Canonicalization.RELAXED
    body_canonicalization: Canonicalization = Canonicalization.RELAXED
    identity: str | None = None
    timestamp: bool = True
    lifetime: timedelta | None = None


DEFAULT_SIGN_SETTINGS = SignSettings()


class DKIMSigning:
    """One message on its way through signing; several keys share one pass over the body.

    Raises `SigningError` when the message has not exactly one From field (RFC 5322 §3.6), or there is no key.
    """

    def __init__(
        self,
        fields: HeaderFields | Iterable[HeaderField],
        keys: Sequence[SigningKey],
        *,
        settings: SignSettings = DEFAULT_SIGN_SETTINGS,
    ) -> None:
        self._header = fields if isinstance(fields, HeaderFields) else HeaderFields(fields)
        self._keys = tuple(keys)
        self._settings = settings
        if not self._keys:
            raise SigningError("there is no key to sign with")
        senders = len(self._header.indices(b"from"))
        if senders != 1:
            raise SigningError(f"the message has {senders or 'no'} From field{'s' if senders > 1 else ''}, not one")
        self._part = (settings.body_canonicalization, None)
        self._body = BodyHashes((self._part,))

    def update(self, data: Octets) -> None:
        """Take the next piece of the body."""
        self._body.update(data)

    def sign(self, now: float) -> tuple[bytes, ...]:
        """The DKIM-Signature fields to put on top of the message, final CRLF included, in the order of the keys.

        `now` in POSIX seconds; call it once, after the whole body was given.
        """
        body = self._body.finish()[self._part]
        names = covered(self._header, self._settings)
        return tuple(self._field(key, names, body, int(now)) for key in self._keys)

    def _field(self, key: SigningKey, names: tuple[str, ...], body: BodyDigest, now: int) -> bytes:
        settings = self._settings
        assert body.digest is not None
        unsigned = DKIMSignature(
            algorithm=key.key.algorithm,
            domain=key.domain,
            selector=key.selector,
            headers=names,
            body_hash=body.digest,
            signature=b"",
            header_canonicalization=settings.header_canonicalization,
            body_canonicalization=settings.body_canonicalization,
            identity=settings.identity,
            timestamp=now if settings.timestamp else None,
            expiration=now + int(settings.lifetime.total_seconds()) if settings.lifetime is not None else None,
        )
        digest = self._header.digest(names, settings.header_canonicalization, (FIELD_NAME, _raw(unsigned)))
        return _raw(replace(unsigned, signature=key.key.sign(digest)))


def covered(header: HeaderFields, settings: SignSettings) -> tuple[str, ...]:
    """h=: each configured name once per field there is, and once more when oversigned (RFC 6376 §5.4.2)."""
    oversigned = {name.lower() for name in settings.oversigned}
    names: list[str] = []
    for name in dict.fromkeys((*settings.headers, *settings.oversigned)):
        there = len(header.indices(name.lower().encode("ascii")))
        names += [name] * (there + (name.lower() in oversigned))
    return tuple(names)


def _raw(signature: DKIMSignature) -> bytes:
    return FIELD_NAME + b":" + signature.to_text().encode("utf-8") + b"\r\n"


def sign(
    fields: HeaderFields | Iterable[HeaderField],
    body: Octets | Iterable[Octets],
    keys: Sequence[SigningKey],
    *,
    now: float,
    settings: SignSettings = DEFAULT_SIGN_SETTINGS,
) -> tuple[bytes, ...]:
    """Sign a message at hand; the fields to put on top of it, one per key. Raises `SigningError`."""
    signing = DKIMSigning(fields, keys, settings=settings)
    for piece in (body,) if isinstance(body, bytes | bytearray | memoryview) else body:
        signing.update(piece)
    return signing.sign(now)
