"""One message of 150 MB in and out, by DATA and by BDAT, to one and to three recipients: how long, and how much memory.

    python bench/large.py [--megabytes 150]

The sink counts and keeps nothing. Memory is the gateway's own high-water mark above what it had at rest.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from relay import Load
from workplace import workplace

from gateway import Gateway

SINK_PORT, PORT = 2626, 2527
PIECE = (b"x" * 76 + b"\r\n") * 13_443  # about a megabyte of whole lines


def high_water_mib(pid: int) -> float:
    """The most memory a process has had, in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"process {pid} is gone")


class Client:
    """One connection that speaks just enough SMTP."""

    def __init__(self) -> None:
        self.socket = socket.create_connection(("127.0.0.1", PORT), 60)
        self._file = self.socket.makefile("rb")
        self.reply()

    def reply(self) -> None:
        """Read one reply; anything but success ends the benchmark."""
        line = b"---"
        while line[3:4] != b" ":
            line = self._file.readline()
        if line[:1] not in b"23":
            raise SystemExit(line.decode())

    def say(self, line: bytes) -> None:
        """One command, one reply."""
        self.socket.sendall(line + b"\r\n")
        self.reply()

    def message(self, recipients: int, pieces: int, chunked: bool) -> None:
        """One message of so many pieces."""
        self.say(b"EHLO client.test")
        self.say(b"MAIL FROM:<a@sender.test>")
        for number in range(recipients):
            self.say(b"RCPT TO:<u%d@sink.test>" % number)
        if not chunked:
            self.say(b"DATA")
        for _ in range(pieces):
            if chunked:
                self.socket.sendall(b"BDAT %d\r\n" % len(PIECE) + PIECE)
                self.reply()
            else:
                self.socket.sendall(PIECE)
        self.say(b"BDAT 0 LAST" if chunked else b".")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=150)
    options = parser.parse_args()
    with workplace("large") as directory:
        load = Load(options, directory, None)
        gateway = Gateway(directory / "danelaw", PORT, SINK_PORT, more='limits.message_size = "1G"\n')
        try:
            gateway.start()
            rest = high_water_mib(gateway.pid)
            for chunked in (False, True):
                for recipients in (1, 3):
                    before, started = load.count(), time.perf_counter()
                    Client().message(recipients, options.megabytes, chunked)
                    taken = time.perf_counter() - started
                    while load.count() == before and time.perf_counter() - started < 120:
                        time.sleep(0.02)
                    passed = time.perf_counter() - started
                    print(
                        f"  {'BDAT' if chunked else 'DATA'}, {recipients} recipients: 250 after {taken:4.1f} s, at the"
                        f" next hop after {passed:4.1f} s ({options.megabytes / passed:4.0f} MB/s), memory"
                        f" {high_water_mib(gateway.pid) - rest:+5.1f} MiB",
                        flush=True,
                    )
        finally:
            load.stop()
            gateway.stop()


if __name__ == "__main__":
    main()
