"""LMTP: a reply for each recipient, and whatever the server does, an end for everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.carriers.test_carriers_maildir import MESSAGE, parcel
from tests.ends import run

from danelaw.carriers import LMTP, CarrierDown, Given, Parcel, Result
from fuzz import carriers_lmtp

OFFERS = "250-boxes\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SIZE\r\n250 ENHANCEDSTATUSCODES\r\n"
Answer = Callable[[str, str], str | None]


class Boxes:
    """An LMTP server on a Unix socket. `answer(verb, line)` may give other replies, an empty one to close; after the
    message it is asked for each recipient, as verb `DOT`.
    """

    def __init__(self, path: Path, answer: Answer = lambda verb, line: None, offers: str = OFFERS) -> None:
        self.path = path
        self.answer = answer
        self.offers = offers
        self.lines: list[str] = []
        self.data: list[bytes] = []

    async def __aenter__(self) -> Boxes:
        self._server = await asyncio.start_unix_server(self._serve, self.path)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken: list[str] = []

        def say(verb: str, line: str, usual: str) -> str:
            said = self.answer(verb, line)
            writer.write((usual if said is None else said).encode())
            if said == "":
                raise ConnectionResetError
            return usual if said is None else said

        say("GREETING", "", "220 boxes LMTP\r\n")
        while line := (await reader.readline()).decode().rstrip("\r\n"):
            self.lines.append(line)
            verb = line.split(" ")[0]
            if verb == "RCPT" and say(verb, line, "250 2.1.5 fine\r\n").startswith("2"):
                taken.append(line)
            elif verb == "DATA" and say(verb, line, "354 go\r\n").startswith("354"):
                self.data.append(await reader.readuntil(b"\r\n.\r\n"))
                for one in taken:
                    say("DOT", one, "250 2.0.0 saved\r\n")
            elif verb == "LHLO":
                say(verb, line, self.offers)
            elif verb in ("MAIL", "QUIT"):
                say(verb, line, "250 2.1.0 fine\r\n")


def carried(boxes: Boxes, one: Parcel, seconds: float = 20.0) -> dict[int, Given]:
    async def play() -> dict[int, Given]:
        async with boxes:
            return dict(await LMTP("boxes", "gw.test", path=str(boxes.path), seconds=seconds).carry(one))

    return run(play())


def test_each_recipient_has_its_own_reply_to_the_message(tmp_path: Path) -> None:
    def answer(verb: str, line: str) -> str | None:
        if verb == "DOT":
            return {"b": "452 4.2.2 full\r\n", "c": "550 5.7.1 no\r\n"}.get(line[9])
        return "550 5.1.1 nobody\r\n" if verb == "RCPT" and "<d" in line else None

    boxes = Boxes(tmp_path / "s", answer)
    ends = carried(boxes, parcel("a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"))
    assert [(end.result, end.status) for _, end in sorted(ends.items())] == [
        (Result.DELIVERED, "2.0.0"),
        (Result.LATER, "4.2.2"),
        (Result.REFUSED, "5.7.1"),
        (Result.REFUSED, "5.1.1"),
        (Result.DELIVERED, "2.0.0"),
    ]
    assert boxes.lines[:2] == ["LHLO gw.test", f"MAIL FROM:<bob@shop.example> SIZE={len(MESSAGE)} BODY=8BITMIME"]
    assert boxes.data == [MESSAGE.replace(b"\r\n.", b"\r\n..") + b".\r\n"]


@pytest.mark.parametrize(
    ("verb", "reply", "result"),
    [
        ("MAIL", "451 4.3.0 later\r\n", Result.LATER),
        ("MAIL", "550 no\r\n", Result.REFUSED),
        ("DATA", "451 4.3.0 later\r\n", Result.LATER),
        ("DATA", "554 5.6.0 no\r\n", Result.REFUSED),
        ("RCPT", "nonsense\r\n", Result.LATER),
        ("RCPT", "", Result.LATER),
        ("DATA", "", Result.LATER),
        ("DOT", "", Result.LATER),
        ("DOT", "250 fine\n", Result.LATER),
    ],
)
def test_whatever_the_server_does_everybody_has_an_end(tmp_path: Path, verb: str, reply: str, result: Result) -> None:
    boxes = Boxes(tmp_path / "s", lambda said, line: reply if said == verb else None)
    ends = carried(boxes, parcel("a@x.test", "b@x.test"))
    assert {end.result for end in ends.values()} == {result}
    assert ("it may arrive twice" in ends[0].reason) == (verb == "DOT")


@pytest.mark.parametrize(
    ("verb", "reply"), [("GREETING", "421 busy\r\n"), ("GREETING", "554 no\r\n"), ("LHLO", "500 what\r\n")]
)
def test_a_server_that_takes_nobodys_mail_is_down(tmp_path: Path, verb: str, reply: str) -> None:
    with pytest.raises(CarrierDown, match=reply[:3]):
        carried(Boxes(tmp_path / "s", lambda said, line: reply if said == verb else None), parcel())


def test_a_socket_that_is_not_there_is_down(tmp_path: Path) -> None:
    async def play() -> None:
        with pytest.raises(CarrierDown, match="no connection to"):
            await LMTP("boxes", "gw.test", path=str(tmp_path / "none")).carry(parcel())
        with pytest.raises(CarrierDown, match="no connection to"):
            await LMTP("boxes", "gw.test", host="127.0.0.1", port=9).carry(parcel())

    run(play())


def test_a_server_that_says_nothing_costs_its_time(tmp_path: Path) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def play() -> None:
        server = await asyncio.start_unix_server(silent, tmp_path / "s")
        ends = await LMTP("boxes", "gw.test", path=str(tmp_path / "s"), seconds=0.2).carry(parcel())
        server.close()
        await server.wait_closed()
        assert (ends[0].result, "no answer within 0.2 s" in ends[0].reason) == (Result.LATER, True)

    run(play())


def test_an_internationalised_address_goes_only_where_it_is_taken(tmp_path: Path) -> None:
    ends = carried(Boxes(tmp_path / "s"), parcel("bücher@x.test", "a@x.test"))
    assert (ends[0].status, ends[1].result) == ("5.6.7", Result.DELIVERED)
    boxes = Boxes(tmp_path / "t", offers=OFFERS.replace("250-SIZE", "250-SMTPUTF8"))
    assert carried(boxes, parcel("bücher@x.test"))[0].result is Result.DELIVERED
    assert boxes.lines[1].endswith("SMTPUTF8")


def test_a_bare_line_feed_is_never_sent(tmp_path: Path) -> None:
    boxes = Boxes(tmp_path / "s")
    end = carried(boxes, parcel(content=b"a\nb\r\n"))[0]
    assert (end.result, end.status) == (Result.REFUSED, "5.6.0")
    assert boxes.data == []


def test_a_large_message_is_sent_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "body"
    path.write_bytes(MESSAGE * 40_000)
    boxes = Boxes(tmp_path / "s")
    boxes_limit = asyncio.streams._DEFAULT_LIMIT  # type: ignore[attr-defined]
    assert boxes_limit < len(MESSAGE) * 40_000

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._limit = 1 << 30  # type: ignore[attr-defined]
        await boxes._serve(reader, writer)

    async def play() -> None:
        server = await asyncio.start_unix_server(serve, boxes.path)
        ends = await LMTP("boxes", "gw.test", path=str(boxes.path)).carry(parcel(content=path))
        server.close()
        await server.wait_closed()
        assert ends[0].result is Result.DELIVERED

    run(play())
    assert boxes.data[0].replace(b"\r\n..", b"\r\n.") == MESSAGE * 40_000 + b".\r\n"


replies = st.sampled_from(
    [b"220 hi", b"250 ok", b"250-more", b"354 go", b"451 4.3.0 no", b"550 5.1.1 no", b"x", b"\xff"]
)


@given(st.lists(replies, max_size=12).map(lambda lines: b"".join(line + b"\r\n" for line in lines)) | st.binary())
def test_the_fuzz_target_runs_on_anything(data: bytes) -> None:
    carriers_lmtp.test_one_input(data)
