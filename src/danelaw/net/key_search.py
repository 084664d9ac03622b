"""All places at once where the keys of an address may be: OPENPGPKEY, SMIMEA, Web Key Directory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from danelaw.address import Mailbox
from danelaw.keydiscovery import (
    KeyReport,
    KeySource,
    lookup_openpgpkey,
    lookup_smimea,
    no_web_key,
    web_key_failed,
    web_key_places,
)
from danelaw.net.dialer import NO_ROUTES, Routes
from danelaw.net.fetch import Asks
from danelaw.net.web_key import FETCH_SECONDS, fetch_web_key
from danelaw.pkix import Roots


async def search_source(
    source: KeySource,
    mailbox: Mailbox,
    *,
    resolver: Asks,
    roots: Roots | None,
    now: float,
    routes: Routes = NO_ROUTES,
    timeout: float = FETCH_SECONDS,
    may_connect: Callable[[str], bool] = lambda address: True,
) -> KeyReport:
    """What one source has; arguments as for `fetch_web_key`. Never raises for what DNS or servers do."""
    if source is KeySource.OPENPGPKEY:
        return await resolver.run(lookup_openpgpkey(mailbox, now))
    if source is KeySource.SMIMEA:
        return await resolver.run(lookup_smimea(mailbox, now))
    if roots is None:
        places = web_key_places(mailbox)
        if not places:
            return no_web_key(None, f"{mailbox.domain} can have none", now)
        return web_key_failed(places[0], "this machine has no bundle of root certificates", now)
    return await fetch_web_key(
        mailbox, resolver=resolver, roots=roots, now=now, routes=routes, timeout=timeout, may_connect=may_connect
    )


async def search_all(
    mailbox: Mailbox,
    *,
    resolver: Asks,
    roots: Roots | None,
    now: float,
    routes: Routes = NO_ROUTES,
    timeout: float = FETCH_SECONDS,
) -> tuple[KeyReport, ...]:
    """What every source has, in the order of `KeySource`."""
    found = await asyncio.gather(
        *(
            search_source(one, mailbox, resolver=resolver, roots=roots, now=now, routes=routes, timeout=timeout)
            for one in KeySource
        )
    )
    return tuple(found)
