"""What a hook may change on its context, taken down before it runs: a hook that fails has changed nothing."""

from __future__ import annotations

from typing import Any

from danelaw.policy.contexts import AuthContext, Context, MessageContext


class Rollback:
    """The state of a context before one hook."""

    __slots__ = ("_context", "_message", "_notes", "_tags")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._notes = context.notes.copy()
        self._tags = set(context.tags)
        self._message: tuple[Any, ...] = ()
        if isinstance(context, MessageContext):
            self._message = (
                context.mail.state(),
                list(context.recipients),
                context.reverse_path,
                context.handling,
            )

    def carry_out(self) -> None:
        """Back to what it was."""
        context = self._context
        context.notes.clear()
        context.notes.update(self._notes)
        context.tags.clear()
        context.tags.update(self._tags)
        if isinstance(context, MessageContext):
            state, context.recipients[:], context.reverse_path, context.handling = self._message
            context.mail.back_to(state)
        elif isinstance(context, AuthContext):
            context.identity = ""
