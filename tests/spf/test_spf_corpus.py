"""The openspf.org suite for RFC 7208, all of it."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest
from spf_corpus import Case, cases, dns_of

from danelaw.spf import Evaluation, Request, evaluate
from danelaw.testing import run_lookup

pytestmark = pytest.mark.corpus


def _evaluated(case: Case) -> Evaluation:
    request = Request.mail_from(ip_address(case.host), case.mail_from, case.helo)
    return run_lookup(evaluate(request, receiver="receiver.example", now=1_790_000_000), dns_of(case.zone))


def test_every_case_of_the_suite_passes(corpus: Callable[[str], Path]) -> None:
    found = list(cases(corpus("spf")))
    assert len(found) == 203
    wrong = []
    for case in found:
        evaluation = _evaluated(case)
        if evaluation.result.value not in case.results:
            wrong.append(
                f"{case.name} ({case.spec}): {evaluation.result.value}, not {case.results}: {evaluation.reason}"
            )
        if case.explanation is not None:
            expected = "" if case.explanation == "DEFAULT" else case.explanation
            if evaluation.explanation != expected:
                wrong.append(f"{case.name} ({case.spec}): {evaluation.explanation!r}, not {expected!r}")
    assert wrong == []
