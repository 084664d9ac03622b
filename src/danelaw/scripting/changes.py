"""Carrying out what a policy changed of a message that arrives."""

from __future__ import annotations

import mmap
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath, ReversePath
from danelaw.inbound.arrival import Hold
from danelaw.policy import Address, Mail, Queue, Redirect
from danelaw.scripting.outcome import NAME
from danelaw.smtp import Recipient

if TYPE_CHECKING:
    from collections.abc import Mapping

    from danelaw.inbound.arrival import Arrival, Content
    from danelaw.message import Octets
    from danelaw.policy import MessageContext, Verdict


def mail_of(arrival: Arrival) -> Mail:
    """The message for a hook; its octets are looked at when the hook does."""
    content = arrival.content
    return Mail(lambda: _octets(content))


def _octets(content: Content) -> Octets:
    """In memory, or mapped: a large message is not read to look at its header."""
    whole = content.octets
    if isinstance(whole, bytes):
        return whole
    with whole.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def replace_recipients(arrival: Arrival, redirected: Mapping[str, tuple[str, ...]]) -> None:
    """Put others in the place of recipients; what a recipient asked for about notices holds for those too."""
    if not redirected:
        return
    recipients: list[Recipient] = []
    for one in arrival.recipients:
        to = redirected.get(Address.of(one.forward_path.mailbox))
        if to is None:
            _add(recipients, one)
        else:
            for address in to:
                _add(recipients, replace(one, forward_path=_path(address)))
    arrival.recipients[:] = recipients


def carry_out(arrival: Arrival, context: MessageContext, verdict: Verdict | None) -> None:
    """Change the arrival as the hooks left their context, and make the copies they asked for."""
    original = arrival.content
    arrival.content = _content(original, context.mail)
    if context.reverse_path != Address.of(arrival.reverse_path.mailbox):
        arrival.reverse_path = ReversePath.from_text(f"<{context.reverse_path}>")
    _set_recipients(arrival, list(context.recipients))
    arrival.handling = context.handling
    if isinstance(verdict, Redirect):
        redirected: dict[str, tuple[str, ...]] = dict.fromkeys(context.recipients, verdict.to)
        replace_recipients(arrival, redirected)
    elif isinstance(verdict, Queue):
        _fan_out(arrival, original, context, verdict)


def _fan_out(arrival: Arrival, original: Content, context: MessageContext, queue: Queue) -> None:
    """The first copy keeps the id that the client is told; the others are made beside it."""
    known = {Address.of(one.forward_path.mailbox): one for one in arrival.recipients}
    first, *others = queue.copies
    made = [(arrival.copy(NAME, ()), copy) for copy in others]
    for one, copy in ((arrival, first), *made):
        if copy.mail is not None:
            one.content = _content(original, copy.mail)
        if copy.reverse_path is not None:
            one.reverse_path = ReversePath.from_text(f"<{copy.reverse_path}>")
        one.handling = context.handling.overlaid(copy.handling)
        if copy.hold is not None:
            one.holds.append(Hold(copy.hold.reason, NAME, copy.hold.seconds))
        one.recipients[:] = []
        for address in copy.to:
            _add(one.recipients, known.get(Address(address)) or Recipient(_path(address)))


def _content(original: Content, mail: Mail) -> Content:
    return original.edited(mail.draft) if mail.is_changed else original


def _set_recipients(arrival: Arrival, wanted: list[Address]) -> None:
    known = {Address.of(one.forward_path.mailbox): one for one in arrival.recipients}
    if list(known) == wanted:
        return
    recipients: list[Recipient] = []
    for address in wanted:
        _add(recipients, known.get(address) or Recipient(_path(address)))
    arrival.recipients[:] = recipients


def _add(recipients: list[Recipient], one: Recipient) -> None:
    if all(other.forward_path != one.forward_path for other in recipients):
        recipients.append(one)


def _path(address: str) -> ForwardPath:
    return ForwardPath.from_text(f"<{address}>")
