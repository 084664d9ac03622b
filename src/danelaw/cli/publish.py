"""`danelaw publish plan`: what we should publish for our own names, against what DNS says now. Changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.cli import check_options
from danelaw.cli.network import network, network_options
from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.cli.tlsa_file import Credential
    from danelaw.config import Config
    from danelaw.dane import TLSARecord
    from danelaw.dnsdata import Lookup
    from danelaw.publication import OwnHost, OwnKey, PlannedRecord, Wanted
    from danelaw.resolver import ResolverSettings

NOTHING_TO_DO, TO_DO, UNKNOWN = 0, 10, 60
_MAX_AGE = 7 * 86_400
_HTTPS_PORT = 443
_PARALLEL = 16
_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group(no_args_is_help=True)
def command() -> None:
    """What you should publish in DNS for your own names. Nothing here changes anything."""


@command.command()
@click.argument("domains", nargs=-1, metavar="[DOMAIN]...")
@click.option("--mx", "names", multiple=True, metavar="HOST",
              help="An MX host of yours, served by this configuration; repeatable. Otherwise `hostname`.")  # fmt: skip
@click.option("--next", "next_files", multiple=True, type=_FILE, metavar="FILE",
              help="Certificate, key or request of the key to come; repeatable.")  # fmt: skip
@click.option("--mode", type=click.Choice(["testing", "enforce"]), default="testing", show_default=True,
              help="Of the MTA-STS policy.")  # fmt: skip
@click.option("--zone", "as_zone", is_flag=True, help="Print nothing but the lines to publish.")
@network_options
@config_option
@output_options
def plan(
    domains: tuple[str, ...],
    names: tuple[str, ...],
    next_files: tuple[Path, ...],
    mode: str,
    as_zone: bool,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """List the records that your configuration calls for, as lines of a zone file, and how DNS stands towards each.

    For DOMAIN, otherwise every `[[domain]]`: MX, MTA-STS, TLSRPT, SPF, DMARC. For the MX hosts: TLSA of the key in use
    and of the next one, TLSRPT. For the keys of `[[dkim_key]]` and `[reports]`: DKIM. Only asks DNS; whether the
    servers show what they publish says danelaw check.

    The JSON form is described in docs/schemas/publish-plan.md.

    Exit status: 0 nothing to do, 10 something should be changed in DNS, 60 cannot tell.
    """
    from danelaw.publication import plans

    config = load_config(config_file)
    asked = network(servers, anchor_file, at)
    wanted = wanted_by(config, domains, names, next_files, mode, asked.clock())
    settings = check_options.resolver_settings(asked, servers, anchor_file, config)
    records = asyncio.run(_run(settings, asked.clock, plans(wanted)))
    out = output(ascii_only)
    if as_json:
        out.json(as_object(wanted, records))
    elif as_zone:
        for record in records:
            if record.is_to_do and record.line:
                for now in record.replaced:
                    out.line(f"; in place of {record.owner} IN {record.rdtype} {now}")
                out.line(record.line)
    else:
        from danelaw.cli.publish_page import show

        show(out, wanted, records)
    return exit_status(records)


def exit_status(records: Iterable[PlannedRecord]) -> int:
    """0 nothing to do, 10 something to change, 60 cannot tell."""
    from danelaw.publication import State

    found = {record.state for record in records if record.is_to_do or record.state is State.UNKNOWN}
    return NOTHING_TO_DO if not found else UNKNOWN if found == {State.UNKNOWN} else TO_DO


def as_object(wanted: Wanted, records: Iterable[PlannedRecord]) -> dict[str, Any]:
    """The form of docs/schemas/publish-plan.md."""
    from danelaw.publication import sts_policy

    return {
        "schema": "danelaw/publish-plan/1",
        "hosts": [host.name.ascii for host in wanted.hosts],
        "domains": [domain.ascii for domain in wanted.domains],
        "records": [
            {
                "purpose": one.purpose,
                "owner": one.owner,
                "type": one.rdtype,
                "data": one.rdata or None,
                "line": one.line or None,
                "state": one.state.value,
                "to_do": one.is_to_do,
                "reason": one.reason,
                "now": list(one.now),
            }
            for one in records
        ],
        "sts_policy": sts_policy(wanted).to_text(),
    }


def wanted_by(
    config: Config, domains: tuple[str, ...], names: tuple[str, ...], next_files: tuple[Path, ...], mode: str,
    now: float,
) -> Wanted:  # fmt: skip
    """What a configuration calls for. Raises `DanelawError` for files that cannot be read."""
    from danelaw.mtasts import PolicyMode
    from danelaw.publication import Wanted

    section = config.reports
    uris = [f"mailto:{section.tls_address}"] if section.tls_address is not None else []
    listen = section.https.listen
    if listen is not None and section.https.tls == "own":
        port = "" if listen.port == _HTTPS_PORT else f":{listen.port}"
        uris.append(f"https://{config.hostname}{port}{section.https.path}")
    own = [item.name for item in config.domain if not item.name.startswith(".")]
    return Wanted(
        hosts=_hosts(config, names, next_files),
        domains=tuple(dict.fromkeys(map(_domain, domains or own))),
        sender=config.hostname,
        tls_rua=tuple(uris),
        dmarc_rua=section.dmarc_address,
        keys=_keys(config),
        mode=PolicyMode(mode),
        max_age=_MAX_AGE,
        now=now,
    )


def _hosts(config: Config, names: tuple[str, ...], next_files: tuple[Path, ...]) -> tuple[OwnHost, ...]:
    from danelaw.cli.tlsa_file import read_credential
    from danelaw.publication import OwnHost

    shown = [(read_credential(item.chain), item.names) for item in config.certificate]
    following = tuple(dict.fromkeys(_record(read_credential(file)) for file in next_files))
    found = []
    for name in dict.fromkeys(map(_domain, names)) or (config.hostname,):
        credential = next((one for one, named in shown if _is_for(one, named, name)), shown[0][0] if shown else None)
        current = _record(credential) if credential is not None else None
        chain = credential.chain if credential is not None else ()
        found.append(OwnHost(name, current, chain, tuple(one for one in following if one != current)))
    return tuple(found)


def _record(credential: Credential) -> TLSARecord:
    """3 1 1, as `danelaw tlsa` prints by itself (RFC 7672 §3.1.1)."""
    from danelaw.cli.tlsa import publication
    from danelaw.dane import CertificateUsage, MatchingType, Selector

    kind = CertificateUsage.DANE_EE, Selector.SPKI, MatchingType.SHA2_256
    return publication(credential, *kind).record


def _is_for(credential: Credential, named: Iterable[str], name: Domain) -> bool:
    """Whether a listener shows this certificate to who asks for `name`, as `danelaw.net.certificates` chooses."""
    from danelaw.pkix import matches, read_certificate

    patterns = tuple(named) or (read_certificate(credential.chain[0]).dns_ids if credential.chain else ())
    return any(
        name.ascii.endswith(pattern) if pattern.startswith(".") else matches(name, pattern) for pattern in patterns
    )


def _keys(config: Config) -> tuple[OwnKey, ...]:
    """Of `[[dkim_key]]` and of `[reports]`, each once."""
    from danelaw.config.reporting import signing_key
    from danelaw.config.signing import signing_keys
    from danelaw.publication import OwnKey

    section = config.reports
    found = list(signing_keys(config.dkim_key))
    if section.dkim_domain is not None and section.dkim_selector is not None and section.dkim_key is not None:
        found.append(signing_key(section))
    return tuple(dict.fromkeys(OwnKey(key.domain, key.selector, key.key.record()) for key in found))


def _domain(text: str) -> Domain:
    try:
        return Domain.from_text(text)
    except DomainError as error:
        raise DanelawError(error.reason, advice="danelaw publish plan example.org") from None


async def _run(
    settings: ResolverSettings, clock: Callable[[], float], lookups: Iterable[Lookup[tuple[PlannedRecord, ...]]]
) -> tuple[PlannedRecord, ...]:
    from danelaw.resolver import Resolver

    at_once = asyncio.Semaphore(_PARALLEL)
    async with Resolver(settings, clock=clock) as resolver:

        async def run(lookup: Lookup[tuple[PlannedRecord, ...]]) -> tuple[PlannedRecord, ...]:
            async with at_once:
                return await resolver.run(lookup)

        return tuple(chain.from_iterable(await asyncio.gather(*map(run, lookups))))
