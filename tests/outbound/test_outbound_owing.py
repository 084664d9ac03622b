"""A message with very many recipients gets few notices, whatever is killed in between."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Client, Sink, Taken, gateway, run, until
from tests.reliability.workers_running import served, settings

from danelaw.dsn import Action, DSNRecipient
from danelaw.outbound.owing import MOST, PATIENCE, QUIET, Gathering, from_words, to_words

MANY = "[limits]\nrecipients = 5000\n"


def refuse(verb: str, line: str, connection: int) -> str | None:
    return "550 5.1.1 no such user" if verb == "RCPT" and "<never" in line else None


def notices(sink: Sink) -> list[Taken]:
    return [one for one in sink.taken if one.mail.startswith("MAIL FROM:<>")]


def told(sink: Sink) -> list[int]:
    """The numbers in the addresses of all recipients that notices name."""
    return sorted(
        int(number) for one in notices(sink) for number in re.findall(rb"Final-Recipient: rfc822;never(\d+)@", one.data)
    )


async def send(address: tuple[str, int], names: list[str]) -> None:
    async with await Client.connect(address) as client:
        await client.greeted()
        await client.expect(250, "MAIL FROM:<anna@sender.test>")
        for first in range(0, len(names), 100):
            chosen = names[first : first + 100]
            client.send(b"".join(b"RCPT TO:<%b@x.test>\r\n" % name.encode() for name in chosen))
            for _ in chosen:
                await client.expect(250)
        await client.expect(354, "DATA")
        client.send(b"Subject: to everybody\r\n\r\nx\r\n.\r\n")
        await client.expect(250)


def test_two_thousand_refused_recipients_are_one_notice(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink(refuse) as sink, gateway(tmp_path, MANY + sink.smarthost) as running:
            await send(running.address, [f"never{number}" for number in range(2000)])
            await until(lambda: len(told(sink)) >= 2000, "the notice")
            assert told(sink) == list(range(2000))
            assert len(notices(sink)) == 1

    run(play())


@pytest.mark.slow
def test_kills_lose_no_word_and_repeat_none(tmp_path: Path) -> None:
    """Killed amid its parts and between the last of them and the notice; what the notices name is each once."""

    async def play() -> None:
        async with Sink(refuse) as sink:
            config = settings(tmp_path, MANY + sink.smarthost, workers=0)
            for refused in (0, 400, 1200, 2000):
                async with served(config) as running:
                    if not refused:
                        await send(running.address, [f"never{number}" for number in range(2000)])
                        refused = 100
                    await until(lambda least=refused: len(set(sink.said("RCPT"))) >= least, f"{refused} refused")  # type: ignore[misc]
                    # leaving the block is kill -9
            assert not told(sink)
            async with served(config):
                await until(lambda: len(told(sink)) >= 2000, "the notices")
        assert told(sink) == list(range(2000))
        assert len(notices(sink)) <= 2

    run(play())


@given(
    st.lists(st.tuples(st.floats(0, 100), st.integers(0, 3000), st.booleans()), max_size=60),
    st.integers(0, 20),
)
def test_whoever_waits_is_told_in_time_and_seldom(steps: list[tuple[float, int, bool]], before: int) -> None:
    now, gathering = 0.0, Gathering(0.0, 0.0, 1, before)
    longest = min(3600.0, PATIENCE * 2.0**before)
    for seconds, count, under_way in steps:
        now += seconds
        due = gathering.due(now, under_way=under_way)
        assert due or now - gathering.first < longest
        assert due or gathering.count < MOST
        assert not due or gathering.count >= MOST or now - gathering.last >= QUIET or now - gathering.first >= longest
        if due:
            gathering = Gathering(now, now, 0, gathering.told)
        gathering.add(count, now)


def test_it_waits_for_parts_under_way_and_longer_each_time() -> None:
    gathering = Gathering(0.0, 0.0, 5)
    assert not gathering.due(QUIET - 0.1, under_way=False)
    assert gathering.due(QUIET, under_way=False)
    assert not gathering.due(PATIENCE - 0.1, under_way=True)
    assert gathering.due(PATIENCE, under_way=True)
    gathering.told = 1
    assert not gathering.due(2 * QUIET - 0.1, under_way=False)
    assert not gathering.due(2 * PATIENCE - 0.1, under_way=True)
    gathering.add(MOST, 1.0)
    assert gathering.due(1.0, under_way=True)


@given(
    st.builds(
        DSNRecipient,
        address=st.text(st.characters(categories=("L", "N")), min_size=1, max_size=40).map(
            lambda name: f"{name}@x.test"
        ),
        action=st.just(Action.FAILED),
        status=st.sampled_from(["5.1.1", "4.4.7"]),
        reason=st.text(max_size=80),
        orcpt=st.none() | st.text(max_size=40),
        diagnostic=st.none() | st.text(max_size=80),
        last_attempt=st.none() | st.floats(0, 4e9),
    )
)
def test_what_is_owed_is_read_as_it_was(recipient: DSNRecipient) -> None:
    assert from_words(to_words(recipient)) == recipient
