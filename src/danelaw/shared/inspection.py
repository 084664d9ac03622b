"""What an operator sees of shared state, and does to it: plain data in and out, fit for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from danelaw.shared.contents import Members, Text, Total
from danelaw.shared.errors import BadRequest, NoSuchSpace, SharedStateError
from danelaw.shared.exact import value_to_text
from danelaw.shared.leases import Leases
from danelaw.shared.protocol import Request
from danelaw.shared.shelf import Content, Shelf
from danelaw.shared.spaces import LONGEST_SECONDS, Kind
from danelaw.shared.store import Store
from danelaw.shared.window import Window

SCHEMA = "danelaw/state/1"
READING = ("list", "show")
CHANGING = ("set", "clear")
_OPERATOR = "operator"
_MOST_SHOWN = 1000


def perform(store: Store, name: str, arguments: Mapping[str, Any], now: float, posix_now: float) -> dict[str, Any]:
    """One of `READING` and `CHANGING`. Raises `SharedStateError`."""
    if name == "list":
        return listed(store)
    space = _text(arguments, "space") or ""
    shelf = store.shelves.get(space)
    if shelf is None:
        raise NoSuchSpace(f"there is no space {space}", advice="danelaw state list")
    key = _text(arguments, "key")
    if name == "show":
        return _shown(shelf, key, arguments, now, posix_now)
    if name == "set":
        return _set(store, shelf, key, arguments, now)
    if name == "clear":
        return _cleared(store, shelf, key, _text(arguments, "member"), now)
    raise BadRequest(f"shared state knows no operation {name!r}")


def listed(store: Store) -> dict[str, Any]:
    """All spaces with their numbers."""
    rows = []
    for name in sorted(store.shelves):
        shelf = store.shelves[name]
        rows.append(
            {
                **shelf.space.to_json(), "when_full": "forget" if shelf.space.forgets else "refuse",
                "used_keys": len(shelf), "octets": shelf.octets, "operations": shelf.operations,
                "refused": shelf.refused, "forgotten": shelf.forgotten,
            }
        )  # fmt: skip
    return {"schema": SCHEMA, "octets": store.budget.used, "most_octets": store.budget.most, "spaces": rows}


def _shown(shelf: Shelf, key: str | None, arguments: Mapping[str, Any], now: float, posix_now: float) -> dict[str, Any]:
    most = arguments.get("most", 100)
    if type(most) is not int or not 1 <= most <= _MOST_SHOWN:
        raise BadRequest(f"most is a number between 1 and {_MOST_SHOWN}")
    match, after = _text(arguments, "match") or "", _text(arguments, "after") or ""
    keys = [key] if key is not None else [one for one in shelf.names() if match in one]
    rows: list[dict[str, Any]] = []
    for one in reversed(keys):
        content = shelf.peek(one)
        # A semaphore's time is for `Store.look`, which serves those who wait.
        if content is None or (not isinstance(content, Leases) and content.lapse(now)):
            continue
        if len(rows) == most:
            break
        rows.append({"key": one, **_facts(shelf, content, now, posix_now - now)})
        if key is not None and isinstance(content, Members):
            rows[0]["members"] = [
                {"member": member, "expires": _moment(content.members[member], posix_now - now)}
                for member in content.page(after, most)
            ]
    return {
        "schema": SCHEMA, "space": shelf.space.name, "kind": str(shelf.space.kind), "matching": len(keys), "keys": rows,
    }  # fmt: skip


def _facts(shelf: Shelf, content: Content, now: float, shift: float) -> dict[str, Any]:
    match content:
        case Total():
            return {"total": content.total, "expires": _moment(content.due, shift)}
        case Text():
            return {"value": content.text, "expires": _moment(content.due, shift)}
        case Members():
            return {"size": len(content.members), "expires": None}
        case Window():
            taken = content.taken(now, shelf.space.span)
            return {"taken": taken, "limit": shelf.space.limit, "expires": _moment(content.due, shift)}
        case Leases():
            holders = [{"holder": one.holder, "until": _moment(one.until, shift)} for one in content.held]
            return {"held": len(holders), "limit": shelf.space.limit, "waiting": content.waiting, "holders": holders}


def _moment(when: float, shift: float) -> float | None:
    return None if when == math.inf else when + shift


def _set(store: Store, shelf: Shelf, key: str | None, arguments: Mapping[str, Any], now: float) -> dict[str, Any]:
    text, expires = _text(arguments, "value"), arguments.get("expires")
    if key is None or text is None:
        raise BadRequest("name the key and what it is to hold")
    if expires is not None and not (type(expires) in (int, float) and 0 < expires <= LONGEST_SECONDS):
        raise BadRequest("expires is a number of seconds, at most a year")
    name, kind = shelf.space.name, shelf.space.kind
    args: tuple[Any, ...]
    match kind:
        case Kind.COUNTER:
            try:
                total = int(text)
            except ValueError:
                raise BadRequest(f"{text!r} is no whole number") from None
            store.perform(_OPERATOR, Request(0, "clear", name, key), now)
            code, args = "add", (total, expires, False)
        case Kind.VALUE:
            try:
                value = json.loads(text)
            except (ValueError, RecursionError):
                raise BadRequest(f"{text!r} is no JSON", advice=f"text needs quotes: '\"{text}\"'") from None
            code, args = "put", (value_to_text(value), expires)
        case Kind.SET:
            code, args = "join", (text, expires)
        case _:
            raise BadRequest(f"the keys of a {kind} are not set", advice=f"danelaw state clear {name} KEY")
    result = store.perform(_OPERATOR, Request(0, code, name, key, args), now)
    if isinstance(result, SharedStateError):
        raise result
    return {"space": name, "key": key}


def _cleared(store: Store, shelf: Shelf, key: str | None, member: str | None, now: float) -> dict[str, Any]:
    name = shelf.space.name
    if member is not None:
        if shelf.space.kind is not Kind.SET or key is None:
            raise BadRequest(f"space {name} is a {shelf.space.kind}; only sets have members")
        gone = store.perform(_OPERATOR, Request(0, "leave", name, key, (member,)), now)
    elif key is not None:
        gone = store.perform(_OPERATOR, Request(0, "clear", name, key), now)
    elif shelf.space.kind is Kind.SEMAPHORE:
        gone = sum(bool(store.perform(_OPERATOR, Request(0, "clear", name, one), now)) for one in shelf.names())
    else:
        gone = shelf.clear()
        store.changes += 1
    if isinstance(gone, SharedStateError):
        raise gone
    return {"space": name, "cleared": int(gone)}


def _text(arguments: Mapping[str, Any], name: str) -> str | None:
    value = arguments.get(name)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"{name} is text")
    return value
