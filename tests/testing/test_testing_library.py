"""The library from plain data: it answers as the real one, and what was not declared is an error."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import pytest
from tests.ends import run

from danelaw.lab.certificates import Authorities
from danelaw.policy import HTTPResponse, Library, LibraryError, RecipientAnswer, TLSProbe
from danelaw.scripting.calling import CALLING, Calling
from danelaw.testing import FakeDNS
from danelaw.testing.library import FakeLibrary, NotDeclared

PROBE = TLSProbe("mx.example.org", "192.0.2.1", "dane", "DANE", True, "TLSv1.3")


def fake() -> FakeLibrary:
    return FakeLibrary(
        dns=FakeDNS(secure="example.org. MX 10 mx.example.org.\nmx.example.org. A 192.0.2.1").fail("down.example"),
        http={
            "GET https://api.test/v1?ip=192.0.2.1&x=a+b": {"score": 7},
            "https://api.test/text": "grün",
            "https://api.test/down": 503,
            "https://api.test/away": LibraryError("away"),
            "POST https://api.test/full": HTTPResponse(201, {"location": "/1"}, b"x" * 100),
        },
        recipients={
            "anna@example.org": "accepted",
            "bob@example.org [192.0.2.9]": RecipientAnswer("refused", "550 no"),
        },
        ldap={"people": {"(uid=a\\2a)": [{"memberOf": ["x"]}], "(uid=b)": []}},
        sql={
            "customers": "CREATE TABLE c (name, quota); INSERT INTO c VALUES ('anna', 5)",
            "other": {"SELECT 1": [{"one": 1}], "DELETE": 3},
        },
        tls={"example.org": (PROBE,)},
        certificates={"api.test": Authorities(time.time()).public.issue(("api.test",)).chain_pem},
        secrets={"api": "s3cret"},
    )


def test_each_part_answers_what_was_declared() -> None:
    async def play() -> None:
        made = fake()
        library = made.library
        found = await library.dns.lookup("example.org", "MX")
        assert (found.records, found.is_secure) == (("10 mx.example.org.",), True)
        assert not (await library.dns.lookup("none.example.org", "A")).exists
        assert await library.dns.addresses("mx.example.org") == ("192.0.2.1",)
        got = await library.http.get("https://api.test/v1", query={"ip": "192.0.2.1", "x": "a b"})
        assert got.json() == {"score": 7}
        assert (await library.http.get("https://api.test/text")).text == "grün"
        assert (await library.http.post("https://api.test/down", json={})).status == 503
        assert (await library.http.post("https://api.test/full")).headers == {"location": "/1"}
        assert (await library.callahead.verify("anna@example.org")).answer == "accepted"
        assert (await library.callahead.verify("bob@example.org", "[192.0.2.9]")).reply == "550 no"
        assert await library.ldap.search("people", "(uid={u})", {"u": "a*"}) == [{"memberof": ["x"]}]
        assert await library.ldap.search("people", "(uid=b)") == []
        assert await library.sql.execute("customers", "UPDATE c SET quota = ?", (6,)) == 1
        assert await library.sql.query("customers", "SELECT quota FROM c") == [{"quota": 6}]
        assert await library.sql.query("other", "SELECT 1") == [{"one": 1}]
        assert await library.sql.execute("other", "DELETE") == 3
        assert await library.tls.probe("example.org") == (PROBE,)
        assert (await library.certificates.of("api.test"))[0].names == ("api.test",)
        assert (await library.files.examine(b"%PDF-")).type == "application/pdf"
        assert library.secrets.get("api") == "s3cret"
        library.measures.count("seen")
        library.measures.count("seen", 2)
        library.measures.gauge("level", 1.5)
        library.log.event("hello", n=1)
        library.log.warning("oh")
        assert (made.counters, made.gauges) == ({"seen": 3.0}, {"level": 1.5})
        assert made.lines == [("event", "hello", {"n": 1}), ("warning", "oh", {})]
        assert ("http", "POST https://api.test/down") in made.asked
        assert not made.missing

    run(play())


def test_state_is_real_and_its_time_moves_with_the_clock() -> None:
    async def play() -> None:
        made = fake()
        counter = made.library.state.counter("c")
        assert await counter.add("k", expires=60) == 1
        made.clock.advance(61)
        made.store.look()
        assert await counter.get("k") == 0

    run(play())


@pytest.mark.parametrize(
    ("ask", "missing"),
    [
        (lambda library: library.dns.lookup("other.test", "A"), "dns: other.test A"),
        (lambda library: library.dns.listed("192.0.2.1", "list.test"), "dns: 192.0.2.1 in list.test"),
        (lambda library: library.http.get("https://other.test/"), "http: GET https://other.test/"),
        (lambda library: library.callahead.verify("x@y.test"), "recipients: x@y.test"),
        (lambda library: library.ldap.search("people", "(uid=c)"), "ldap: people (uid=c)"),
        (lambda library: library.sql.query("other", "SELECT 2"), "sql: other SELECT 2"),
        (lambda library: library.sql.execute("none", "X"), "sql: none X"),
        (lambda library: library.tls.probe("other.test"), "tls: other.test"),
        (lambda library: library.certificates.of("other.test"), "certificates: other.test"),
    ],
)
def test_what_is_not_declared_is_an_error_that_names_it(
    ask: Callable[[Library], Awaitable[object]], missing: str
) -> None:
    async def play() -> None:
        made = fake()
        with pytest.raises(NotDeclared) as raised:
            await ask(made.library)
        assert made.missing == [missing]
        assert missing.partition(": ")[2] in str(raised.value)

    run(play())


def test_failures_are_those_of_the_real_library() -> None:
    async def play() -> None:
        library = fake().library
        for ask in (
            library.dns.lookup("down.example", "A"),
            library.http.get("https://api.test/away"),
            library.http.request("POST", "https://api.test/full", max_octets=99),
            library.ldap.search("people", "(uid={u})"),
            library.sql.query("customers", "SELEKT"),
            library.certificates.of(b"octets"),
        ):
            with pytest.raises(LibraryError) as raised:
                await ask
            assert not isinstance(raised.value, NotDeclared)
        with pytest.raises(NotDeclared):
            library.secrets.get("other")

    run(play())


def test_calls_are_seen_by_traces() -> None:
    async def play() -> None:
        CALLING.set(calling := Calling("hook", "", []))
        await fake().library.http.get("https://api.test/text")
        assert calling.calls is not None
        assert [call.name for call in calling.calls] == ["http.get"]

    run(play())
