"""`danelaw state` and `danelaw cache` over the control socket: what is asked for, who does it, and the log of it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from danelaw.caches import together
from danelaw.errors import DanelawError
from danelaw.shared import inspection

if TYPE_CHECKING:
    from danelaw.caches import Caches
    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway
    from danelaw.telemetry import Log

STATE = "state"
"""The supervisor's operation: the name of one of an operator's, and its arguments."""
CACHE = "cache"
"""A worker's operation: likewise."""
CACHE_OPERATIONS = ("list", "show", "clear")
_MOST_SHOWN = 1000

Ask = Callable[[str, Mapping[str, Any]], Awaitable[dict[str, Any]]]
"""An operation by its name and arguments."""


def operations(state: Ask, cache: Ask, log: Log) -> dict[str, Operation]:
    """By their names on the control socket; changes are logged with who and why."""

    def logged(kind: str, name: str, ask: Ask) -> Operation:
        async def act(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
            changing = name in inspection.CHANGING
            try:
                found = await ask(name, arguments)
            except DanelawError as error:
                if changing:
                    log.warning(
                        "act-refused", operation=f"{kind}.{name}", who=caller, space=arguments.get("space"),
                        reason=error.reason,
                    )  # fmt: skip
                raise
            if changing:
                fields = {key: arguments.get(key) or None for key in ("why", "space", "name", "key", "member")}
                log.event("act", operation=f"{kind}.{name}", who=caller, **fields, cleared=found.get("cleared"))
            return found

        return act

    states = (*inspection.READING, *inspection.CHANGING)
    found = {f"{STATE}.{name}": logged(STATE, name, state) for name in states}
    return found | {f"{CACHE}.{name}": logged(CACHE, name, cache) for name in CACHE_OPERATIONS}


def here(gateway: Gateway) -> dict[str, Operation]:
    """All of them in a gateway of one process."""

    async def state(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        part = gateway.parts.shared_here
        assert part is not None
        found = inspection.perform(part.store, name, arguments, time.monotonic(), gateway.clock())
        part.carrier.look()
        return with_calls(found, [gateway.parts.workshop.shared.calls()]) if name == "list" else found

    async def cache(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return on_caches(gateway.parts.workshop.caches, name, arguments)

    return operations(state, cache, gateway.log)


def on_caches(caches: Caches, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """One of `CACHE_OPERATIONS` on the caches of this process. Raises `CacheError`."""
    if name == "list":
        return caches.listed()
    cache, key = str(arguments.get("name", "")), arguments.get("key")
    if name == "clear":
        return {"name": cache, "cleared": caches.clear(cache, None if key is None else str(key))}
    most = arguments.get("most", 100)
    if type(most) is not int or not 1 <= most <= _MOST_SHOWN:
        raise DanelawError(f"most is a number between 1 and {_MOST_SHOWN}")
    return caches.shown(cache, str(arguments.get("match") or ""), most)


def of_workers(name: str, answers: Sequence[dict[str, Any] | BaseException]) -> dict[str, Any]:
    """What several workers answered, as one. A cache need not be in each of them. Raises `DanelawError`."""
    found = [answer for answer in answers if isinstance(answer, dict)]
    if not found:
        wrong = next((one for one in answers if isinstance(one, DanelawError)), None)
        raise wrong or DanelawError("no worker runs at the moment", advice="try again in a moment")
    if name == "list":
        return together(found)
    if name == "clear":
        return found[0] | {"cleared": sum(one["cleared"] for one in found)}
    return found[0] | {"entries": [entry for one in found for entry in one["entries"]]}


def with_calls(listing: dict[str, Any], calls: list[Mapping[str, Mapping[str, int]]]) -> dict[str, Any]:
    """The list of spaces, with how many calls of each the processes answered themselves, and how many they asked."""
    for row in listing["spaces"]:
        found = [one[row["name"]] for one in calls if row["name"] in one]
        row["local"] = sum(one["local"] for one in found)
        row["asked"] = sum(one["asked"] for one in found)
    return listing
