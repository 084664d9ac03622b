"""What it costs to find out who sent a message: SPF, DKIM, ARC and DMARC together, DNS cached.

    python -m bench.authentication [--messages N] [--profile]

CPU time (`time.process_time`) per message of 10 KB with one RSA-2048 signature: taking the header apart, hashing the
body, the look-up over the real resolver whose cache is warm (signed zones of a lab), the verdicts, our field, the
decision. Then the same with an ARC chain of two sets, and the parts by themselves.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import tempfile
import time
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from bench.dkim import message
from danelaw.address import Domain
from danelaw.arc import ChainStatus, seal
from danelaw.authentication import DispositionSettings, Examination, Transaction, Verdicts, disposition
from danelaw.cli.network import read_anchors
from danelaw.dkim import PrivateKey, SigningKey, sign
from danelaw.lab import Lab
from danelaw.lab.scenario import Scenario
from danelaw.message import Header, author_addresses, boundary
from danelaw.resolver import Resolver, ResolverSettings

_PROSE = b"Most mail is prose or base64: single spaces, lines that end without one.\r\n"
_AUTHOR = "sender.lab"
_TRANSACTION = Transaction(ip_address("192.0.2.10"), f"mx.{_AUTHOR}", f"anna@{_AUTHOR}")


def published(signer: SigningKey, client: str = "192.0.2.0/24", author: str = _AUTHOR) -> Scenario:
    """The zone of the sender; `client` is where its mail comes from."""
    key = signer.key.record().to_zone(f"{signer.selector}._domainkey").replace(" IN TXT", " TXT")
    spf = f"v=spf1 ip4:198.51.100.0/24 include:_spf.{author} ip4:{client} -all"
    return Scenario(
        domain=author,
        records=(
            f'@ TXT "{spf}"',
            '_spf TXT "v=spf1 ip4:203.0.113.0/24 ip6:2001:db8::/32 -all"',
            f'mx TXT "v=spf1 ip4:{client} -all"',
            f'_dmarc TXT "v=DMARC1; p=reject; rua=mailto:reports@{author}"',
            key,
        ),
    )


def signed(octets: bytes, signer: SigningKey) -> bytes:
    """The message as its author's domain signs it."""
    header = Header.from_bytes(octets)
    fields = [(field.name, field.raw) for field in header]
    return b"".join(sign(fields, octets[header.body_offset :], [signer], now=time.time())) + octets


def sealed(octets: bytes, signer: SigningKey, sets: int) -> bytes:
    """The message with an ARC chain."""
    for number in range(sets):
        header = Header.from_bytes(octets)
        fields = [(field.name, field.raw) for field in header]
        status = ChainStatus.PASS if number else ChainStatus.NONE
        results = f"mx.{_AUTHOR}; dmarc=pass header.from={_AUTHOR}"
        octets = b"".join(seal(fields, octets[header.body_offset :], signer, results, status, now=time.time())) + octets
    return octets


async def examined(resolver: Resolver, octets: bytes) -> Verdicts:
    """What a gateway does with a message at hand."""
    end, body = boundary(octets)
    now = time.time()
    examination = Examination(octets[:end], _TRANSACTION, now=now)
    examination.update(octets[body:])
    verdicts = await resolver.run(examination.inquire())
    verdicts.to_authentication_results("mx.example.net").to_bytes()
    disposition(verdicts, DispositionSettings(), now)
    return verdicts


async def measured(act: Callable[[], Awaitable[object]], count: int) -> float:
    """Microseconds of CPU per call."""
    await act()
    start = time.process_time()
    for _ in range(count):
        await act()
    return (time.process_time() - start) / count * 1e6


async def parts(octets: bytes, verdicts: Verdicts, count: int) -> None:
    """The share of each part."""
    end, body = boundary(octets)
    header = Header.from_bytes(octets[:end])
    raw = [(field.name, field.raw) for field in header]

    async def take_apart() -> None:
        Header.from_bytes(octets[:end])

    async def author() -> None:
        author_addresses(raw)

    async def prepare() -> None:
        Examination(octets[:end], _TRANSACTION, now=0.0).update(octets[body:])

    async def write() -> None:
        verdicts.to_authentication_results("mx.example.net").to_bytes()

    for name, act in (
        ("  header taken apart", take_apart),
        ("  author read", author),
        ("  header, signatures read, body hashed", prepare),
        ("  our field", write),
    ):
        print(f"{name:44} {await measured(act, count):7.0f} µs")


async def run(count: int, profile: bool) -> None:
    """Everything, in one lab."""
    signer = SigningKey(Domain(_AUTHOR), "r", PrivateKey.from_key(rsa.generate_private_key(65537, 2048)))
    octets = signed(message(_PROSE).replace(b"anna@example.org", f"anna@{_AUTHOR}".encode()), signer)
    chained = sealed(octets, signer, 2)
    async with Lab((published(signer),)) as lab:
        with tempfile.TemporaryDirectory() as directory:
            anchor = Path(directory) / "anchor"
            anchor.write_text(lab.anchors_text)
            settings = ResolverSettings(servers=(lab.name_server.address,), anchors=read_anchors(anchor))
        async with Resolver(settings) as resolver:
            verdicts = await examined(resolver, octets)
            found = verdicts.spf.result.value, verdicts.dkim.result.value, verdicts.dmarc.result.value
            assert found == ("pass", "pass", "pass"), found
            assert (await examined(resolver, chained)).arc.status is ChainStatus.PASS
            if profile:
                profiler = cProfile.Profile()
                profiler.enable()
                await measured(lambda: examined(resolver, octets), count)
                profiler.disable()
                pstats.Stats(profiler).sort_stats("tottime").print_stats(30)
                return
            for name, which in (("10 KB, one signature", octets), ("10 KB, one signature, two ARC sets", chained)):
                print(f"{name:44} {await measured(lambda which=which: examined(resolver, which), count):7.0f} µs")  # type: ignore[misc]
            await parts(octets, verdicts, count)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes instead")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.messages, arguments.profile))


if __name__ == "__main__":
    main()
