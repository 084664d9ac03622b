"""The catalogue is complete, consistent, and docs/lab.md shows it as it is."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from danelaw.address import Domain
from danelaw.lab import SCENARIOS, Scenario
from danelaw.lab.coverage import gaps, reference, result, strays
from danelaw.lab.rules import DEFECTS, RESULTS, RULES
from danelaw.lab.scenario import Behaviour, FaultKind, Host, Level, PolicyHost, ProtectedBy, StartTLS
from danelaw.lab.world import host_name
from danelaw.tlspolicy import Protection

DEMO = (
    "dane expired-cert rollover private-ca sts first-mx-dead sts-testing odd-tlsa plain "
    "stripped forged-cert forged-dns sts-downgrade"
)


def test_no_cell_that_matters_is_empty() -> None:
    assert gaps(SCENARIOS) == []


def test_no_scenario_claims_a_rule_or_result_that_does_not_exist() -> None:
    assert strays(SCENARIOS) == []


def test_a_missing_scenario_is_noticed() -> None:
    assert ("mx-null", "returned") in gaps([s for s in SCENARIOS if s.domain != "null-mx.lab"])


def test_every_scenario_shows_a_rule() -> None:
    assert [s.domain for s in SCENARIOS if not s.rules] == []


def test_the_page_is_fresh(repository: Path) -> None:
    assert (repository / "docs" / "lab.md").read_text() == reference(), "run: make docs"


def test_rules_and_defects_have_their_own_ids() -> None:
    assert max(Counter([row.id for row in (*RULES, *DEFECTS)]).values()) == 1
    assert all(defect.results or defect.elsewhere for defect in DEFECTS)


def test_every_mistake_of_the_field_notes_has_a_row() -> None:
    assert len(DEFECTS) == 31


def test_there_are_enough_and_no_domain_twice() -> None:
    assert len(SCENARIOS) >= 45
    assert len({s.domain for s in SCENARIOS}) == len(SCENARIOS)


def test_the_demo_has_its_rows_in_order() -> None:
    rows = sorted((s for s in SCENARIOS if s.demo is not None), key=lambda s: s.demo or 0)
    assert [s.domain for s in rows] == [f"{name}.lab" for name in DEMO.split()]
    assert [s.domain for s in rows if s.attack] == [f"{name}.lab" for name in DEMO.split()[-4:]]


def test_words_are_those_of_the_gateway() -> None:
    words = {protection.value for protection in Protection}
    assert set(get_args(ProtectedBy)) <= words
    assert {protection.level for protection in Protection} <= set(get_args(Level))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda s: s.domain)
def test_outcome_and_protection_agree(scenario: Scenario) -> None:
    assert (scenario.outcome == "delivered") == (scenario.protection != "nothing sent")
    assert result(scenario) in RESULTS
    assert Domain.from_text(scenario.domain).to_text() == scenario.domain
    assert scenario.why
    assert not scenario.why.endswith(".")


def test_every_behaviour_fault_and_policy_host_is_used() -> None:
    assert {fault.kind for s in SCENARIOS for fault in s.faults} == set(FaultKind)
    assert {s.sts.host for s in SCENARIOS if s.sts} == set(PolicyHost)
    assert {host.behaviour.starttls for s in SCENARIOS for host in s.hosts} == set(StartTLS)


def test_a_host_elsewhere_is_declared_somewhere() -> None:
    declared = {host_name(h, s.domain) for s in SCENARIOS for h in s.hosts if not h.elsewhere}
    wanted = {host_name(h, s.domain) for s in SCENARIOS for h in s.hosts if h.elsewhere}
    assert wanted <= declared


def test_the_default_is_the_happy_path() -> None:
    scenario = Scenario(domain="x.lab")
    assert (scenario.outcome, scenario.protection, scenario.level) == ("delivered", "DANE", "dane")
    assert scenario.hosts == (Host(),)
    assert scenario.hosts[0].behaviour == Behaviour()


def test_a_reason_with_fingerprints_matches_the_real_ones() -> None:
    scenario = next(s for s in SCENARIOS if s.domain == "forged-cert.lab")
    assert re.fullmatch(scenario.why_pattern, "key 7be1407c…9909 shown, 0d6f88a1…03c2 published")
    assert not re.fullmatch(scenario.why_pattern, "key x shown, 0d6f88a1…03c2 published")
    assert scenario.why_shown == "key … shown, … published"
