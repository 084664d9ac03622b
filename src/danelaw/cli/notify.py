"""`danelaw notify`: draft the note to a broken destination's postmaster. Never sends it."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.cli.network import network, network_options
from danelaw.cli.options import config_option, output, output_options

if TYPE_CHECKING:
    from danelaw.cli.check import Wanted
    from danelaw.config import Config
    from danelaw.outbound.contacts import Contacts
    from danelaw.outbound.postmaster_note import Evidence, Waiting

NOTHING_TO_TELL = 10


@click.command()
@click.argument("domain")
@network_options
@click.option("--from", "sender", metavar="ADDRESS", help="Who writes.  [default: postmaster at our host name]")
@config_option
@output_options
def command(
    domain: str,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    sender: str | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Draft a note to the postmaster of DOMAIN about what keeps its mail from being delivered. Sends nothing.

    Examines the destination now, as `danelaw check` does but without your overrides, and adds what the queue knows: how
    many messages wait, since when, until when it worked. The message goes to standard output with `TLS-Required: No`,
    so that it can reach them; whom to write to and how to send it are said on standard error.

    Exit status: 0 a note was drafted, 10 there is nothing to tell.
    """
    from danelaw.cli import check_options

    config = check_options.configuration(config_file, usual_place=not servers)
    asked = network(servers, anchor_file, at)
    wanted = _wanted(domain, config, check_options.resolver_settings(asked, servers, anchor_file, config), asked.clock)
    evidence, contacts = asyncio.run(_gather(domain, wanted))
    hostname = str(config.hostname) if config is not None else "localhost"
    author = sender or f"postmaster@{hostname}"
    message = _message(evidence, contacts, author, hostname) if evidence.calls_for_note else None
    if as_json:
        output(ascii_only).json(_fields(evidence, contacts, message))
    elif message is None:
        sys.stdout.flush()
        click.echo(f"{domain}: nothing to tell its postmaster: {_well(evidence)}.", err=True)
        click.echo(f"next: danelaw check {domain}", err=True)
    else:
        sys.stdout.buffer.write(message.replace(b"\r\n", b"\n"))
        sys.stdout.buffer.flush()
        _tell(evidence, contacts, author)
    return 0 if message is not None else NOTHING_TO_TELL


def _wanted(domain: str, config: Config | None, resolver: Any, clock: Any) -> Wanted:
    from danelaw.cli import check_options
    from danelaw.cli.check import Wanted

    return Wanted(
        next_hop=check_options.next_hop(domain, None, config),
        resolver=resolver,
        roots=check_options.roots(None, config),
        clock=clock,
        routes=check_options.routes((), config),
        sts=config is None or config.mta_sts.enabled,
        config=config,
        overridden=False,
    )


async def _gather(domain: str, wanted: Wanted) -> tuple[Evidence, Contacts]:
    from danelaw.cli.check import examine
    from danelaw.outbound.contacts import Contacts, lookup_contacts
    from danelaw.outbound.evidence import evidence_of
    from danelaw.resolver import Resolver

    checkup = await examine(domain, wanted)
    contacts = Contacts(f"postmaster@{domain}")
    if wanted.next_hop.domain is not None:
        async with Resolver(wanted.resolver, clock=wanted.clock) as resolver:
            contacts = await resolver.run(lookup_contacts(wanted.next_hop.domain))
    hosts = [plan.host.ascii for plan in checkup.survey.hosts]
    waiting = _waiting(wanted.config, wanted.next_hop.to_text(), hosts)
    return evidence_of(checkup, waiting, wanted.clock()), contacts


def _waiting(config: Config | None, next_hop: str, hosts: list[str]) -> Waiting:
    """What the spool says, where there is one that can be read."""
    from danelaw.outbound.evidence import together, waiting_of
    from danelaw.spool import SpoolError
    from danelaw.spool.shards import in_each

    if config is None:
        return together(())
    try:
        return together(in_each(config.spool.directory, lambda one: waiting_of(one, next_hop, hosts)))
    except SpoolError as error:
        click.echo(f"the queue is left out: {error.reason}", err=True)
        return together(())


def _message(evidence: Evidence, contacts: Contacts, author: str, hostname: str) -> bytes:
    from danelaw.outbound.postmaster_note import note

    return note(evidence, contacts, sender=author, hostname=hostname, token=secrets.token_hex(12))


def _well(evidence: Evidence) -> str:
    if any(one.cause is not None for one in evidence.seen):
        return "some of its servers do not answer here, which may be our own network; the rest is as its DNS says"
    return "every server is as its DNS says" if evidence.seen else "no server could be tested from here"


def _tell(evidence: Evidence, contacts: Contacts, author: str) -> None:
    """How to send it, on standard error, so that standard output is the message alone."""
    lines = [f"This note was not sent. Read it; then it goes to {' and '.join(contacts.of_people)}."]
    if contacts.reports:
        lines.append(f"For programs there is also {', '.join(contacts.reports)} (TLS reports of {evidence.domain}).")
    lines.append(
        f"The zone names {contacts.zone_contact}." if contacts.zone_contact else "The zone names nobody (SOA)."
    )
    to = " ".join(f"--to {one}" for one in contacts.of_people)
    for line in lines:
        click.echo(line, err=True)
    click.echo(
        f"next: danelaw notify {evidence.domain} > note.eml && danelaw send --from {author} {to} --body note.eml",
        err=True,
    )


def _fields(evidence: Evidence, contacts: Contacts, message: bytes | None) -> dict[str, Any]:
    """The form of docs/schemas/notify.md."""
    from danelaw.outbound.postmaster_note import subject

    return {
        "schema": "danelaw/notify/1",
        "domain": evidence.domain,
        "calls_for_note": message is not None,
        "subject": subject(evidence) if message is not None else "",
        "problems": [{"cause": cause.value, "host": host} for cause, host in evidence.problems],
        "promises": list(evidence.promises),
        "seen": [asdict(one) | {"cause": one.cause.value if one.cause is not None else ""} for one in evidence.seen],
        "waiting": asdict(evidence.waiting),
        "contacts": {
            "postmaster": contacts.postmaster,
            "zone": contacts.zone_contact,
            "tls_reports": list(contacts.reports),
        },
        "message": message.decode("utf-8", "replace").replace("\r\n", "\n") if message is not None else "",
        "at": evidence.at or time.time(),
    }
