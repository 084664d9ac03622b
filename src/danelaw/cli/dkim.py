"""`danelaw dkim verify | sign | key`."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.network import Network, network, network_options, parse_time, with_or_without_dnssec
from danelaw.cli.options import output, output_options
from danelaw.dkim.result import DKIMResult
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.address import Domain
    from danelaw.arc import ARCOutcome
    from danelaw.cli.dkim_file import MessageFile
    from danelaw.dkim import DKIMOutcome, PrivateKey

PASSES, FAILS, UNKNOWN = 0, 3, 4

_FILE = click.Path(dir_okay=False, path_type=Path, allow_dash=True)
_WAYS = [f"{header}/{body}" for header in ("relaxed", "simple") for body in ("relaxed", "simple")]


@click.group()
def command() -> None:
    """Verify the signatures of a message, sign one, make keys (DKIM, RFC 6376)."""


@command.command()
@click.argument("file", type=_FILE, metavar="FILE.eml")
@click.option(
    "--least-bits",
    type=click.IntRange(min=1024),
    default=1024,
    show_default=True,
    help="Shortest RSA key that counts.",
)
@network_options
@output_options
def verify(
    file: Path,
    least_bits: int,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Say what the DKIM signatures of a message are worth, and its ARC chain.

    Keys are looked up in DNS and their signatures checked here. --at is also the time for t= and x=. - reads standard
    input. Exit status: 0 a domain is authenticated, 3 none is, 4 a key cannot be looked up now.
    """
    from danelaw.cli.dkim_file import read_message
    from danelaw.cli.dkim_page import as_object, show

    message = read_message(file)
    asked = asyncio.run(with_or_without_dnssec(network(servers, anchor_file, at)))
    outcome, chain = asyncio.run(_verify(asked, message, least_bits))
    out = output(ascii_only)
    if as_json:
        out.json(as_object(outcome, chain))
    else:
        show(out, outcome, chain, asked.unproved)
    if outcome.authenticated:
        return PASSES
    return UNKNOWN if outcome.result is DKIMResult.TEMPERROR else FAILS


async def _verify(asked: Network, message: MessageFile, least_bits: int) -> tuple[DKIMOutcome, ARCOutcome]:
    from danelaw import arc, dkim
    from danelaw.resolver import Resolver

    settings = dkim.VerifySettings(smallest_rsa=least_bits)
    fields = dkim.HeaderFields(message.fields)
    async with Resolver(asked.settings, clock=asked.clock) as resolver:
        now = asked.clock()
        outcome = await resolver.run(dkim.verify(fields, message.pieces(), now=now, settings=settings))
        chain = await resolver.run(arc.verify(fields, message.pieces(), now=now, settings=settings))
    return outcome, chain


@command.command()
@click.argument("file", type=_FILE, metavar="FILE.eml")
@click.option("--domain", required=True, help="The signing domain (d=).")
@click.option("--selector", "selectors", required=True, multiple=True, help="Where the key is published (s=).")
@click.option("--key", "keys", required=True, multiple=True, type=_FILE, metavar="KEY.pem", help="The private key.")
@click.option("--header", "headers", multiple=True, metavar="NAME", help="Sign these fields instead of the usual ones.")
@click.option("--no-oversign", is_flag=True, help="Let fields be added later under names that are signed.")
@click.option("--identity", metavar="[USER]@DOMAIN", help="On whose behalf (i=).")
@click.option("--days", type=click.IntRange(min=1), help="How long the signature holds (x=); otherwise for ever.")
@click.option("--canonicalization", type=click.Choice(_WAYS), default=_WAYS[0], show_default=True, help="c=.")
@click.option("--at", metavar="TIME", help="The time of signing (t=), in the forms of danelaw dns --at; otherwise now.")
@click.option("--field-only", is_flag=True, help="Print the new fields only, not the message.")
def sign(
    file: Path,
    domain: str,
    selectors: tuple[str, ...],
    keys: tuple[Path, ...],
    headers: tuple[str, ...],
    no_oversign: bool,
    identity: str | None,
    days: int | None,
    canonicalization: str,
    at: str | None,
    field_only: bool,
) -> int:
    """Sign a message and print it, with the same line ends as the file.

    --key and --selector may be given twice, in the same order: an RSA and an Ed25519 key together suit everybody
    (RFC 8463 §6). - reads standard input.
    """
    from danelaw import dkim
    from danelaw.cli.dkim_file import read_key, read_message

    if len(keys) != len(selectors):
        raise click.UsageError(f"{len(keys)} --key and {len(selectors)} --selector: give one selector for each key")
    name = _domain(domain)
    signers = [
        dkim.SigningKey(name, _domain(selector, "--selector").ascii, read_key(key))
        for selector, key in zip(selectors, keys, strict=True)
    ]
    header_way, _, body_way = canonicalization.partition("/")
    settings = dkim.SignSettings(
        headers=_with_from(headers) or dkim.DEFAULT_HEADERS,
        oversigned=() if no_oversign else _with_from(headers) or dkim.DEFAULT_OVERSIGNED,
        header_canonicalization=dkim.Canonicalization(header_way),
        body_canonicalization=dkim.Canonicalization(body_way),
        identity=_identity(identity, name),
        lifetime=timedelta(days=days) if days is not None else None,
    )
    message = read_message(file)
    now = time.time() if at is None else parse_time(at)
    added = b"".join(dkim.sign(message.fields, message.pieces(), signers, now=now, settings=settings))
    octets = added if field_only else added + message.octets
    click.echo(octets.replace(b"\r\n", b"\n") if message.line_feeds else octets, nl=False)
    return 0


def _domain(text: str, option: str = "--domain") -> Domain:
    from danelaw.address import Domain
    from danelaw.address.domain import DomainError

    try:
        return Domain.from_text(text)
    except DomainError as error:
        raise click.UsageError(f"{option}: {error.reason}") from None


def _with_from(headers: tuple[str, ...]) -> tuple[str, ...]:
    """The author is always signed (RFC 6376 §5.4)."""
    if headers and not any(name.lower() == "from" for name in headers):
        raise click.UsageError("--header: From must be among them")
    return headers


def _identity(text: str | None, domain: Domain) -> str | None:
    if text is None:
        return None
    host = _domain(text.rpartition("@")[2], "--identity")
    if "@" not in text or not (host == domain or host.ascii.endswith("." + domain.ascii)):
        raise click.UsageError(f"--identity: {text!r} is not at {domain} or below it")
    return text


@command.command()
@click.option("--domain", required=True, help="The signing domain (d=).")
@click.option(
    "--selector", required=True, help="The name of the key (s=), such as s2026a; use a new one for a new key."
)
@click.option("--type", "kind", type=click.Choice(["rsa", "ed25519"]), default="rsa", show_default=True, help="k=.")
@click.option("--bits", type=click.IntRange(2048, 4096), default=2048, show_default=True, help="Size of an RSA key.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Where the key goes.")
@click.option("--from", "existing", type=_FILE, metavar="KEY.pem", help="Make no key: print the record of this one.")
@click.option("--testing", is_flag=True, help="Set t=y: receivers are to treat the mail as if it were not signed.")
@output_options
def key(
    domain: str,
    selector: str,
    kind: str,
    bits: int,
    out: Path | None,
    existing: Path | None,
    testing: bool,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Make a key pair and print the TXT record to publish.

    The private key is written with mode 0600 to --out, SELECTOR._domainkey.DOMAIN.pem unless given; a file that is
    there is never overwritten.
    """
    from danelaw.cli.dkim_file import read_key

    owner = f"{_domain(selector, '--selector').ascii}._domainkey.{_domain(domain).ascii}"
    file = existing or out or Path(f"{owner}.pem")
    private = read_key(existing) if existing is not None else _make(kind, bits, file)
    record = private.record(flags=("y",) if testing else ())
    shown = output(ascii_only)
    if as_json:
        shown.json({"owner": owner, "record": record.to_text(), "zone": record.to_zone(f"{owner}."), "file": str(file)})
        return 0
    shown.line(record.to_zone(f"{owner}."))
    if existing is None:
        click.echo(f"the private key is in {file}", err=True)
    click.echo(f"next: publish the record, then danelaw dns {owner} TXT", err=True)
    return 0


def _make(kind: str, bits: int, file: Path) -> PrivateKey:
    """Make a key and write it where nobody else can read it."""
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from danelaw.dkim import PrivateKey

    makers: dict[str, Callable[[], rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey]] = {
        "rsa": lambda: rsa.generate_private_key(65537, bits),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }
    made = makers[kind]()
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        advice = f"choose another --selector, or print its record: danelaw dkim key --from {file} …"
        raise DanelawError(f"{file} is there already and is not overwritten", advice=advice) from None
    except OSError as error:
        raise DanelawError(f"{file} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return PrivateKey.from_key(made)
