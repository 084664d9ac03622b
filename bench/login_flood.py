"""A flood of guessed passwords: what does everybody else notice?

    python bench/login_flood.py [--guessers 100] [--seconds 15]

Guessers from many addresses, all ceilings and delays off (the worst case), each on a connection of its own and without
a pause. Beside them: a client that says NOOP a thousand times a second, a user whose password was right a minute ago
and logs in again and again, and one that has not logged in yet.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from pinger import Pinger
from processes import usage

from danelaw.sasl import ScryptKey, User, plain_response
from gateway import Gateway

PORT = 2588
PASSWORD = "correct horse battery"
SUBMISSION = """
[submission]
users = "users"
client_failures = "none"
user_failures = "none"
failure_delay = "0s"
"""


class Talk:
    """One connection, a line at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def begin(cls, source: str) -> Talk:
        """Connected, greeted, EHLO said."""
        talk = cls(*await asyncio.open_connection("127.0.0.1", PORT, local_addr=(source, 0)))
        await talk.say(b"")
        await talk.say(b"EHLO client.example\r\n")
        return talk

    async def say(self, line: bytes) -> bytes:
        """The last line of the answer."""
        self._writer.write(line)
        answer = b"250-"
        while answer[3:4] == b"-":
            answer = await self._reader.readline()
        return answer

    async def login(self, user: str, password: str) -> bytes:
        """The answer to AUTH PLAIN."""
        return await self.say(b"AUTH PLAIN " + base64.b64encode(plain_response(user, password)) + b"\r\n")

    def end(self) -> None:
        """Go without a word."""
        self._writer.transport.abort()


async def guess(number: int, count: dict[bytes, int]) -> None:
    """Guess for ever."""
    while True:
        talk = await Talk.begin(f"127.0.{2 + number // 200}.{1 + number % 200}")
        for attempt in range(3):
            answer = (await talk.login(f"user{number}", f"guess {attempt}"))[:3]
            count[answer] = count.get(answer, 0) + 1
            if answer == b"454":
                await asyncio.sleep(0.05)
        talk.end()


async def logins(user: str, seconds: float) -> list[float]:
    """Seconds of each login of a user, one after the other, sorted; a login put off counts until it succeeds."""
    taken = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        talk = await Talk.begin("127.0.0.1")
        began = time.perf_counter()
        while (answer := await talk.login(user, PASSWORD))[:3] != b"235":
            if answer[:3] != b"454":
                raise SystemExit(f"an honest user was refused: {answer!r}")
        taken.append(time.perf_counter() - began)
        talk.end()
        await asyncio.sleep(0.01)
    return sorted(taken)


def spread(seconds: list[float]) -> str:
    """p50 and p99 in milliseconds."""
    half, most = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return f"p50 {half * 1000:6.1f} ms   p99 {most * 1000:6.1f} ms   ({len(seconds)})"


async def measure(gateway: Gateway, pinger: Pinger, options: argparse.Namespace) -> None:
    """Alone, then in that company."""
    await logins("anna", 0.1)
    pinger.seen()
    for guessers in (0, options.guessers):
        count: dict[bytes, int] = {}
        flood = [asyncio.create_task(guess(number, count)) for number in range(guessers)]
        await asyncio.sleep(2)
        count.clear()
        before, began = usage([gateway.pid]), time.perf_counter()
        await asyncio.to_thread(pinger.seen)
        known = await logins("anna", options.seconds)
        pings = await asyncio.to_thread(pinger.seen)
        taken = time.perf_counter() - began
        cpu = (usage([gateway.pid]).cpu_seconds - before.cpu_seconds) / taken
        print(f"  beside {guessers} guessers:   gateway CPU {cpu * 100:.0f} % of one core")
        if guessers:
            rate = {code.decode(): f"{number / taken:.1f}/s" for code, number in sorted(count.items())}
            print(f"    guesses answered     {rate}")
        print(f"    NOOP                 {spread(pings)}")
        print(f"    known user logs in   {spread(known)}")
        if guessers:
            began = time.perf_counter()
            await logins("bert", 0.01)
            print(f"    new user logs in     after {time.perf_counter() - began:.1f} s")
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guessers", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=15.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-bench-") as directory:
        home = Path(directory) / "danelaw"
        gateway = Gateway(home, PORT, 9, more=SUBMISSION)
        text = gateway.config.read_text()
        listen = f'address = "127.0.0.1:{PORT}"'
        more = ', tls = "none", auth = "optional", auth_without_tls = true'
        gateway.config.write_text(text.replace(listen, listen + more))
        key = ScryptKey.of(PASSWORD, b"0123456789abcdef")
        (home / "users").write_text("".join(f"{User(name, key).to_text()}\n" for name in ("anna", "bert")))
        gateway.start()
        pinger = Pinger(PORT)
        try:
            pinger.start()
            uvloop.run(measure(gateway, pinger, options))
        finally:
            pinger.stop()
            gateway.stop()


if __name__ == "__main__":
    main()
