"""docs/standards.md: which RFC sections the source cites, where, and what is deliberately not done."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_RFC = re.compile(
    r"\bRFC\s+(\d{3,5})((?:\s*,?\s*§\s*[0-9A-Z][0-9A-Za-z.]*(?:\s*(?:,|and|–|-)\s*§?\s*[0-9]+(?:\.[0-9]+)+)*)*)"
)
_SECTION = re.compile(r"[0-9A-Z][0-9A-Za-z]*(?:\.[0-9A-Za-z]+)*")


def citations(root: Path = ROOT) -> dict[int, dict[str, set[str]]]:
    """RFC number → section ("" for the RFC as a whole) → modules that cite it."""
    found: dict[int, dict[str, set[str]]] = {}
    for path in sorted((root / "src").rglob("*.py")):
        module = ".".join(path.relative_to(root / "src").with_suffix("").parts).removesuffix(".__init__")
        # A citation may be folded over two lines of a comment or docstring.
        text = re.sub(r"\n\s*#?\s*", " ", path.read_text("utf-8"))
        for match in _RFC.finditer(text):
            sections = [name.rstrip(".") for name in _SECTION.findall(match[2].replace("and", " "))] or [""]
            for section in sections:
                found.setdefault(int(match[1]), {}).setdefault(section, set()).add(module)
    return found


def standards(root: Path = ROOT) -> dict[int, dict[str, Any]]:
    """The hand-written part: RFC number → title, not_done, perhaps `section`: by section `done` and `tests`."""
    data = tomllib.loads((root / "docs" / "standards.toml").read_text("utf-8"))
    return {int(number): entry for number, entry in data.items()}


def _order(section: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (0, part) for part in section.split(".")]


def page(root: Path = ROOT) -> str:
    """The text of docs/standards.md."""
    cited, described = citations(root), standards(root)
    lines = [
        "# Standards",
        "",
        "Every RFC the source cites, with the modules that follow it and what is deliberately not done. Made by",
        "`make docs` from the citations in `src` and from [standards.toml](standards.toml).",
        "",
        "| RFC | Title | Sections and modules | Deliberately not done |",
        "|---|---|---|---|",
    ]
    for number in sorted(set(cited) | {rfc for rfc, entry in described.items() if entry.get("not_done")}):
        entry = described.get(number, {})
        rooms = _where(cited.get(number, {}))
        link = f"[{number}](https://www.rfc-editor.org/rfc/rfc{number})"
        lines.append(f"| {link} | {entry.get('title', '')} | {rooms or '–'} | {entry.get('not_done', '')} |")
    for number, entry in described.items():
        lines += _by_section(number, entry)
    return "\n".join(lines) + "\n"


def _by_section(number: int, entry: dict[str, Any]) -> list[str]:
    """An RFC that is described section by section."""
    if "section" not in entry:
        return []
    lines = ["", f"## RFC {number} ({entry['title']}) section by section", ""]
    lines += ["| Section | What is done | Shown by |", "|---|---|---|"]
    for section, told in entry["section"].items():
        lines.append(f"| §{section} | {told['done']} | {', '.join(f'`{test}`' for test in told['tests'])} |")
    return lines


def _where(sections: dict[str, set[str]]) -> str:
    by_room: dict[str, set[str]] = {}
    for section, modules in sections.items():
        for module in modules:
            room = ".".join(module.split(".")[1:2]) or "danelaw"
            by_room.setdefault(room, set()).add(section)
    parts = []
    for room, names in sorted(by_room.items()):
        numbers = ", ".join(f"§{name}" for name in sorted(filter(None, names), key=_order))
        parts.append(f"`{room}` {numbers}".strip())
    return " · ".join(parts)
