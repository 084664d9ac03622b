"""Fuzz target: lines of lists, logs and CSV, and TXT records at `_smtp._tls`. For atheris, or feed `test_one_input`.

The first octet chooses the form; the rest is split at line feeds.
"""

from __future__ import annotations

import sys

from danelaw.adoption import Extraction, Form, delimiter_of, detect, domain_of, rows_of
from danelaw.adoption.tlsrpt import verdict
from danelaw.tlsreport import wanted_by

_FORMS = tuple(Form)


def test_one_input(data: bytes) -> None:
    """Every entry is a domain that reads back as itself; every line is counted; any record has a verdict; rows of CSV
    follow each other without a gap.
    """
    form = _FORMS[data[0] % len(_FORMS)] if data else Form.LIST
    lines = data[1:].decode("utf-8", "replace").split("\n")
    assert detect(lines) in _FORMS
    extraction = Extraction(form)
    for line in lines:
        for entry in extraction.line(line):
            assert domain_of(entry.domain) == entry.domain
            assert entry.weight >= 0
    assert extraction.lines == len(lines)
    assert extraction.invalid_count + extraction.passed_over <= extraction.lines
    assert all(one.reason for one in extraction.invalid)
    rows = list(rows_of((f"{line}\n" for line in lines), delimiter_of(lines[0])))
    assert [row.first for row in rows[1:]] == [row.last + 1 for row in rows[:-1]]
    assert rows[-1].last == len(lines)
    assert verdict(wanted_by(lines, "_smtp._tls.example")) in ("yes", "no", "broken")


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
