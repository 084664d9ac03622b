"""The library that scripts call, from plain data: no sockets, no waiting, and a clock that tests move.

    fake = FakeLibrary(
        dns=FakeDNS(insecure="example.org. MX 10 mx.example.org."),
        http={"GET https://api.example.org/v1?ip=192.0.2.1": {"score": 7}, "https://down.example.org/": 503},
        recipients={"anna@example.org": "accepted"},
        sql={"customers": "CREATE TABLE c (name, quota); INSERT INTO c VALUES ('anna', 5)"},
        ldap={"people": {"(mail=anna@example.org)": [{"uid": ["anna"]}]}},
        secrets={"api": "s3cret"},
    )
    hook_under_test(MessageContext(library=fake.library, …))
    assert fake.asked == [("http", "GET https://api.example.org/v1?ip=192.0.2.1")]

What is not declared is an error that names it, and stands in `missing`, so that a script that catches errors does not
hide it. An exception among the answers is raised. Files and certificates are read as they are in a gateway; state is
the gateway's own store, in memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias, cast
from urllib.parse import urlencode

import dns.name

from danelaw.filetypes import examine
from danelaw.net.ldap import filled, names_in
from danelaw.policy import (
    CertificateFacts,
    DNSAnswer,
    FileFacts,
    HTTPResponse,
    Library,
    LibraryError,
    RecipientAnswer,
    TLSProbe,
)
from danelaw.policy.notes import JSON
from danelaw.scripting.library.call import library_call
from danelaw.scripting.library.certificates import in_octets
from danelaw.scripting.library.dns import ResolverDNS
from danelaw.scripting.library.state import SharedState
from danelaw.testing.clock import FakeClock
from danelaw.testing.fakedns import FakeDNS
from danelaw.testing.lookup import FakeResolver
from danelaw.testing.shared import FakeSharedStore

HTTPAnswer: TypeAlias = HTTPResponse | Exception | int | str | bytes | dict[str, Any] | list[Any]
"""An answer, one that is raised, a status without body, text, octets, or what JSON has."""
Rows: TypeAlias = Sequence[Mapping[str, Any]] | int | Exception


class NotDeclared(LibraryError):
    """A test did not say what is to be answered."""


class FakeLibrary:
    """`library` is what a context is given; `asked` are the calls, `lines` what was logged, `counters` and `gauges`
    what was measured, `missing` what was asked and not declared.
    """

    def __init__(
        self,
        *,
        dns: FakeDNS | None = None,
        http: Mapping[str, HTTPAnswer] | None = None,
        recipients: Mapping[str, str | RecipientAnswer | Exception] | None = None,
        ldap: Mapping[str, Mapping[str, Sequence[Mapping[str, Sequence[str]]] | Exception]] | None = None,
        sql: Mapping[str, str | Mapping[str, Rows]] | None = None,
        tls: Mapping[str, Sequence[TLSProbe] | Exception] | None = None,
        certificates: Mapping[str, str | bytes | Exception] | None = None,
        secrets: Mapping[str, str] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        """HTTP by `"METHOD URL"` or URL alone; recipients by address, or `"address next-hop"`; LDAP by directory and
        filter with its values put in; SQL as a script that fills a database in memory, or as rows (or a count) by
        statement; certificates by host.
        """
        self.clock = clock or FakeClock()
        self.asked: list[tuple[str, str]] = []
        self.missing: list[str] = []
        self.lines: list[tuple[str, str, dict[str, object]]] = []
        self.counters: dict[str, float] = {}
        self.gauges: dict[str, float] = {}
        self.store = FakeSharedStore(self.clock)
        self.library = Library(
            dns=_DNS(self, dns or FakeDNS()),
            http=_HTTP(self, {} if http is None else http),
            callahead=_CallAhead(self, {} if recipients is None else recipients),
            ldap=_LDAP(self, ldap or {}),
            sql=_SQL(self, sql or {}),
            tls=_TLS(self, {} if tls is None else tls),
            certificates=_Certificates(self, {} if certificates is None else certificates),
            files=_Files(self, {}),
            secrets=_Secrets(self, {} if secrets is None else secrets),
            measures=_Measures(self, {}),
            log=_Log(self, {}),
            state=SharedState(self.store),
        )

    def answer(self, part: str, what: str, answers: Mapping[str, Any], *more: str) -> Any:
        """The answer declared for something, or for one of its other forms. Raises what is declared to be raised, and
        `NotDeclared`.
        """
        self.asked.append((part, what))
        for form in (what, *more):
            if form in answers:
                found = answers[form]
                if isinstance(found, Exception):
                    raise found
                return found
        raise self.undeclared(part, what)

    def undeclared(self, part: str, what: str) -> NotDeclared:
        """The error for something that was not declared, which is remembered."""
        self.missing.append(f"{part}: {what}")
        return NotDeclared(f"the test does not say what {part} answers to {what}", advice=f"declare it in {part}=")


class _Part:
    """One part, with what was declared for it."""

    def __init__(self, fake: FakeLibrary, declared: Any) -> None:
        self._fake = fake
        self._declared = declared


class _DNS(_Part):
    def __init__(self, fake: FakeLibrary, zone: FakeDNS) -> None:
        super().__init__(fake, zone)
        self._real = ResolverDNS(cast("Any", FakeResolver(zone)))

    def _check(self, what: str, name: str) -> None:
        self._fake.asked.append(("dns", what))
        try:
            known = self._declared.declares(dns.name.from_text(name))
        except Exception:  # no name at all: the real part says so
            return
        if not known:
            raise self._fake.undeclared("dns", what)

    @library_call("dns.lookup")
    async def lookup(self, name: str, type: str) -> DNSAnswer:
        self._check(f"{name} {type}", name)
        answer: DNSAnswer = await _unseen(ResolverDNS.lookup)(self._real, name, type)
        return answer

    @library_call("dns.addresses")
    async def addresses(self, name: str) -> tuple[str, ...]:
        self._check(f"{name} A, AAAA", name)
        found: tuple[str, ...] = await _unseen(ResolverDNS.addresses)(self._real, name)
        return found

    @library_call("dns.names")
    async def names(self, address: str) -> tuple[str, ...]:
        self._fake.asked.append(("dns", f"{address} PTR"))
        found: tuple[str, ...] = await _unseen(ResolverDNS.names)(self._real, address)
        return found

    @library_call("dns.listed")
    async def listed(self, subject: str, zone: str) -> tuple[str, ...]:
        self._check(f"{subject} in {zone}", zone)
        found: tuple[str, ...] = await _unseen(ResolverDNS.listed)(self._real, subject, zone)
        return found


def _unseen(method: Any) -> Any:
    """A method of the gateway's part without what traces it: the call is in the trace once already."""
    return method.__wrapped__


class _HTTP(_Part):
    @library_call("http.request", hides=frozenset({"headers"}))
    async def request(
        self, method: str, url: str, *, query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None, body: bytes = b"", json: JSON = None, seconds: float = 5.0,
        max_octets: int = 1 << 20,
    ) -> HTTPResponse:  # fmt: skip
        answer = self._answer(method, url, query)
        if len(answer.body) > max_octets:
            raise LibraryError(f"the answer is larger than {max_octets} octets")
        return answer

    @library_call("http.get", hides=frozenset({"headers"}))
    async def get(
        self, url: str, *, query: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None,
        seconds: float = 5.0,
    ) -> HTTPResponse:  # fmt: skip
        return self._answer("GET", url, query)

    @library_call("http.post", hides=frozenset({"headers"}))
    async def post(
        self, url: str, *, json: JSON = None, body: bytes = b"", headers: Mapping[str, str] | None = None,
        seconds: float = 5.0,
    ) -> HTTPResponse:  # fmt: skip
        return self._answer("POST", url, None)

    def _answer(self, method: str, url: str, query: Mapping[str, str] | None) -> HTTPResponse:
        if query:
            url += ("&" if "?" in url else "?") + urlencode(query)
        return _response(self._fake.answer("http", f"{method.upper()} {url}", self._declared, url))


def _response(found: Any) -> HTTPResponse:
    import json

    match found:
        case HTTPResponse():
            return found
        case int():
            return HTTPResponse(found, {}, b"")
        case str():
            return HTTPResponse(200, {"content-type": "text/plain; charset=utf-8"}, found.encode())
        case bytes():
            return HTTPResponse(200, {"content-type": "application/octet-stream"}, found)
    return HTTPResponse(200, {"content-type": "application/json"}, json.dumps(found).encode())


class _CallAhead(_Part):
    @library_call("callahead.verify")
    async def verify(self, address: str, next_hop: str = "") -> RecipientAnswer:
        asked = f"{address} {next_hop}".strip()
        found = self._fake.answer("recipients", asked, self._declared, address)
        return found if isinstance(found, RecipientAnswer) else RecipientAnswer(found)


class _LDAP(_Part):
    @library_call("ldap.search")
    async def search(
        self, name: str, filter: str, values: Mapping[str, str] | None = None, *, attributes: Sequence[str] = ()
    ) -> list[dict[str, list[str]]]:
        missing = names_in(filter) - (values or {}).keys()
        if missing:
            raise LibraryError(f"the filter wants values for {', '.join(sorted(missing))}")
        whole = filled(filter, values or {})
        entries = self._fake.answer("ldap", f"{name} {whole}", _flat(self._declared))
        return [{key.lower(): list(held) for key, held in entry.items()} for entry in entries]


class _SQL(_Part):
    def __init__(self, fake: FakeLibrary, declared: Mapping[str, str | Mapping[str, Rows]]) -> None:
        super().__init__(fake, _flat({name: one for name, one in declared.items() if not isinstance(one, str)}))
        self._filled = {name: _Filled(script) for name, script in declared.items() if isinstance(script, str)}

    @library_call("sql.query")
    async def query(self, name: str, statement: str, values: Sequence[JSON] = ()) -> list[dict[str, Any]]:
        if name in self._filled:
            self._fake.asked.append(("sql", f"{name} {statement}"))
            return self._filled[name].query(statement, values)
        return [dict(row) for row in self._fake.answer("sql", f"{name} {statement}", self._declared)]

    @library_call("sql.execute")
    async def execute(self, name: str, statement: str, values: Sequence[JSON] = ()) -> int:
        if name in self._filled:
            self._fake.asked.append(("sql", f"{name} {statement}"))
            return self._filled[name].execute(statement, values)
        found = self._fake.answer("sql", f"{name} {statement}", self._declared)
        return found if isinstance(found, int) else len(found)


class _Filled:
    """A database in memory."""

    def __init__(self, script: str) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.executescript(script)

    def __del__(self) -> None:
        self._connection.close()

    def query(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        cursor = self._within(statement, values)
        columns = [column[0] for column in cursor.description or ()]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]

    def execute(self, statement: str, values: Sequence[Any]) -> int:
        return max(0, self._within(statement, values).rowcount)

    def _within(self, statement: str, values: Sequence[Any]) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, tuple(values))
        except sqlite3.Error as error:
            raise LibraryError(f"the database says: {error}") from None


class _TLS(_Part):
    @library_call("tls.probe")
    async def probe(self, domain: str) -> tuple[TLSProbe, ...]:
        return tuple(self._fake.answer("tls", domain, self._declared))


class _Certificates(_Part):
    @library_call("certificates.of")
    async def of(self, source: str | bytes) -> tuple[CertificateFacts, ...]:
        found = in_octets(source)
        if found is None:
            found = in_octets(self._fake.answer("certificates", str(source), self._declared))
        assert found is not None
        return found


class _Files(_Part):
    @library_call("files.examine")
    async def examine(self, octets: bytes, filename: str = "") -> FileFacts:
        return examine(octets, filename)


class _Secrets(_Part):
    @library_call("secrets.get", hides_result=True)
    def get(self, name: str) -> str:
        return str(self._fake.answer("secrets", name, self._declared))


class _Measures(_Part):
    @library_call("measures.count")
    def count(self, name: str, by: float = 1.0) -> None:
        self._fake.counters[name] = self._fake.counters.get(name, 0.0) + by

    @library_call("measures.gauge")
    def gauge(self, name: str, value: float) -> None:
        self._fake.gauges[name] = value


class _Log(_Part):
    @library_call("log.event")
    def event(self, text: str, **facts: str | int | float | bool | None) -> None:
        self._fake.lines.append(("event", text, dict(facts)))

    @library_call("log.warning")
    def warning(self, text: str, **facts: str | int | float | bool | None) -> None:
        self._fake.lines.append(("warning", text, dict(facts)))


def _flat(declared: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Answers by name and what is asked there, in one."""
    return {f"{name} {what}": answer for name, one in declared.items() for what, answer in one.items()}
