"""Exceptions of the DKIM room; verdicts on signatures are values (`danelaw.dkim.result`)."""

from __future__ import annotations

from danelaw.errors import DanelawError


class DKIMError(DanelawError, ValueError):
    """A text is not what RFC 6376 wants, or a message or key cannot be used for signing."""


class TagListError(DKIMError):
    """A text is no tag=value list (RFC 6376 §3.2)."""


class KeyRecordError(DKIMError):
    """A TXT record is no DKIM key record (RFC 6376 §3.6.1)."""


class KeyRefused(DKIMError):
    """A key cannot be used: it does not parse, or is of the wrong kind or size."""


class SigningError(DKIMError):
    """A message cannot be signed."""
