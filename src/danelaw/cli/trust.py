"""`danelaw trust`: who belongs to a trust group, and whether they keep what they promised."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli.options import config_option, load_config, output, output_options
from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from danelaw.address import Domain
    from danelaw.cli.check import Means, Wanted
    from danelaw.cli.trust_page import Looked
    from danelaw.config import Config
    from danelaw.state import TrustStore
    from danelaw.trustgroup import TrustGroup

_AT_ONCE = 8
_MOST = 1000
_CONNECT_SECONDS = 10.0


@click.group(no_args_is_help=True)
def command() -> None:
    """List trust groups, and see whether their members keep what they promised.

    Groups are set in [[trust_group]]; docs/trust-groups.md explains them. A running gateway looks at each member's
    servers every few hours without sending mail; `show` prints what it found, `check` looks now.
    """


@command.command("list")
@config_option
@output_options
def list_(config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """List the groups, what they demand, and how many members keep it."""
    from danelaw.cli import trust_page

    config, now = load_config(config_file), time.time()
    groups, store = _groups(config), _store(config)
    counts = {} if store is None else store.counts()
    out = output(ascii_only)
    if as_json:
        out.json({"groups": [trust_page.group_fields(one, counts, now) for one in groups]})
        return
    trust_page.show_groups(out, groups, counts, now)


@command.command("show")
@click.argument("group")
@config_option
@output_options
def show(group: str, config_file: Path | None, as_json: bool, ascii_only: bool) -> None:
    """Show what GROUP demands, what is believed of each member since when, and what changed lately."""
    from danelaw.cli import trust_page

    config, now = load_config(config_file), time.time()
    found, store = _group(config, group), _store(config)
    members = () if store is None else store.members(found.name)
    changes = () if store is None else store.changes(found.name)
    counts = {} if store is None else store.counts()
    out = output(ascii_only)
    if as_json:
        fields = trust_page.group_fields(found, counts, now)
        members_json = [trust_page.member_fields(one) for one in members]
        out.json(fields | {"watched": members_json, "changes": [trust_page.change_fields(one) for one in changes]})
        return
    trust_page.show_group(out, found, members, changes, now)


@command.command("check")
@click.argument("group")
@click.argument("domains", nargs=-1, metavar="[DOMAIN]...")
@click.option("--timeout", type=click.FloatRange(0.1, 300), default=_CONNECT_SECONDS, help="Seconds to connect.")
@config_option
@output_options
def check(
    group: str, domains: tuple[str, ...], timeout: float, config_file: Path | None, as_json: bool, ascii_only: bool
) -> int:
    """Look now at the servers of each member of GROUP, or of each DOMAIN, as far as the end of the TLS handshake.

    Says for each whether it is a member, and who says so. Sends no mail and changes nothing; what a running gateway
    believes stays as it is until its own looks agree.

    Exit status: 0 all members keep what the group demands, 40 some do not, 50 a DOMAIN is no member, 60 cannot tell.
    """
    from danelaw.cli import check_options, trust_page
    from danelaw.cli.check import Wanted
    from danelaw.gateway.settings import resolver_settings
    from danelaw.routing import NextHop

    config = load_config(config_file)
    found = _group(config, group)
    names = _names(domains) if domains else _known(config, found)
    if not names:
        raise DanelawError(
            f"no member of {found.name} is known by name yet: DNS lists members by question only",
            advice=f"danelaw trust check {found.name} DOMAIN",
        )
    wanted = Wanted(
        next_hop=NextHop.from_text(names[0].ascii),
        resolver=resolver_settings(config),
        roots=check_options.roots(None, config),
        clock=time.time,
        routes=check_options.routes((), config),
        sts=config.mta_sts.enabled,
        config=config,
        connect_seconds=timeout,
    )
    started = time.monotonic()
    looked = asyncio.run(_look_at_all(names[:_MOST], found, wanted))
    out = output(ascii_only)
    if as_json:
        out.json({"group": found.name, "members": [trust_page.looked_fields(one) for one in looked]})
    else:
        trust_page.show_looked(out, found, looked, time.monotonic() - started, left=max(0, len(names) - _MOST))
    return trust_page.exit_status(looked)


async def _look_at_all(names: Sequence[Domain], group: TrustGroup, wanted: Wanted) -> list[Looked]:
    from danelaw.cli.check import means

    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(name: Domain, using: Means) -> Looked:
        async with turns:
            return await _look_at(name, group, wanted, using)

    async with means(wanted) as using:
        return await asyncio.gather(*(one(name, using) for name in names))


async def _look_at(name: Domain, group: TrustGroup, wanted: Wanted, using: Means) -> Looked:
    from danelaw.cli.trust_page import Looked
    from danelaw.outbound.membercheck import look
    from danelaw.routing import NextHop
    from danelaw.tlspolicy import SenderDemand
    from danelaw.trustgroup import Observation, Standing

    membership = await using.trust.membership(name, group)
    if membership.standing is not Standing.MEMBER:
        return Looked(membership, None, membership.reason)
    if group.send is SenderDemand.NONE:
        return Looked(membership, Observation.KEPT, "the group demands nothing of servers")
    if group.exempts(name):
        return Looked(membership, Observation.UNKNOWN, "exempt: nothing is demanded of it")
    survey = await using.survey(wanted, NextHop.from_text(name.ascii))
    return Looked(membership, *await look(survey, using.door, wanted.roots, wanted.clock))


def _groups(config: Config) -> tuple[TrustGroup, ...]:
    from danelaw.config.trusting import trust_groups

    return trust_groups(config.trust_group)


def _group(config: Config, name: str) -> TrustGroup:
    groups = _groups(config)
    found = next((one for one in groups if one.name == name), None)
    if found is None:
        known = ", ".join(one.name for one in groups)
        raise DanelawError(
            f"there is no trust group {name!r}" + (f"; there are {known}" if known else " and no other"),
            advice="danelaw trust list",
        )
    return found


def _store(config: Config) -> TrustStore | None:
    """What a running gateway knows; None where none has run yet."""
    from danelaw.state import FILE_NAME, StateDatabase, StateError, TrustStore

    path = config.spool.directory / FILE_NAME
    if not path.exists():
        return None
    store = TrustStore(StateDatabase(path, read_only=True), create=False)
    try:
        store.counts()
    except StateError:  # a gateway of an older version made the file
        return None
    return store


def _names(texts: Iterable[str]) -> list[Domain]:
    from danelaw.address import Domain

    return [Domain.from_text(text.rpartition("@")[2]) for text in texts]


def _known(config: Config, group: TrustGroup) -> list[Domain]:
    """The names in the operator's list, and those that were met."""
    store = _store(config)
    met = {one.domain for one in store.members(group.name)} if store is not None else set()
    listed = {name for name in group.members if not name.startswith(".")}
    return _names(sorted(met | listed))
