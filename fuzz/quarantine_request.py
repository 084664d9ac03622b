"""Fuzz target: requests and forms of the quarantine's web server, for atheris or by hand."""

from __future__ import annotations

import sys

from danelaw.quarantine.request import MOST_BODY, Request, RequestError, form


def test_one_input(data: bytes) -> None:
    """Whatever is read is within its limits; everything else is refused with a status of its own."""
    head, _, body = data.partition(b"\r\n\r\n")
    try:
        request = Request.from_head(head + b"\r\n\r\n")
    except RequestError as error:
        assert 400 <= error.status < 500
    else:
        assert request.method in ("GET", "HEAD", "POST")
        assert 0 <= request.length <= MOST_BODY
        assert request.path.isprintable()
        assert "/" not in request.last_segment
    try:
        fields = form(body)
    except RequestError as error:
        assert 400 <= error.status < 500
    else:
        assert len(fields) <= 9
        assert all(text.isascii() for pair in fields.items() for text in pair)


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
