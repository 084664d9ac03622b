"""HTTP: the status says what became of a message, and a message that comes twice can be known."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from tests.carriers.test_carriers_maildir import MESSAGE, parcel
from tests.ends import run

from danelaw.carriers import CarrierDown, Given, Parcel, Post, Result
from danelaw.carriers.post import LONGEST_ENVELOPE, portions
from danelaw.carriers.retryafter import LONGEST, seconds_of

NOW = 1_795_000_000.0


class Service:
    """Answers as told, and remembers what it was sent."""

    def __init__(self, answer: Callable[[int], web.Response] = lambda count: web.Response(text="fine")) -> None:
        self.answer = answer
        self.requests: list[tuple[dict[str, str], bytes]] = []

    async def __aenter__(self) -> Service:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/mail", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.read()))
        return self.answer(len(self.requests))


async def nowhere(host: str) -> Sequence[str]:
    raise AssertionError(host)


def post(port: int, **more: object) -> Post:
    return Post("desk", f"http://127.0.0.1:{port}/mail", nowhere, None, lambda: NOW, **more)  # type: ignore[arg-type]


def carried(service: Service, one: Parcel, **more: object) -> dict[int, Given]:
    async def play() -> dict[int, Given]:
        async with service:
            carrier = post(service.port, **more)
            try:
                return dict(await carrier.carry(one))
            finally:
                await carrier.close()

    return run(play())


def test_the_message_is_the_body_and_its_envelope_beside_it() -> None:
    service = Service()
    ends = carried(service, parcel("anna@example.org", "bücher@example.org"), token="secret")
    assert ends[0] == ends[1] == Given(Result.DELIVERED, "2.0.0", "HTTP 200 fine", ends[0].reason)
    [(fields, body)] = service.requests
    assert body == MESSAGE
    assert json.loads(fields["Danelaw-Envelope"]) == {
        "id": "1abc",
        "from": "bob@shop.example",
        "to": ["anna@example.org", "bücher@example.org"],
    }
    assert fields["Idempotency-Key"] == '"1abc-0-1"'
    assert fields["Authorization"] == "Bearer secret"
    assert fields["Content-Type"] == "message/rfc822"
    assert fields["Content-Length"] == str(len(MESSAGE))


@pytest.mark.parametrize(
    ("status", "result", "enhanced"),
    [
        (200, Result.DELIVERED, "2.0.0"),
        (204, Result.DELIVERED, "2.0.0"),
        (301, Result.LATER, "4.3.0"),
        (400, Result.REFUSED, "5.6.0"),
        (403, Result.REFUSED, "5.7.1"),
        (404, Result.REFUSED, "5.1.1"),
        (408, Result.LATER, "4.3.0"),
        (413, Result.REFUSED, "5.3.4"),
        (418, Result.REFUSED, "5.0.0"),
        (425, Result.LATER, "4.3.0"),
        (429, Result.LATER, "4.3.0"),
        (500, Result.LATER, "4.3.0"),
        (503, Result.LATER, "4.3.0"),
    ],
)
def test_the_status_decides_and_redirects_are_not_followed(status: int, result: Result, enhanced: str) -> None:
    headers = {"Location": "http://127.0.0.1:9/elsewhere"} if status == 301 else {}
    service = Service(lambda count: web.Response(status=status, headers=headers))
    end = carried(service, parcel())[0]
    assert (end.result, end.status) == (result, enhanced)
    assert len(service.requests) == 1


def test_retry_after_is_kept_to() -> None:
    end = carried(Service(lambda count: web.Response(status=503, headers={"Retry-After": "600"})), parcel())[0]
    assert end.wait == 600.0


def test_an_answer_is_read_no_further_than_it_is_looked_at() -> None:
    end = carried(Service(lambda count: web.Response(status=400, text="no\x07 way\n" + "x" * 1_000_000)), parcel())[0]
    assert end.reply == "HTTP 400 no way"


def test_a_large_message_is_sent_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(MESSAGE * 50_000)
    one = parcel(content=path)
    large = Parcel(**{name: getattr(one, name) for name in Parcel.__slots__} | {"size": len(MESSAGE) * 50_000})
    service = Service()
    assert carried(service, large)[0].result is Result.DELIVERED
    assert service.requests[0][1] == MESSAGE * 50_000


def test_many_recipients_go_in_several_requests_and_the_first_failure_is_theirs_alone() -> None:
    addresses = [f"{'x' * 50}{number}@example.org" for number in range(300)]
    service = Service(lambda count: web.Response(status=200 if count == 1 else 400))
    ends = carried(service, parcel(*addresses))
    assert len(service.requests) > 2
    assert sorted(ends) == list(range(300))
    first = len(json.loads(service.requests[0][0]["Danelaw-Envelope"])["to"])
    assert [end.result for end in ends.values()] == [Result.DELIVERED] * first + [Result.REFUSED] * (300 - first)


@given(st.lists(st.text(min_size=1, max_size=250), max_size=60))
def test_portions_fit_and_leave_nobody_out(addresses: list[str]) -> None:
    one = parcel(*addresses) if addresses else parcel()
    found = list(portions(one))
    assert [addressee for portion in found for addressee in portion] == list(one.addressees)
    for portion in found:
        envelope = json.dumps({"id": one.id, "from": one.reverse_path, "to": [item.address for item in portion]})
        assert len(portion) == 1 or len(envelope) <= LONGEST_ENVELOPE + 3 * len(portion) + 10


def test_a_service_that_cannot_be_reached_is_down() -> None:
    async def play() -> None:
        carrier = post(9)
        with pytest.raises(CarrierDown, match=r"no connection to 127\.0\.0\.1:9"):
            await carrier.carry(parcel())
        await carrier.close()

    run(play())


def test_a_service_that_does_not_answer_costs_its_time() -> None:
    async def play() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()  # until the client hangs up
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        carrier = post(server.sockets[0].getsockname()[1], seconds=0.2)
        ends = await carrier.carry(parcel())
        await carrier.close()
        server.close()
        await server.wait_closed()
        assert ends[0] == Given(Result.LATER, "4.4.2", "", "no answer within 0.2 s")

    run(play())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("999999999", LONGEST),
        ("Wed, 18 Nov 2026 15:06:40 GMT", 6400.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    if seconds == 6400.0:
        from datetime import UTC, datetime

        seconds = datetime(2026, 11, 18, 15, 6, 40, tzinfo=UTC).timestamp() - NOW
        seconds = max(0.0, seconds)
    assert seconds_of(value, NOW) == seconds


@given(st.text(max_size=80))
def test_any_retry_after_is_a_bounded_time_or_none(value: str) -> None:
    found = seconds_of(value, NOW)
    assert found is None or 0.0 <= found <= LONGEST
