"""How long signing and verifying take, beside dkimpy in the same run, and what a 25 MB body costs.

    python -m bench.dkim [--messages N]

CPU time (`time.process_time`) per message of 10 KB, header splitting included, RSA of 2048 bits, relaxed/relaxed; the
key is in memory on both sides. dkimpy is measured when it can be imported, or by the interpreter DANELAW_DKIMPY names.
Then canonicalization of 25 MB in pieces of 64 KiB: seconds, and the peak of memory beyond the body.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from danelaw.address import Domain
from danelaw.dkim import BodyCanonicalizer, Canonicalization, DKIMVerification, PrivateKey, SigningKey, sign
from danelaw.message import Header
from danelaw.testing import FakeDNS, run_lookup

_NOW = 1_790_000_000.0
_LINE = b"The quick  brown fox jumps over the lazy dog, and the dog does not mind.  \r\n"
_PROSE = b"Most mail is prose or base64: single spaces, lines that end without one.\r\n"
_SIZE = 25 << 20
_PIECE = 1 << 16

# Runs in the other interpreter: the same message, key and record, the same count.
_DKIMPY = """
import json, sys, time
import dkim
task = json.load(sys.stdin)
message, key, record = (task[name].encode() for name in ("message", "key", "record"))
txt = lambda name, timeout=5: record
def measure(act):
    act()
    start = time.process_time()
    for _ in range(task["count"]):
        act()
    return (time.process_time() - start) / task["count"] * 1e6
signed = dkim.sign(message, b"r", b"example.org", key) + message
ways = (b"relaxed", b"relaxed")
signing = measure(lambda: dkim.sign(message, b"r", b"example.org", key, canonicalize=ways))
signed = dkim.sign(message, b"r", b"example.org", key, canonicalize=ways) + message
assert dkim.verify(signed, dnsfunc=txt)
print(json.dumps([signing, measure(lambda: dkim.verify(signed, dnsfunc=txt))]))
"""


def message(line: bytes) -> bytes:
    """A message of 10 KB."""
    header = b"".join(
        b"%s: %s\r\n" % field
        for field in (
            (b"Received", b"from mail.example.net (mail.example.net [192.0.2.1])\r\n\tby mx.example.org with ESMTPS"),
            (b"From", b"Anna <anna@example.org>"),
            (b"To", b"Ben <ben@example.net>"),
            (b"Subject", b"the fox and the dog"),
            (b"Date", b"Wed, 25 Nov 2026 10:00:00 +0000"),
            (b"Message-ID", b"<1@example.org>"),
            (b"MIME-Version", b"1.0"),
            (b"Content-Type", b"text/plain; charset=utf-8"),
        )
    )
    return header + b"\r\n" + line * (10_000 // len(line))


def measure(act: Callable[[], object], count: int) -> float:
    """Microseconds of CPU per call."""
    act()
    start = time.process_time()
    for _ in range(count):
        act()
    return (time.process_time() - start) / count * 1e6


def ours(octets: bytes, signer: SigningKey, dns: FakeDNS, count: int) -> tuple[float, float]:
    """Microseconds to sign and to verify."""

    def signed() -> bytes:
        header = Header.from_bytes(octets)
        fields = [(field.name, field.raw) for field in header]
        return b"".join(sign(fields, octets[header.body_offset :], [signer], now=_NOW))

    whole = signed() + octets

    def verified() -> None:
        header = Header.from_bytes(whole)
        verification = DKIMVerification([(field.name, field.raw) for field in header], now=_NOW)
        verification.update(whole[header.body_offset :])
        outcome = verification.conclude(answers)
        assert outcome.authenticated

    header = Header.from_bytes(whole)
    fields = [(field.name, field.raw) for field in header]
    answers = run_lookup(DKIMVerification(fields, now=_NOW).lookup(), dns)
    return measure(signed, count), measure(verified, count)


def theirs(octets: bytes, key: str, record: str, count: int) -> tuple[float, float] | None:
    """The same by dkimpy, None where it cannot be had."""
    python = os.environ.get("DANELAW_DKIMPY", sys.executable)
    task = json.dumps({"message": octets.decode(), "key": key, "record": record, "count": count})
    run = subprocess.run([python, "-c", _DKIMPY], input=task, capture_output=True, text=True, check=False)
    if run.returncode:
        print(f"dkimpy: not measured ({run.stderr.strip().splitlines()[-1]})")
        return None
    signing, verifying = json.loads(run.stdout)
    return signing, verifying


def stream(kind: bytes, how: Canonicalization) -> tuple[float, float]:
    """Seconds of CPU for 25 MB, and MiB of memory at the peak, measured apart."""
    piece = (kind * (_PIECE // len(kind) + 1))[:_PIECE]

    def run() -> None:
        canonicalizer = BodyCanonicalizer(how, len)
        for _ in range(_SIZE // _PIECE):
            canonicalizer.update(piece)
        canonicalizer.finish()

    start = time.process_time()
    run()
    seconds = time.process_time() - start
    tracemalloc.start()
    run()
    peak = tracemalloc.get_traced_memory()[1] / (1 << 20)
    tracemalloc.stop()
    return seconds, peak


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300)
    count = parser.parse_args().messages
    key = rsa.generate_private_key(65537, 2048)
    signer = SigningKey(Domain("example.org"), "r", PrivateKey.from_key(key))
    record = signer.key.record()
    dns = FakeDNS(record.to_zone("r._domainkey.example.org."))
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()
    for title, line in (("prose", _PROSE), ("odd spaces", _LINE)):
        octets = message(line)
        mine, other = ours(octets, signer, dns, count), theirs(octets, pem, record.to_text(), count)
        for name, position in (("sign", 0), ("verify", 1)):
            words = f"{title:10} {name:8} {mine[position]:8.0f} µs"
            if other is not None:
                words += f"   dkimpy {other[position]:8.0f} µs   {other[position] / mine[position]:5.1f} times"
            print(words)
    for name, kind in (("text", _LINE), ("base64", b"A" * 76 + b"\r\n"), ("spaces", b" "), ("empty lines", b"\r\n")):
        for how in Canonicalization:
            seconds, peak = stream(kind, how)
            print(f"25 MB of {name:12} {how.value:8} {seconds:6.3f} s   {peak:5.2f} MiB")


if __name__ == "__main__":
    main()
