"""Fuzz the bounce classes: replies of strangers (input beginning with R), and files of rules."""

from __future__ import annotations

import sys

from danelaw.replies import BounceFile, BounceFileError, Classifier, NoReply, SpokenReply, shipped
from danelaw.replies.classifier import shipped_file


def test_one_input(data: bytes) -> None:
    """A reply has one of the known classes; a file is read, or refused with every reason in words."""
    text = data[1:].decode("utf-8", "replace")
    if data[:1] == b"R":
        try:
            spoken = SpokenReply.from_text(text)
        except NoReply as error:
            assert error.reason
            return
        found = shipped().classify(spoken, "google")
        assert found.bounce_class in shipped().classes
        return
    try:
        file = BounceFile.from_text(text, "fuzz.toml", shipped_file())
    except BounceFileError as error:
        assert error.problems
        return
    for failure in Classifier(file).failures():
        assert failure


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
