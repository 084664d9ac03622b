"""Fuzz target: TLS reports as files and in mail. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.message import scan
from danelaw.tlsreport import ReadingLimits, ReportError, from_json, read_mail, reporting_domain, unpack

LIMITS = ReadingLimits(octets=1 << 20, tokens=50_000, policies=20, failures=50)


def test_one_input(data: bytes) -> None:
    """What is read is within its limits and can be stored; all else is refused in words."""
    for found in read_mail(data):
        assert (found.report is None) is bool(found.refusal)
    try:
        report = from_json(unpack(data, most=1 << 20, most_compressed=1 << 20), limits=LIMITS)
    except ReportError as error:
        assert error.reason
        return
    assert 0 <= report.begin <= report.end
    assert 0 < len(report.policies) <= LIMITS.policies
    assert sum(len(one.failures) for one in report.policies) <= LIMITS.failures
    assert len(report.remarks) <= 20
    for one in report.policies:
        assert one.policy.domain
        assert one.successful >= 0
        assert one.failed >= 0
        assert all(failure.count > 0 and failure.result_type for failure in one.failures)
    assert "\0" not in repr(report).encode("utf-8").decode("utf-8")
    reporting_domain(report, scan(data[:1000]))


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
