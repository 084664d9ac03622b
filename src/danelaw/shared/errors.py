"""Why an operation on shared state was not done."""

from __future__ import annotations

from typing import ClassVar

from danelaw.errors import DanelawError


class SharedStateError(DanelawError):
    """An operation on shared state was not done. `code` names the class between processes."""

    code: ClassVar[str] = "refused"


class NoSuchSpace(SharedStateError):
    """Nobody declared a space of this name."""

    code = "no-space"


class WrongKind(SharedStateError):
    """The space is of another kind than the operation."""

    code = "kind"


class StoreFull(SharedStateError):
    """There is no room for one more key, member or octet, and the space forgets none by itself."""

    code = "full"


class BadRequest(SharedStateError):
    """An argument is of another form, or larger, than allowed."""

    code = "request"


class StoreUnavailable(SharedStateError):
    """No answer came in time, or none can come. Whether the operation was done is not known."""

    code = "unavailable"


class NotAcquired(SharedStateError):
    """A semaphore had no room, however long was waited."""

    code = "not-acquired"


_KINDS: dict[str, type[SharedStateError]] = {
    kind.code: kind
    for kind in (SharedStateError, NoSuchSpace, WrongKind, StoreFull, BadRequest, StoreUnavailable, NotAcquired)
}


def error_from_code(code: str, reason: str, advice: str | None) -> SharedStateError:
    """The error another process meant; an unknown code is a plain `SharedStateError`."""
    return _KINDS.get(code, SharedStateError)(reason, advice=advice)
