"""Fuzz target: display names and domains of senders. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Domain
from danelaw.lookalike import Person, address_in_name, posing_as, resemblance, skeleton
from danelaw.lookalike.domains import domain_of

_MODELS = (Domain("musterbank.example"), Domain("example.org"))
_PEOPLE = (Person("Erika Muster", ("@example.org",)),)


def test_one_input(data: bytes) -> None:
    """Nothing fails and nothing grows; a skeleton does not depend on case, and nobody resembles himself."""
    text = data[:4000].decode("utf-8", "replace")
    found = skeleton(text)
    # One character stands for at most 18 others (NFKC of U+FDFA).
    assert len(found) <= 18 * 1000
    said = address_in_name(text, "sender.test")
    assert said is None or said in text
    posing_as(text, "x@sender.test", _PEOPLE)
    assert posing_as(f"{text} Erika Muster", "x@example.org", _PEOPLE) is None
    domain = domain_of(text)
    if domain is not None:
        resemblance(domain, _MODELS)
        assert resemblance(domain, (domain, *_MODELS)) is None


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
