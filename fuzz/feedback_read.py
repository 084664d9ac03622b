"""Fuzz target: complaints and delivery reports in mail. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.feedback import FeedbackError, read_complaint, read_notice
from danelaw.feedback.notice import MOST_RECIPIENTS
from danelaw.feedback.parts import LONGEST

HEAD = b'From: <r@x.test>\r\nContent-Type: multipart/report; boundary="="\r\n\r\n--=\r\nContent-Type: '
COMPLAINT = HEAD + b"message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n"
NOTICE = HEAD + b"message/delivery-status\r\n\r\nReporting-MTA: dns; x.test\r\n\r\n"


def test_one_input(data: bytes) -> None:
    """Any mail, and any fields in a mail of the right form: bounded, printable, or refused in words."""
    for message in (data, COMPLAINT + data, NOTICE + data):
        texts: tuple[str, ...] = ()
        try:
            complaint, notice = read_complaint(message), read_notice(message)
        except FeedbackError as error:
            assert error.reason
            continue
        if complaint is not None:
            assert complaint.kind
            assert complaint.incidents >= 1
            texts += (complaint.kind, complaint.user_agent, complaint.message_id, *complaint.recipients)
        if notice is not None:
            assert len(notice.recipients) <= MOST_RECIPIENTS + 1
            texts += (notice.reporting_mta, *(one.address + one.diagnostic for one in notice.recipients))
        assert all(len(text) <= 2 * LONGEST and text.isprintable() for text in texts)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
