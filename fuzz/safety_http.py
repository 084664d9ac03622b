"""Fuzz target: requests to the safety API, head and query. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.safety.enquiry import MOST_BODY, Enquiry, EnquiryError, Subject
from danelaw.safety.http import RequestError, refusal, request_of


def test_one_input(data: bytes) -> None:
    """Any head is a request that can be framed in one way only, or is refused with a status."""
    try:
        request = request_of(data, MOST_BODY)
    except RequestError as error:
        assert 400 <= error.status < 500
        assert refusal(error, keep=False).endswith(b"}")
        return
    assert 0 <= request.length <= MOST_BODY
    assert "transfer-encoding" not in request.fields
    assert request.bearer is None or b" " not in request.bearer[:1]
    try:
        enquiry = Enquiry.from_query(request.query)
    except EnquiryError as error:
        assert error.reason
        return
    (text,) = enquiry.texts
    try:
        subject = Subject.from_text(text)
    except EnquiryError as error:
        assert error.reason
        return
    assert subject.mailbox is None or subject.mailbox.domain == subject.domain


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
