"""`danelaw advise`: which customers' domains the TLSA records of our MX hosts protect, and if not, why."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.cli import check_options
from danelaw.cli.network import network, network_options
from danelaw.cli.options import config_option, output, output_options
from danelaw.errors import DanelawError
from danelaw.publication import Advice, OurHosts, Standing, advise, lookup_ours, trouble

if TYPE_CHECKING:
    from danelaw.outbound.nameservers import ZoneReport
    from danelaw.resolver import Resolver, ResolverSettings

ALL, SOME, NONE, UNKNOWN = 0, 10, 20, 60
_MOST_MX = 32
_MOST_AGAIN = 1_000
_FEWER = 4
_COLUMNS = ("domain", "standing", "standings", "protected", "reason", "advice", "our_hosts", "other_hosts")
_NO_CONCERN = frozenset({Standing.ELSEWHERE, Standing.NULL_MX, Standing.NO_MAIL, Standing.NXDOMAIN, Standing.INVALID})


@click.command()
@click.argument("file", metavar="DOMAINS.txt", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True))
@click.option("--mx", "names", multiple=True, required=True, metavar="HOST", help="An MX host of yours; repeatable.")
@click.option("--parallel", type=click.IntRange(1, 512), default=64, show_default=True, help="Domains at once.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path, allow_dash=True), metavar="FILE",
              help="Write one line for each domain, as it comes; - for standard output.")  # fmt: skip
@click.option("--all", "show_all", is_flag=True, help="List every domain, not only the first of those unprotected.")
@click.option("--no-name-servers", is_flag=True, help="Do not ask the name servers of your MX hosts' zones.")
@click.option("--route", "routes", multiple=True, metavar="A:P=A:P", help="Connect elsewhere, for a lab; repeatable.")
@network_options
@config_option
@output_options
def command(
    file: Path,
    names: tuple[str, ...],
    parallel: int,
    csv_file: Path | None,
    show_all: bool,
    no_name_servers: bool,
    routes: tuple[str, ...],
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Say which of the domains in DOMAINS.txt the TLSA records of your MX hosts protect, and if not, why.

    One domain a line, - for standard input; mail addresses count for their domain, what follows # is left out. Looks
    up MX, addresses and TLSA, and asks every name server of your MX hosts' zones whether it answers TLSA questions
    and proves absence; connects to no mail server. Whether yours show the keys they publish says danelaw check.

    The JSON form is described in docs/schemas/advise.md.

    Exit status: 0 every domain that has its mail with you is protected, 10 some are, 20 none is, 60 cannot tell.
    """
    config = check_options.configuration(config_file, usual_place=not servers)
    asked = network(servers, anchor_file, at)
    wanted = Wanted(
        tuple(dict.fromkeys(map(_host, names))),
        check_options.resolver_settings(asked, servers, anchor_file, config),
        asked.clock,
        parallel,
        dict(check_options.routes(routes, config)),
        not no_name_servers,
    )
    if len(wanted.names) > _MOST_MX:
        raise click.UsageError(f"--mx: {_MOST_MX} hosts at most")
    if as_json and csv_file is not None and str(csv_file) == "-":
        raise click.UsageError("--json and --csv - would both write to standard output")
    out = output(ascii_only)
    started = time.monotonic()
    with _writer(csv_file) as write:
        found = asyncio.run(examine(_lines(file), wanted, write))
    if as_json:
        out.json(found.to_json())
    elif csv_file is None or str(csv_file) != "-":
        from danelaw.cli.advise_page import show

        show(out, found, time.monotonic() - started, show_all=show_all)
    return found.exit_status


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to examine and with which means; `clock` gives the POSIX seconds of judgement."""

    names: tuple[Domain, ...]
    resolver: ResolverSettings
    clock: Callable[[], float]
    parallel: int
    routes: dict[tuple[str, int], tuple[str, int]]
    name_servers: bool = True


@dataclass(slots=True)
class Found:
    """What came out: our hosts, one advice for each domain in the order in which they were done, the name servers."""

    ours: OurHosts
    advices: list[Advice] = field(default_factory=list)
    name_servers: tuple[ZoneReport, ...] = ()

    @property
    def counts(self) -> Counter[Standing]:
        """Domains by standing."""
        return Counter(one.standing for one in self.advices)

    @property
    def concerned(self) -> int:
        """Domains that have their mail with us, or may have: their look-up failed."""
        return sum(count for standing, count in self.counts.items() if standing not in _NO_CONCERN)

    @property
    def exit_status(self) -> int:
        """0 all, 10 some, 20 none, 60 cannot tell."""
        protected = self.counts[Standing.PROTECTED]
        if protected:
            return ALL if protected == self.concerned else SOME
        unknown = self.counts[Standing.FAILED] + self.counts[Standing.BOGUS]
        return UNKNOWN if not self.advices or 0 < self.concerned == unknown else NONE

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/advise.md."""
        return {
            "schema": "danelaw/advise/1",
            "hosts": [
                {
                    "name": one.host.ascii,
                    "addresses": list(one.addresses),
                    "tlsa": [record.to_text() for record in one.records],
                    "trouble": trouble(one),
                }
                for one in self.ours.hosts
            ],
            "domains": len(self.advices),
            "protected": self.counts[Standing.PROTECTED],
            "standings": {standing.value: count for standing, count in self.counts.most_common()},
            "results": [_object(one) for one in self.advices],
            "name_servers": [zone.to_json() for zone in self.name_servers],
        }


async def examine(lines: Iterator[str], wanted: Wanted, write: Callable[[Advice], None]) -> Found:
    """Advise on every line, `wanted.parallel` at a time; `write` is told of each as it is done.

    Many questions at once are more than some resolvers bear: what failed is asked again at the end, fewer at once.
    """
    from danelaw.outbound.denials import examine_zones
    from danelaw.resolver import Resolver

    failed: list[str] = []

    async with Resolver(wanted.resolver, clock=wanted.clock) as resolver:
        found = Found(await resolver.run(lookup_ours(wanted.names)))

        def first(advice: Advice) -> None:
            if advice.standing is Standing.FAILED and len(failed) < _MOST_AGAIN:
                failed.append(advice.domain)
            else:
                last(advice)

        def last(advice: Advice) -> None:
            found.advices.append(advice)
            write(advice)

        await _advise_all(_each_once(lines), resolver, found.ours, wanted.parallel, first)
        if wanted.name_servers:
            hosts = [one.host for one in found.ours.hosts]
            found.name_servers = await examine_zones(hosts, 25, resolver, wanted.routes)
    if failed:
        async with Resolver(wanted.resolver, clock=wanted.clock) as resolver:  # one that remembers no failures
            await _advise_all(iter(failed), resolver, found.ours, max(1, wanted.parallel // _FEWER), last)
    return found


async def _advise_all(
    texts: Iterator[str], resolver: Resolver, ours: OurHosts, parallel: int, told: Callable[[Advice], None]
) -> None:
    reading = asyncio.Lock()

    async def take() -> str | None:
        async with reading:  # a pipe may keep us waiting
            return await asyncio.to_thread(next, texts, None)

    async def work() -> None:
        while (text := await take()) is not None:  # each line goes to whoever is free
            told(await _advice(text, resolver, ours))

    await asyncio.gather(*(work() for _ in range(parallel)))


async def _advice(text: str, resolver: Resolver, ours: OurHosts) -> Advice:
    try:
        domain = Domain.from_text(text)
    except DomainError as error:
        return Advice(text[:300], (Standing.INVALID,), error.reason)
    return await resolver.run(advise(domain, ours))


def _each_once(texts: Iterator[str]) -> Iterator[str]:
    seen: set[str] = set()
    for text in texts:
        try:
            name = Domain.from_text(text).ascii
        except DomainError:
            name = text[:300]
        if name not in seen:
            seen.add(name)
            yield text


def _host(text: str) -> Domain:
    try:
        return Domain.from_text(text)
    except DomainError as error:
        raise click.UsageError(f"--mx: {error.reason}") from None


def _lines(file: Path) -> Iterator[str]:
    """Domains, without comments; of addresses what stands behind the @. Raises `DanelawError`."""
    try:
        with click.open_file(str(file), encoding="utf-8", errors="replace") as stream:
            for line in stream:
                text = line.partition("#")[0].strip().rpartition("@")[2].strip("<>;, \t")
                if text:
                    yield text
    except OSError as error:
        raise DanelawError(f"{file} cannot be read: {error.strerror or type(error).__name__}") from None


@contextlib.contextmanager
def _writer(file: Path | None) -> Iterator[Callable[[Advice], None]]:
    """Writes rows of CSV (RFC 4180), nothing without a file."""
    if file is None:
        yield lambda advice: None
        return
    try:
        opened: Any = click.open_file(str(file), "w", encoding="utf-8")
    except OSError as error:
        raise DanelawError(f"{file} cannot be written: {error.strerror or type(error).__name__}") from None
    with opened as stream:
        yield _rows(stream)


def _rows(stream: TextIO) -> Callable[[Advice], None]:
    rows = csv.writer(stream)
    rows.writerow(_COLUMNS)

    def write(advice: Advice) -> None:
        rows.writerow([_cell(value) for value in _object(advice).values()])

    return write


def _object(advice: Advice) -> dict[str, Any]:
    return {
        "domain": advice.domain,
        "standing": advice.standing.value,
        "standings": [one.value for one in advice.standings],
        "protected": advice.standing is Standing.PROTECTED,
        "reason": advice.reason,
        "advice": advice.advice,
        "our_hosts": list(advice.ours),
        "other_hosts": list(advice.others),
    }


def _cell(value: Any) -> str:
    """Spreadsheets take what begins so for a formula; names of strangers must not be one."""
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def sorted_by_concern(advices: Iterable[Advice]) -> list[Advice]:
    """What has its mail with us first, by standing, then by name."""
    order = list(Standing)
    return sorted(advices, key=lambda one: (one.standing in _NO_CONCERN, order.index(one.standing), one.domain))
