"""With workers the control process answers, and a killed one is replaced."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import pytest
from tests.ends import run
from tests.reliability.workers_running import served, settings


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def asked(port: int, target: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.slow
def test_the_control_process_answers(tmp_path: Path) -> None:
    async def play() -> None:
        port, numbers = free_port(), free_port()
        more = f'[safety]\nlisten = "127.0.0.1:{port}"\nallow = ["127.0.0.1"]\n[http]\nlisten = "127.0.0.1:{numbers}"\n'
        async with served(settings(tmp_path, more, workers=1)) as gateway:
            answer = await asked(port, "/v1/safety?domain=example.org&deadline=100ms")
            assert b"200 OK" in answer
            assert b'"level":' in answer
            assert b"401 Unauthorized" not in answer
            assert b"danelaw_safety_answers_total{" in await asked(numbers, "/metrics")
            await gateway.stop()

    run(play())
