"""The outcome of judging a chain against a store of roots."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class PKIXFailure(Enum):
    """Why a chain is not valid; the value is the TLSRPT result type (RFC 8460 §4.3.1, §4.3.2)."""

    EXPIRED = "certificate-expired"
    NAME_MISMATCH = "certificate-host-mismatch"
    NOT_TRUSTED = "certificate-not-trusted"
    # RFC 8460 has no words for these three; its §4.3.3 "validation-failure" stands for the rest.
    NOT_YET_VALID = "validation-failure", "not yet valid"
    BAD_SIGNATURE = "validation-failure", "bad signature"
    OTHER = "validation-failure", "other"

    tlsrpt: str

    def __new__(cls, tlsrpt: str, detail: str = "") -> PKIXFailure:
        member = object.__new__(cls)
        member._value_ = f"{tlsrpt}: {detail}" if detail else tlsrpt
        member.tlsrpt = tlsrpt
        return member


@dataclass(frozen=True, slots=True)
class PKIXResult:
    """Whether a chain is valid; `reason` is one sentence for people without a final stop.

    `failure` is None exactly when `ok`. `tlsrpt` is the result type for TLS reports, None when `ok`.
    """

    ok: bool
    reason: str
    failure: PKIXFailure | None = None

    @property
    def tlsrpt(self) -> str | None:
        """The result type of RFC 8460 §4.3, None for success."""
        return self.failure.tlsrpt if self.failure is not None else None
