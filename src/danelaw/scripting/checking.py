"""Whether what a hook said and changed can be carried out at all: a script's mistake must not become the gateway's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from danelaw.address import ForwardPath, ReversePath
from danelaw.errors import DanelawError
from danelaw.policy import Carry, Context, Copy, Handling, Hook, MessageContext, Pipe, Queue, Redirect, Route
from danelaw.policy.points import POINTS
from danelaw.routing import NextHop, carrier_of
from danelaw.scripting.errors import HookFailed

MOST_RECIPIENTS = 100_000
MOST_COPIES = 256
MOST_TAGS = 50


def check(hook: Hook, verdict: Any, context: Context) -> None:
    """Raises `HookFailed` or another `DanelawError` for what cannot be."""
    if verdict is not None:
        if type(verdict) not in POINTS[hook.point].verdicts:
            raise HookFailed(f"{hook.name} gave {verdict!r:.100}, which is no verdict of {hook.point}")
        _check_verdict(verdict)
    if isinstance(context, MessageContext):
        _check_message(context)
    if context.notes:
        context.notes.check()
    if context.tags:
        _check_tags(context.tags)


def _check_tags(tags: set[str]) -> None:
    if len(tags) > MOST_TAGS:
        raise HookFailed(f"more than {MOST_TAGS} tags on one message")
    for tag in tags:
        if not isinstance(tag, str) or not tag.isidentifier() or len(tag) > 40:
            raise HookFailed(f"{tag!r:.60} is no tag: a tag is one word of letters, digits and _")


def _check_verdict(verdict: Any) -> None:
    match verdict:
        case Redirect(to):
            _check_addresses(to)
        case Queue(copies):
            if len(copies) > MOST_COPIES:
                raise HookFailed(f"more than {MOST_COPIES} copies of one message")
            for copy in copies:
                _check_copy(copy)
        case Route(next_hop) if next_hop and carrier_of(next_hop) is None:
            NextHop.from_text(next_hop)
        case Carry(Pipe(argv)):
            if not argv or not argv[0].startswith("/"):
                raise HookFailed("a program is named by its whole path")
        case _:
            pass


def _check_copy(copy: Copy) -> None:
    _check_addresses(copy.to)
    if copy.reverse_path is not None:
        ReversePath.from_text(f"<{copy.reverse_path}>")
    _check_handling(copy.handling)


def _check_handling(handling: Handling) -> None:
    if handling.next_hop and carrier_of(handling.next_hop) is None:
        NextHop.from_text(handling.next_hop)


def _check_message(context: MessageContext) -> None:
    if len(context.recipients) > MOST_RECIPIENTS:
        raise HookFailed(f"more than {MOST_RECIPIENTS} recipients")
    _check_addresses(context.recipients)
    if context.reverse_path:
        _check_addresses((context.reverse_path,))
    _check_handling(context.handling)


_good: set[str] = set()  # the same few addresses come again and again


def _check_addresses(addresses: Iterable[str]) -> None:
    for address in addresses:
        if address in _good:
            continue
        try:
            ForwardPath.from_text(f"<{address}>")
        except DanelawError as error:
            raise HookFailed(f"{address!r:.80} is no address: {error.reason}") from None
        if len(_good) > 10_000:
            _good.clear()
        _good.add(str(address))
