"""`danelaw tlsa`: the TLSA records to publish for a certificate or key, and whether DNS publishes them."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.cli.network import Network, network, network_options
from danelaw.cli.options import output, output_options
from danelaw.cli.tlsa_file import Credential, read_credential
from danelaw.dane import CertificateUsage, HostRecords, MatchingType, Selector, TLSARecord, lookup_host, usable, verify
from danelaw.dane.matching import presented, selected
from danelaw.errors import DanelawError

PASSES, FAILS, UNKNOWN = 0, 3, 4


@click.command()
@click.argument("host")
@click.argument(
    "files",
    nargs=-1,
    required=True,
    metavar="CERT.pem …",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
)
@click.option("--port", type=click.IntRange(1, 65535), default=25, show_default=True, help="SMTP port.")
@click.option(
    "--usage",
    type=click.Choice(["2", "3"]),
    default="3",
    show_default=True,
    help="3: this key or certificate (DANE-EE). 2: the CA in the file that issued it (DANE-TA).",
)
@click.option(
    "--selector",
    type=click.Choice(["0", "1"]),
    default="1",
    show_default=True,
    help="1: the public key. 0: the whole certificate.",
)
@click.option(
    "--matching",
    type=click.Choice(["0", "1", "2"]),
    default="1",
    show_default=True,
    help="1: SHA2-256. 2: SHA2-512. 0: all of it, no digest.",
)
@click.option("--check", is_flag=True, help="Compare with what DNS publishes now; --server implies it.")
@network_options
@output_options
def command(
    host: str,
    files: tuple[Path, ...],
    port: int,
    usage: str,
    selector: str,
    matching: str,
    check: bool,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Print the TLSA record to publish for HOST, the name in the MX record, with the certificate in CERT.pem.

    Run it on the mail server itself. CERT.pem may hold a certificate, a chain, a key or a certificate request, in PEM
    or DER; - reads standard input. Give the file of now and the next one together to see both records. 3 1 1 suits
    most servers (RFC 7672 §3.1.1), and stays right when a renewal keeps the key.

    Exit status with --check: 0 DANE verifies a server that shows this certificate, 3 it does not, 4 cannot tell.
    """
    name = _host(host)
    kind = (CertificateUsage(int(usage)), Selector(int(selector)), MatchingType(int(matching)))
    page = Page(name, port, tuple(publication(read_credential(file), *kind) for file in files))
    asked = network(servers, anchor_file, at) if check or servers else None
    if asked is not None:
        page.comparison = compare(page, asyncio.run(_look(asked, name, port)), asked.clock())
    out = output(ascii_only)
    if as_json:
        out.json(as_object(page))
    else:
        from danelaw.cli.tlsa_page import show

        show(out, page, asked.clock() if asked is not None else time.time())
    return page.comparison.exit_status if page.comparison is not None else PASSES


def _host(text: str) -> Domain:
    """The host's name. Raises `click.UsageError`."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(text.strip("[]").removesuffix("."))
        raise click.UsageError(f"HOST: {text} is an address; DANE needs the host's name, as in the MX record")
    try:
        return Domain.from_text(text)
    except DomainError as error:
        raise click.UsageError(f"HOST: {error.reason}") from None


@dataclass(frozen=True, slots=True)
class Publication:
    """The record for one file. `subject` is the certificate it speaks of, None for a key or request."""

    credential: Credential
    record: TLSARecord
    subject: bytes | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """What DNS publishes: per published record whether it is one of ours and a sentence; `passes` per file."""

    found: HostRecords
    verdicts: tuple[tuple[TLSARecord, bool, str], ...]
    passes: tuple[bool, ...]
    missing: tuple[TLSARecord, ...]
    ttl: int | None

    @property
    def exit_status(self) -> int:
        """0 every file passes, 3 one does not, 4 DNS cannot tell."""
        if self.found.error is not None:
            return UNKNOWN
        return PASSES if all(self.passes) else FAILS


@dataclass(slots=True)
class Page:
    """Everything there is to say."""

    host: Domain
    port: int
    publications: tuple[Publication, ...]
    comparison: Comparison | None = None

    @property
    def owner(self) -> str:
        """The name the records stand at (RFC 6698 §3)."""
        return f"_{self.port}._tcp.{self.host.ascii}."

    @property
    def records(self) -> tuple[TLSARecord, ...]:
        """The records, each once."""
        return tuple(dict.fromkeys(one.record for one in self.publications))


def publication(
    credential: Credential, usage: CertificateUsage, selector: Selector, matching: MatchingType
) -> Publication:
    """The record for a file. Raises `DanelawError` when the file lacks what the parameters need."""
    subject = _subject(credential, usage)
    if subject is None and selector is Selector.CERT:
        raise DanelawError(
            f"selector 0 publishes the certificate, and {credential.name} holds only a {credential.kind}",
            advice="leave --selector away, or give the certificate",
        )
    data = credential.spki if subject is None else selected(subject, selector)
    return Publication(credential, TLSARecord(usage, selector, matching, presented(data, matching)), subject)


def _subject(credential: Credential, usage: CertificateUsage) -> bytes | None:
    if usage is CertificateUsage.DANE_EE:
        return credential.chain[0] if credential.chain else None
    if not credential.chain:
        raise DanelawError(
            f"usage 2 publishes a CA, and {credential.name} holds only a {credential.kind}",
            advice="give the chain, such as fullchain.pem, or the CA's certificate",
        )
    if credential.lone_ca:
        return credential.chain[0]
    issuer = credential.issuer
    if issuer is None:
        raise DanelawError(
            f"{credential.name} holds no certificate of the CA that issued the first one",
            advice="give the chain the server sends, such as fullchain.pem, or use --usage 3",
        )
    return issuer


def compare(page: Page, found: HostRecords, now: float) -> Comparison:
    """Hold the records of the files against those in DNS; `now` in POSIX seconds."""
    wanted, notes = set(page.records), usable(found.records)
    verdicts = []
    for note in notes:
        mine = note.record in wanted
        words = "is the record of this file" if mine else "another key or certificate"
        verdicts.append((note.record, mine, words if note.usable else note.reason))
    ttls = [
        answer.rrset.ttl for answer in found.answers if answer.rrset is not None and found.records and not answer.failed
    ]
    return Comparison(
        found,
        tuple(verdicts),
        tuple(_passes(one, found, now) for one in page.publications),
        tuple(record for record in page.records if record not in found.records),
        int(ttls[-1]) if ttls else None,
    )


def _passes(one: Publication, found: HostRecords, now: float) -> bool:
    """Whether a server that shows this file satisfies what is published. A CA alone or a key: by its record."""
    ca_alone = one.record.usage == CertificateUsage.DANE_TA and one.credential.lone_ca
    if one.credential.chain and not ca_alone:
        names = (found.tlsa_base or found.host,)
        return verify(found.records, one.credential.chain, names, now).ok
    return one.record in found.records or any(
        record.usage == CertificateUsage.DANE_EE
        and record.selector == Selector.SPKI
        and any(record.association == presented(one.credential.spki, kind) for kind in MatchingType)
        for record in found.records
    )


async def _look(asked: Network, host: Domain, port: int) -> HostRecords:
    from danelaw.resolver import Resolver

    async with Resolver(asked.settings, clock=asked.clock) as resolver:
        return await resolver.run(lookup_host(host, port))


def as_object(page: Page) -> dict[str, Any]:
    """The JSON form."""
    import hashlib

    found: dict[str, Any] = {
        "host": page.host.ascii,
        "port": page.port,
        "owner": page.owner,
        "records": [
            {
                "file": one.credential.name,
                "kind": one.credential.kind,
                "record": one.record.to_text(),
                "usage": int(one.record.usage),
                "selector": int(one.record.selector),
                "matching_type": int(one.record.matching_type),
                "association": one.record.association.hex(),
                "fingerprint": hashlib.sha256(one.credential.spki).hexdigest(),
            }
            for one in page.publications
        ],
    }
    if page.comparison is not None:
        found["check"] = _compared(page, page.comparison)
    return found


def _compared(page: Page, comparison: Comparison) -> dict[str, Any]:
    seen = comparison.found
    return {
        "address_status": seen.address_status.value if seen.address_status is not None else None,
        "tlsa_base": seen.tlsa_base.ascii if seen.tlsa_base is not None else None,
        "tlsa_state": seen.tlsa_state.value,
        "error": seen.error,
        "published": [
            {"record": record.to_text(), "of_file": mine, "reason": words}
            for record, mine, words in comparison.verdicts
        ],
        "missing": [record.to_text() for record in comparison.missing],
        "passes": None
        if seen.error is not None
        else {one.credential.name: ok for one, ok in zip(page.publications, comparison.passes, strict=True)},
    }
