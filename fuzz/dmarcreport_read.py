"""Fuzz target: DMARC reports as files and in mail. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys
from dataclasses import replace

from danelaw.dmarcreport import ReadingLimits, ReportError, from_xml, read_mail, to_xml, unpack

LIMITS = ReadingLimits(octets=1 << 20, elements=10_000, records=100)


def test_one_input(data: bytes) -> None:
    """A report that is read can be written, and reads the same again; all else is refused in words."""
    for found in read_mail(data):
        assert (found.report is None) is bool(found.refusal)
    try:
        report = from_xml(unpack(data, most=1 << 20, most_compressed=1 << 20), limits=LIMITS)
    except ReportError as error:
        assert error.reason
        return
    assert report.domain
    assert report.records
    again = from_xml(to_xml(report))
    kept = tuple(replace(one, spf_results=again.records[place].spf_results) for place, one in enumerate(report.records))
    assert again.records == kept
    assert (again.domain, again.begin, again.end) == (report.domain, report.begin, report.end)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
