"""The 171 validation tests of the ARC test suite, each difference with its section."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.dkim.dkim_samples import split, txt

from danelaw.arc import verify
from danelaw.testing import FakeDNS, run_lookup

# The suite gives no expectation for the first three; RFC 8617 §5.2 does, in steps 2 and 3 C.
UNSAID = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as2_fail", "cv_fail_i2_as1_fail"}
DIFFERENCES = {
    "ams_fields_c_na": "signed as relaxed/relaxed without c=, whose default is simple/simple (RFC 6376 §3.5)",
    "ams_fields_h_empty": "h= must not be empty (RFC 6376 §3.5, which RFC 8617 §4.1.2 imports)",
    "ams_fields_h_mis_hdr": "h= has two colons with no name between them (RFC 6376 §3.5, sig-h-tag)",
}


def cases(corpus: Callable[[str], Path]) -> list[tuple[str, dict[str, Any], FakeDNS]]:
    text = (corpus("arc") / "arc-draft-validation-tests.yml").read_text("utf-8")
    found = []
    for part in yaml.safe_load_all(text):
        records = {owner: str(record) for owner, record in (part.get("txt-records") or {}).items() if record}
        dns = FakeDNS(insecure="".join(txt(owner, record) for owner, record in records.items()))
        found += [(name, case, dns) for name, case in part["tests"].items()]
    return found


@pytest.mark.corpus
def test_every_validation_test(corpus: Callable[[str], Path]) -> None:
    found = cases(corpus)
    assert len(found) == 171
    wrong, differing = [], set()
    for name, case, dns in found:
        fields, body = split(case["message"].encode().replace(b"\n", b"\r\n"))
        outcome = run_lookup(verify(fields, body, now=1_500_000_000.0), dns)
        assert outcome.reason
        expected = "fail" if name in UNSAID else case["cv"].lower()
        if outcome.status.value != expected:
            differing.add(name)
            if name not in DIFFERENCES:
                wrong.append((name, expected, outcome.status.value, outcome.reason))
    assert wrong == []
    assert differing == set(DIFFERENCES)
