"""Exceptions of the message room."""

from __future__ import annotations

from danelaw.errors import DanelawError


class MessageError(DanelawError, ValueError):
    """A message, or what is to become part of one, is not what it must be."""


class HeaderTooLarge(MessageError):
    """The header section has more octets or fields than allowed."""


class FieldError(MessageError):
    """A value cannot be written into a header field."""


class MessageLimit(MessageError):
    """A part is larger, once decoded, than is allowed."""
