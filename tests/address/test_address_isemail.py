"""The isemail corpus: what SMTP must take of it, decided by diagnosis."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from danelaw.address import Mailbox, MailboxError

pytestmark = pytest.mark.corpus

# Diagnoses whose addresses follow the grammar of RFC 5321 §4.1.2. What DNS says, and that a top-level domain is
# unusual, is no question of syntax.
_ACCEPTED = {
    "ISEMAIL_VALID",
    "ISEMAIL_DNSWARN_NO_MX_RECORD",
    "ISEMAIL_DNSWARN_NO_RECORD",
    "ISEMAIL_RFC5321_QUOTEDSTRING",
    "ISEMAIL_RFC5321_ADDRESSLITERAL",
    "ISEMAIL_RFC5321_TLD",
    "ISEMAIL_RFC5321_TLDNUMERIC",
    # "::" for a single group: RFC 5321 §4.1.3 wants at least two, RFC 5952 only asks not to write it. Same address.
    "ISEMAIL_RFC5321_IPV6DEPRECATED",
}

# Addresses whose verdict differs from their diagnosis' rule, each with the reason.
_DIFFERENT: dict[str, tuple[bool, str]] = {
    '""@iana.org': (False, "the empty quoted local-part names nobody (contracts of address.localpart)"),
}


def _cases(folder: Path) -> Iterator[tuple[str, str]]:
    for name in ("tests.xml", "tests-original.xml"):
        for test in ElementTree.parse(folder / "isemail/test" / name).getroot().iter("test"):
            address = test.findtext("address") or ""
            # Control characters stand as their symbols, U+2400 and on.
            text = "".join(chr(ord(one) - 0x2400) if 0x2400 <= ord(one) <= 0x2421 else one for one in address)
            yield text, test.findtext("diagnosis") or ""


def _accepted(text: str) -> bool:
    try:
        Mailbox.from_text(text)
    except MailboxError:
        return False
    return True


def test_every_address_gets_the_verdict_of_its_diagnosis(corpus: Callable[[str], Path]) -> None:
    cases = list(_cases(corpus("address")))
    wrong = [
        (text, diagnosis)
        for text, diagnosis in cases
        if _accepted(text) is not _DIFFERENT.get(text, (diagnosis in _ACCEPTED, ""))[0]
    ]
    assert not wrong
    assert len(cases) == 443
    assert set(_DIFFERENT) <= {text for text, _ in cases}
