"""Bars as SVG, made here: no script, no font, nothing from elsewhere; each says in words what it shows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

_WIDTH = 640


class Part(NamedTuple):
    """One part of a bar: its words, its number, and a class of the style sheet ("c0" … "c8")."""

    words: str
    number: int
    style: str


def stacked(title: str, parts: Sequence[Part], *, height: int = 22) -> str:
    """One bar divided among its parts, as wide as the page."""
    whole = sum(part.number for part in parts)
    if not whole:
        return ""
    said = "; ".join(f"{part.words} {100 * part.number / whole:.1f} percent" for part in parts if part.number)
    pieces, x = [], 0.0
    for part in parts:
        width = _WIDTH * part.number / whole
        if part.number:
            label = escape(f"{part.words}: {part.number:,} of {whole:,}")
            pieces.append(
                f'<rect class="{part.style}" x="{x:.2f}" y="0" width="{max(width, 0.5):.2f}" height="{height}">'
                f"<title>{label}</title></rect>"
            )
        x += width
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" preserveAspectRatio="none" class="bar"'
        f' aria-label="{escape(f"{title}: {said}")}">{"".join(pieces)}</svg>'
    )


def single(count: int, whole: int, style: str, words: str) -> str:
    """A short bar for one cell of a table."""
    share = count / whole if whole else 0.0
    width = max(share * 100, 0.5) if count else 0.0
    return (
        f'<svg viewBox="0 0 100 8" class="cell" role="img" preserveAspectRatio="none" aria-label="{escape(words)}">'
        f'<rect class="track" x="0" y="0" width="100" height="8"/>'
        f'<rect class="{style}" x="0" y="0" width="{width:.2f}" height="8"/></svg>'
    )


def swatch(style: str) -> str:
    """A square in a colour, beside its words."""
    square = f'<rect class="{style}" width="10" height="10"/>'
    return f'<svg viewBox="0 0 10 10" class="swatch" aria-hidden="true">{square}</svg>'
