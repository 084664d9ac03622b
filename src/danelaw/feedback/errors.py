"""The one error of this room."""

from danelaw.errors import DanelawError


class FeedbackError(DanelawError):
    """A report that cannot be used, or an address that has no room for another one in it."""
