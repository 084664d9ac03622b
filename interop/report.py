"""What the encounters found, printed as they go and written to docs/interop.md with `--record`."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from interop.daemons import run

HEAD = """\
# Encounters with other people's software

Written by `interop/run --record`; do not edit. Everything below was observed in that run.

`make interop` installs Postfix, nsd, unbound, delv, swaks, rspamd, ClamAV, SpamAssassin, opendkim, libopendmarc,
dkimpy, pyspf and pymilter as Debian packages, parsedmarc from the Python index, Nodemailer from npm, unpacks Exim
beside them, and works in a network namespace of its own: port 25 of the lab's addresses, port 53 and `resolv.conf`
there are real, those of the machine untouched. What cannot be had is skipped with the reason.
"""
_PACKAGES = ("postfix", "nsd", "unbound", "libunbound8", "bind9-dnsutils", "swaks", "rspamd",
             "clamav-daemon", "spamassassin", "opendkim", "libopendmarc2", "python3-dkim", "python3-spf",
             "python3-milter")  # fmt: skip


class Report:
    """Sections in the order in which they were first named. `show` prints a line to the terminal at once."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._sections: dict[str, list[str]] = {}

    def text(self, section: str, *lines: str) -> None:
        """Add paragraphs, and print them."""
        for line in lines:
            self._add(section, line)
            self._show(line)

    def table(self, section: str, heads: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Add a table, and print it in columns."""
        cells = [[str(cell) for cell in row] for row in rows]
        widths = [max(len(row[i]) for row in (list(heads), *cells)) for i in range(len(heads))]
        for row in (list(heads), *cells):
            self._show("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in cells]
        self._add(section, "\n".join(lines))

    def write(self, file: Path) -> None:
        """The page."""
        parts = [HEAD, _circumstances()]
        for section, texts in self._sections.items():
            parts += [f"## {section}", *texts]
        file.write_text("\n\n".join(part.strip("\n") for part in parts) + "\n")

    def _add(self, section: str, text: str) -> None:
        if section not in self._sections:
            self._sections[section] = []
            self._show(f"\n{section}")
        self._sections[section].append(text)


def _circumstances() -> str:
    """Date, machine and versions."""
    lines = run("dpkg-query", "-W", "-f", "${Package} ${Version}\\n", *_PACKAGES).stdout.splitlines()
    release = Path("/etc/os-release").read_text()
    system = (re.findall('PRETTY_NAME="(.*)"', release) or [platform.system()])[0]
    cores = len(Path("/proc/cpuinfo").read_text().split("processor\t:")) - 1
    return f"{time.strftime('%Y-%m-%d')}, {system}, {cores} cores: {', '.join(sorted(lines))}."
