"""Mail from outside through a whole gateway, with and without finding out who sent it: CPU and messages per second.

    python -m bench.inbound [--messages N] [--clients N]

10 KB with one RSA-2048 signature; SPF, DKIM and DMARC pass with signed DNS from a lab, cached after the first message.
CPU is that of the gateway's process, SMTP, spool and delivery to a sink included.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from bench.authentication import published, signed
from bench.dkim import message
from bench.gateway import Gateway
from danelaw.address import Domain
from danelaw.dkim import PrivateKey, SigningKey
from danelaw.lab import Lab

_PROSE = b"Most mail is prose or base64: single spaces, lines that end without one.\r\n"
_AUTHOR = "sender.lab"
_TICKS = os.sysconf("SC_CLK_TCK")
_SINK = Path(__file__).with_name("sink.py")


def free_port() -> int:
    """A port nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def cpu(pid: int) -> float:
    """Seconds of CPU a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def client(port: int, octets: bytes, count: int) -> None:
    """Hand in messages one after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def reply(wanted: bytes) -> None:
        while (line := await reader.readline())[3:4] == b"-":
            pass
        if not line.startswith(wanted):
            raise SystemExit(f"the gateway said {line!r}")

    await reply(b"220")
    writer.write(f"EHLO mx.{_AUTHOR}\r\n".encode())
    await reply(b"250")
    for _ in range(count):
        writer.write(f"MAIL FROM:<anna@{_AUTHOR}>\r\nRCPT TO:<b@ours.test>\r\nDATA\r\n".encode())
        for wanted in (b"250", b"250", b"354"):
            await reply(wanted)
        writer.write(octets + b".\r\n")
        await reply(b"250")
    writer.write(b"QUIT\r\n")
    await reply(b"221")
    writer.close()


async def load(port: int, octets: bytes, count: int, clients: int) -> None:
    """All messages from several clients."""
    await asyncio.gather(*(client(port, octets, count // clients) for _ in range(clients)))


async def measured(directory: Path, more: str, octets: bytes, count: int, clients: int) -> tuple[float, float]:
    """(µs of CPU per message, messages per second)."""
    directory.mkdir()
    sink_port, port = free_port(), free_port()
    sink = subprocess.Popen([sys.executable, str(_SINK), str(sink_port), str(directory / "count")])
    gateway = Gateway(directory / "gateway", port, sink_port, more=more)
    text = gateway.config.read_text().replace('["127.0.0.0/8"]', '["192.0.2.0/24"]')
    gateway.config.write_text(text)
    try:
        await asyncio.to_thread(gateway.start)
        await load(port, octets, clients * 10, clients)
        await asyncio.sleep(1)
        begun, used = time.monotonic(), cpu(gateway.pid)
        await load(port, octets, count, clients)
        seconds = time.monotonic() - begun
        await asyncio.sleep(2)  # what is still on its way to the sink
        taken = struct.unpack_from("<Q", (directory / "count").read_bytes())[0]
        if taken < count:
            raise SystemExit(f"only {taken} messages reached the sink: was DMARC no pass?")
        return (cpu(gateway.pid) - used) / count * 1e6, count / seconds
    finally:
        await asyncio.to_thread(gateway.stop)
        sink.terminate()
        sink.wait(10)


async def run(count: int, clients: int) -> None:
    """Both, in one lab."""
    signer = SigningKey(Domain(_AUTHOR), "r", PrivateKey.from_key(rsa.generate_private_key(65537, 2048)))
    octets = signed(message(_PROSE).replace(b"anna@example.org", f"anna@{_AUTHOR}".encode()), signer)
    async with Lab((published(signer, client="127.0.0.0/8"),)) as lab:
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            (place / "anchor").write_text(lab.anchors_text)
            host, port = lab.name_server.address
            common = (
                f'resolver.servers = ["{host}:{port}"]\nresolver.anchor_file = "{place / "anchor"}"\n'
                '[[domain]]\nname = "ours.test"\n'
            )
            for name, more in (("as it comes", ""), ("SPF, DKIM, DMARC", "[authentication]\nenabled = true\n")):
                each, rate = await measured(
                    place / name.split(",")[0].replace(" ", "-"), common + more, octets, count, clients
                )
                print(f"{name:20} {each:7.0f} µs of CPU each   {rate:6.0f} messages/s")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    asyncio.run(run(arguments.messages, arguments.clients))


if __name__ == "__main__":
    main()
