"""What a hook can ask for that takes time. Every call waits without holding anybody else up, within a time limit.

These are the interfaces. The gateway offers them over real networks, `danelaw policy test` from what a test wrote down,
an isolated script over its line to the gateway; a hook cannot tell them apart. Each call raises `LibraryError` when it
cannot say, and never an empty answer instead: DNS that fails is not DNS that denies.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from danelaw.policy.answers import (
    CertificateFacts,
    DNSAnswer,
    FileFacts,
    HTTPResponse,
    RecipientAnswer,
    TLSProbe,
)
from danelaw.policy.notes import JSON
from danelaw.policy.state import State


class DNS(Protocol):
    """DNS with DNSSEC status."""

    async def lookup(self, name: str, type: str) -> DNSAnswer:
        """Records of any type (`MX`, `TXT`, `A`).

        Raises `LibraryError` when DNS fails or is bogus.

            mx = await ctx.library.dns.lookup(ctx.reverse_path.domain, "MX")
            if not mx.exists or mx.records == ("0 .",): ...
        """

    async def addresses(self, name: str) -> tuple[str, ...]:
        """IPv6 and IPv4 addresses of a host, none where it has none.

        Raises `LibraryError`.

            if ctx.client.address in await ctx.library.dns.addresses(ctx.client.helo): ...
        """

    async def names(self, address: str) -> tuple[str, ...]:
        """The names of an IP address that lead back to it.

        Raises `LibraryError`.

            names = await ctx.library.dns.names(ctx.client.address)
        """

    async def listed(self, subject: str, zone: str) -> tuple[str, ...]:
        """What a DNS list (RFC 5782) says of an IP address or domain: its return addresses, none when not listed.

        Raises `LibraryError`.

            if "127.0.0.2" in await ctx.library.dns.listed(ctx.client.address, "zen.example.org"): ...
        """


class HTTP(Protocol):
    """HTTP and HTTPS: no redirects, no proxies of the environment, certificates verified, size and time limited.

    Connections are kept between calls. `[policy.http]` says which hosts may be asked.
    """

    async def request(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: JSON = None,
        seconds: float = 5.0,
        max_octets: int = 1 << 20,
    ) -> HTTPResponse:
        """Any method; `query` is put behind the URL, escaped. A status of 500 is an answer.

        Raises `LibraryError` when there is none within `seconds`, or one of more than `max_octets`.

            answer = await ctx.library.http.request("PUT", "https://api.example.org/seen", json={"id": ctx.id})
        """

    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 5.0,
    ) -> HTTPResponse:
        """GET.

        Raises `LibraryError`.

            known = (await ctx.library.http.get("https://api.example.org/v1", query={"ip": address})).json()
        """

    async def post(
        self, url: str, *, json: JSON = None, body: bytes = b"", headers: Mapping[str, str] | None = None,
        seconds: float = 5.0,
    ) -> HTTPResponse:  # fmt: skip
        """POST of JSON or octets.

        Raises `LibraryError`.

            await ctx.library.http.post("https://hooks.example.org/alarm", json={"text": ctx.mail.subject})
        """


class CallAhead(Protocol):
    """SMTP call-ahead, the way of a delivery up to RCPT."""

    async def verify(self, address: str, next_hop: str = "") -> RecipientAnswer:
        """Ask the next hop of an address (or another) by RCPT without sending anything; that it does not say is the
        answer `unknown`. Remembered as `[call_ahead]` says. Raises `LibraryError` for what is no address or next hop.

            if (await ctx.library.callahead.verify(ctx.recipient)).answer == "refused": ...
        """


class LDAP(Protocol):
    """Directories of `[policy.ldap.NAME]`."""

    async def search(
        self, name: str, filter: str, values: Mapping[str, str] | None = None, *, attributes: Sequence[str] = ()
    ) -> list[dict[str, list[str]]]:
        """Entries that match: `{name}` in the filter stands for a value, escaped (RFC 4515 §3). Attributes have small
        letters, those named or all; the entry's own name is `dn`. Raises `LibraryError`, also when more match than
        `most` allows.

            (entry, *_) = await ctx.library.ldap.search("people", "(mail={mail})", {"mail": ctx.recipient}) or [{}]
        """


class SQL(Protocol):
    """Databases of `[policy.database.NAME]`."""

    async def query(self, name: str, statement: str, values: Sequence[JSON] = ()) -> list[dict[str, Any]]:
        """Rows of a SELECT, or of a statement with RETURNING, by column; `?` stand for `values`, in every database.
        Raises `LibraryError`, also for more rows than `most` allows.

            rows = await ctx.library.sql.query("customers", "SELECT quota FROM users WHERE name = ?", [user])
        """

    async def execute(self, name: str, statement: str, values: Sequence[JSON] = ()) -> int:
        """Carry out a statement in a transaction of its own; gives how many rows it touched. Raises `LibraryError`,
        also for a database that is not `writable`.

            await ctx.library.sql.execute("customers", "UPDATE users SET seen = ? WHERE name = ?", [ctx.now, user])
        """


class TLS(Protocol):
    """Looking at how other servers protect mail; no message is sent."""

    async def probe(self, domain: str) -> tuple[TLSProbe, ...]:
        """Every host of a mail domain, in MX order, judged as a delivery would be; none where DNS says that the domain
        takes no mail. Raises `LibraryError`.

            weakest = {one.level for one in await ctx.library.tls.probe("example.org")}
        """


class Certificates(Protocol):
    """Reading certificates, and looking at those that servers show."""

    async def of(self, source: str | bytes) -> tuple[CertificateFacts, ...]:
        """The chain in a PEM text, a certificate in DER, or what an HTTPS host shows (`host` or `host:port`), the
        leaf first; nothing is verified. Raises `LibraryError`.

            (leaf, *_) = await ctx.library.certificates.of("api.example.org")
        """


class Files(Protocol):
    """File types and archives."""

    async def examine(self, octets: bytes, filename: str = "") -> FileFacts:
        """Look at octets; nothing is written and nothing unpacked beyond limits.

        Raises `LibraryError`.

            facts = await ctx.library.files.examine(part.content(), part.filename or "")
        """


class Secrets(Protocol):
    """Passwords and keys that are not in the policy's files."""

    def get(self, name: str) -> str:
        """The content of `[policy] secrets` NAME, without the final line end; traces do not show it. Raises
        `LibraryError`.

            headers = {"Authorization": "Bearer " + ctx.library.secrets.get("api")}
        """


class Measures(Protocol):
    """The script's own metrics: `danelaw_policy_counter_total{name=…}` and `danelaw_policy_gauge{name=…}`."""

    def count(self, name: str, by: float = 1.0) -> None:
        """Add to a counter.

        Raises `LibraryError` for a name that is none, or one too many.

            ctx.library.measures.count("banners")
        """

    def gauge(self, name: str, value: float) -> None:
        """Set a gauge.

        Raises `LibraryError` as `count` does.

            ctx.library.measures.gauge("backlog", 17)
        """


class Log(Protocol):
    """The gateway's log, one line per event, with the message's id and the hook's name added."""

    def event(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Something worth knowing, as the event `policy`.

        Raises nothing.

            ctx.library.log.event("held for review", sender=ctx.reverse_path, size=ctx.size)
        """

    def warning(self, text: str, **facts: str | int | float | bool | None) -> None:
        """Something somebody should look at, as the event `policy-warning`.

        Raises nothing.

            ctx.library.log.warning("the reputation service is away", seconds=5)
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """Everything together, as `ctx.library`."""

    dns: DNS
    http: HTTP
    callahead: CallAhead
    ldap: LDAP
    sql: SQL
    tls: TLS
    certificates: Certificates
    files: Files
    secrets: Secrets
    measures: Measures
    log: Log
    state: State
