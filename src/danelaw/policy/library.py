"""What a hook can ask for that takes time. Every call waits without holding anybody else up, within a time limit.

These are the interfaces. The gateway offers them over real networks, `danelaw policy test` from what a test wrote down,
an isolated script over its line to the gateway; a hook cannot tell them apart. Each call raises `LibraryError` when it
cannot say, and never an empty answer instead: DNS that fails is not DNS that denies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypeAlias

from danelaw.errors import DanelawError
from danelaw.policy.notes import JSON

DNSSEC: TypeAlias = Literal["secure", "insecure", "bogus", "indeterminate"]


class LibraryError(DanelawError):
    """A call that got no answer: DNS failed, a server is away, the time was over, the name is not configured."""


@dataclass(frozen=True, slots=True)
class DNSAnswer:
    """What DNS says. `exists` is false for NXDOMAIN; `records` are texts as in zone files, empty for no such data.

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


class DNS(Protocol):
    """DNS with DNSSEC status."""

    async def lookup(self, name: str, type: str) -> DNSAnswer:
        """Records of any type (`MX`, `TXT`, `A`). Raises `LibraryError` when DNS fails or is bogus."""

    async def addresses(self, name: str) -> tuple[str, ...]:
        """IPv6 and IPv4 addresses of a host. Raises `LibraryError`."""

    async def names(self, address: str) -> tuple[str, ...]:
        """The names of an IP address that lead back to it. Raises `LibraryError`."""

    async def listed(self, subject: str, zone: str) -> tuple[str, ...]:
        """What a DNS list (RFC 5782) says of an IP address or domain: its return addresses, none when not listed.

        Raises `LibraryError`.
        """


@dataclass(frozen=True, slots=True)
class HTTPResponse:
    """An answer over HTTP: status, fields in lower case, and at most as many octets as were asked for."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as UTF-8."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body as JSON. Raises `LibraryError`."""
        import json

        try:
            return json.loads(self.body)
        except ValueError as error:
            raise LibraryError(f"the answer is no JSON: {error}") from None


class HTTP(Protocol):
    """HTTP to anywhere: no redirects, no proxies of the environment, size and time limited."""

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: JSON = None,
        seconds: float = 5.0,
        max_octets: int = 1 << 20,
    ) -> HTTPResponse:
        """Raises `LibraryError` when there is no answer; a status of 500 is an answer."""

    async def get(self, url: str, *, headers: Mapping[str, str] | None = None, seconds: float = 5.0) -> HTTPResponse:
        """GET. Raises `LibraryError`."""

    async def post(
        self, url: str, *, json: JSON = None, body: bytes = b"", headers: Mapping[str, str] | None = None,
        seconds: float = 5.0,
    ) -> HTTPResponse:  # fmt: skip
        """POST of JSON or octets. Raises `LibraryError`."""


@dataclass(frozen=True, slots=True)
class RecipientAnswer:
    """What a next hop says about a recipient: `accepted`, `refused` or `unknown`, and its reply."""

    answer: Literal["accepted", "refused", "unknown"]
    reply: str = ""


class CallAhead(Protocol):
    """SMTP call-ahead, with the cache that recipient verification uses."""

    async def verify(self, address: str, next_hop: str = "") -> RecipientAnswer:
        """Ask the next hop of an address (or another) by RCPT without sending anything. Raises `LibraryError`."""


class LDAP(Protocol):
    """Directories of `[policy.ldap.NAME]`."""

    async def search(
        self, name: str, filter: str, values: Mapping[str, str] | None = None, *, attributes: Sequence[str] = ()
    ) -> list[dict[str, list[str]]]:
        """Entries that match: `{name}` in the filter stands for a value, escaped (RFC 4515 §3).

        Raises `LibraryError`.
        """


class SQL(Protocol):
    """Databases of `[policy.database.NAME]`."""

    async def query(self, name: str, statement: str, values: Sequence[JSON] = ()) -> list[dict[str, Any]]:
        """Rows of a SELECT, or of a statement with RETURNING; `?` stand for `values`. Raises `LibraryError`."""

    async def execute(self, name: str, statement: str, values: Sequence[JSON] = ()) -> int:
        """Carry out a statement in a transaction of its own; gives how many rows it touched. Raises `LibraryError`."""


@dataclass(frozen=True, slots=True)
class TLSProbe:
    """What a server shows: whether it offers STARTTLS, version, cipher, and what the check of `danelaw check` says."""

    host: str
    offered: bool
    version: str = ""
    cipher: str = ""
    protection: str = ""
    reason: str = ""


class TLS(Protocol):
    """Looking at how other servers protect mail; no message is sent."""

    async def probe(self, domain: str) -> tuple[TLSProbe, ...]:
        """Every host of a mail domain, in MX order, judged as a delivery would be. Raises `LibraryError`."""


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its path as the archive says, size as it says, and type as its octets say."""

    path: str
    size: int
    type: str
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What octets are: media type by content, extensions that fit it, and for archives what they hold.

    `odd` are reasons for doubt in words: encrypted, nested too deep, larger than it says, a name with two extensions.
    """

    type: str
    extensions: tuple[str, ...]
    members: tuple[Member, ...] = ()
    odd: tuple[str, ...] = ()


class Files(Protocol):
    """File types and archives."""

    async def examine(self, octets: bytes, filename: str = "") -> FileFacts:
        """Look at octets; nothing is written and nothing unpacked beyond limits. Raises `LibraryError`."""


class Secrets(Protocol):
    """Passwords and keys that are not in the policy's files."""

    def get(self, name: str) -> str:
        """The content of `[policy] secrets` NAME, without the final line end. Raises `LibraryError`."""


class Measures(Protocol):
    """The script's own metrics: `danelaw_policy_counter_total{name=…}` and `danelaw_policy_gauge{name=…}`."""

    def count(self, name: str, by: float = 1.0) -> None:
        """Add to a counter."""

    def gauge(self, name: str, value: float) -> None:
        """Set a gauge."""


class Log(Protocol):
    """The gateway's log, one line per event, with the message's id and the hook's name added."""

    def event(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Something worth knowing."""

    def warning(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Something somebody should look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Everything together, as `ctx.library`."""

    dns: DNS
    http: HTTP
    callahead: CallAhead
    ldap: LDAP
    sql: SQL
    tls: TLS
    files: Files
    secrets: Secrets
    measures: Measures
    log: Log
    state: Any = field(default=None)
