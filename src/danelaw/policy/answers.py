"""What calls of the library give: values, and the one error they raise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, TypeAlias

from danelaw.errors import DanelawError
from danelaw.filetypes import FileFacts, Member

__all__ = [
    "DNSSEC",
    "CertificateFacts",
    "DNSAnswer",
    "FileFacts",
    "HTTPResponse",
    "LibraryError",
    "Member",
    "RecipientAnswer",
    "TLSProbe",
]

DNSSEC: TypeAlias = Literal["secure", "insecure", "bogus", "indeterminate"]


class LibraryError(DanelawError):
    """A call that got no answer: DNS failed, a server is away, the time was over, the name is not configured."""


@dataclass(frozen=True, slots=True)
class DNSAnswer:
    """What DNS says to a `name` and `type`. `exists` is false for NXDOMAIN; `records` are texts as in zone files, empty
    for no such data.

    `status` is the DNSSEC status of the whole answer, alias chain included; a bogus answer is a `LibraryError`.
    """

    name: str
    type: str
    status: DNSSEC
    exists: bool
    records: tuple[str, ...]

    @property
    def is_secure(self) -> bool:
        """Whether it is signed, chain valid from the root."""
        return self.status == "secure"


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """An answer over HTTP: `status`, fields in `headers` by names in lower case, and the `body`."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises `LibraryError`."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise LibraryError(f"the answer is no JSON: {error}") from None


@dataclass(frozen=True, slots=True)
class RecipientAnswer:
    """What a next hop says about a recipient: the `answer` `accepted`, `refused` or `unknown`, and its `reply`."""

    answer: Literal["accepted", "refused", "unknown"]
    reply: str = ""


@dataclass(frozen=True, slots=True)
class TLSProbe:
    """One address of a mail host, as `danelaw check` sees it.

    `level` is what mail would get there: `dane`, `mta-sts`, `pkix`, `host-dane`, `encrypted`, `clear`, `waits` (it is
    skipped) or `unknown`. `protection` is the same in words, `reason` one sentence. `offered` says whether STARTTLS
    is; `version` is the TLS version of the handshake, empty without one.
    """

    host: str
    address: str
    level: str
    protection: str
    offered: bool
    version: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """What a certificate says (RFC 5280): `subject`, `issuer` and `serial` as text, from `not_before` to `not_after`.
    `names` are those of the subjectAltName, `signature` is its algorithm, `key` as `RSA 2048` or `EC secp256r1`.

    `sha256` is the digest of the whole certificate, `spki_sha256` that of its public key, as in TLSA records with
    selectors 0 and 1 (RFC 6698 §2.1.2), both hexadecimal.
    """

    subject: str
    issuer: str
    serial: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key: str
    signature: str
    sha256: str
    spki_sha256: str

    @property
    def is_self_issued(self) -> bool:
        """Whether subject and issuer are the same."""
        return self.subject == self.issuer
