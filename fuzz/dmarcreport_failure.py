"""Fuzz target: failure reports in mail. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.dmarcreport import ReportError, read_failure_mail
from danelaw.dmarcreport.failure import MOST_HEADER
from danelaw.dmarcreport.failure_reading import DELIVERIES, KINDS, LONGEST_VALUE

HEAD = b'From: <r@x.test>\r\nContent-Type: multipart/report; report-type=feedback-report; boundary="="\r\n\r\n'
PART = b"--=\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: auth-failure\r\n"


def test_one_input(data: bytes) -> None:
    """Any mail, and any fields and header in a mail of the right form: bounded, printable, or refused in words."""
    for message in (data, HEAD + PART + data):
        try:
            report = read_failure_mail(message)
        except ReportError as error:
            assert error.reason
            continue
        if report is None:
            continue
        assert report.domain
        assert report.kind in ("", *KINDS)
        assert report.delivery in ("", *DELIVERIES)
        assert report.incidents >= 1
        assert len(report.header) <= MOST_HEADER
        texts = (report.results, report.mail_from or "", report.user_agent, *report.recipients, *report.spf_dns)
        assert all(len(text) <= LONGEST_VALUE and text.isprintable() for text in texts)
        assert report.without_persons().domain == report.domain


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
