"""Every limit of an evaluation, by name (RFC 7208 §4.6.4, §6.2, §11.1)."""

from __future__ import annotations

from dataclasses import dataclass

MAX_RECORD_SIZE = 8_192
"""Octets of one record that are read; RFC 7208 §3.4 asks publishers to stay below 512."""
MAX_EXPLANATION_SIZE = 2_048
"""Octets of a published explanation that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """RFC 7208 §4.6.4: `terms` with DNS look-ups, `void_lookups`, and `names` asked about per "mx" or "ptr".

    `explanation` is in characters (§6.2 lets a receiver choose). Elapsed time is the limit of who drives the look-up.
    """

    terms: int = 10
    void_lookups: int = 2
    names: int = 10
    explanation: int = 500


USUAL_LIMITS = Limits()
