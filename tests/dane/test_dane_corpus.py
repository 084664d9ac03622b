"""Every case of OpenSSL's own DANE tests, with PKIX usages unusable as RFC 7672 §3.1.3 has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.dane.corpus import Case, read_cases

from danelaw.address import Domain
from danelaw.dane import CertificateUsage, verify

NOW = 1_790_000_000.0
BASE = (Domain("example.com"),)
MISMATCH = 62  # X509_V_ERR_HOSTNAME_MISMATCH


@pytest.mark.corpus
def test_all_54_cases_of_openssl(corpus: Callable[[str], Path]) -> None:
    cases = read_cases(corpus("dane") / "danetest.in")
    assert len(cases) == 54
    wrong = [problem for case in cases if (problem := _compare(case)) is not None]
    assert wrong == []


def _compare(case: Case) -> str | None:
    result = verify(case.records, case.chain, BASE, NOW)
    for record, verdict in zip(case.records, result.verdicts, strict=True):
        if verdict.usable != (record.usage in (2, 3)):
            return f"line {case.line}: {verdict}"
    usable = [record for record in case.records if record.usage in (2, 3)]
    if not usable:
        return None if not result.ok and result.tlsrpt == "tlsa-invalid" else f"line {case.line}: {result}"
    # The last case asks for name checks with DANE-EE, which RFC 7672 §3.2.1 forbids in SMTP.
    end_entity = all(record.usage == CertificateUsage.DANE_EE for record in usable)
    expected = case.result == 0 or (case.result == MISMATCH and end_entity)
    if result.ok is not expected:
        return f"line {case.line}: expected {expected}: {result}"
    if case.result == 0 and result.depth != case.depth:
        return f"line {case.line}: depth {result.depth}, not {case.depth}"
    if case.result == MISMATCH and not end_entity and result.tlsrpt != "certificate-host-mismatch":
        return f"line {case.line}: {result.tlsrpt}"
    return None
