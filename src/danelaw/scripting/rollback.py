"""What a hook may change on its context, taken down before it runs: a hook that fails has changed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from danelaw.policy.contexts import AuthContext, Context, MessageContext

if TYPE_CHECKING:
    from danelaw.message import Snapshot
    from danelaw.policy import JSON, Address, Finding, Handling

    _Message: TypeAlias = tuple[tuple[Snapshot, int] | None, list[Address], Address, Handling, tuple[Finding, ...]]

State: TypeAlias = "tuple[dict[str, JSON], set[str] | None, _Message | None]"


def state_of(context: Context) -> State:
    """The state of a context before a hook. A tuple, and nothing that is not needed: it is taken before every call."""
    message = None
    if isinstance(context, MessageContext):
        message = (
            context.mail.state(), context.recipients[:], context.reverse_path, context.handling, context.findings,
        )  # fmt: skip
    return context.notes.saved(), set(context.tags) if context.tags else None, message


def back_to(context: Context, state: State) -> None:
    """Take back what was changed since."""
    notes, tags, message = state
    context.notes.restore(notes)
    context.tags.clear()
    context.tags.update(tags or ())
    if isinstance(context, MessageContext):
        assert message is not None
        mail, context.recipients[:], context.reverse_path, context.handling, context.findings = message
        context.mail.back_to(mail)
    elif isinstance(context, AuthContext):
        context.identity = ""
