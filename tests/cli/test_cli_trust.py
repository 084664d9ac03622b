"""`danelaw trust` where no lab is needed: what it says of groups, and of what there is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from danelaw.cli import danelaw
from danelaw.errors import DanelawError
from danelaw.state import FILE_NAME, StateDatabase, TrustStore
from danelaw.trustgroup import Change, MemberRecord, Observation

NOW = 1_795_000_000.0
GROUPS = """
hostname = "gw.example"
[spool]
directory = "spool"
[authentication]
enabled = true
[[trust_group]]
name = "hospitals"
members = ["hospital.example", ".clinic.example"]
send = "dane"
receive = { tls = "1.2", dkim = "aligned" }
exempt = ["old.clinic.example"]
owner = "mail team"
comment = "Contract 17"
until = 2099-12-31
[[trust_group]]
name = "past"
members = ["a.example"]
send = "verified"
until = 2020-01-01
[[trust_group]]
name = "tes"
profile = "tes"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "danelaw.toml"
    path.write_text(GROUPS)
    return path


def invoke(config: Path, *words: str) -> Result:
    result = CliRunner().invoke(danelaw, [*words, "--config", str(config)], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result


def as_json(config: Path, *words: str) -> Any:
    return json.loads(invoke(config, *words, "--json").output)


def remembered(config: Path) -> TrustStore:
    (config.parent / "spool").mkdir()
    store = TrustStore(StateDatabase(config.parent / "spool" / FILE_NAME))
    store.meet("hospitals", ["a.clinic.example", "hospital.example"], NOW, lambda name: 0.0, 0.0)
    kept = MemberRecord(Observation.KEPT, NOW, "2 of 2 servers: DANE", NOW, NOW + 9.0)
    broken = MemberRecord(Observation.BROKEN, NOW, "no TLSA", NOW, NOW + 9.0, Observation.KEPT, 2)
    store.keep("hospitals", "a.clinic.example", kept, None)
    change = Change(Observation.KEPT, Observation.BROKEN, NOW, "no TLSA")
    store.keep("hospitals", "hospital.example", broken, change)
    return store


def test_groups_are_listed_before_any_gateway_has_run(config: Path) -> None:
    page = invoke(config, "trust", "list").output
    assert "hospitals" in page
    assert "none seen yet" in page
    assert "has ended" in page
    groups = {one["name"]: one for one in as_json(config, "trust", "list")["groups"]}
    assert groups["hospitals"]["receive"] == {"tls": "1.2", "dkim": "aligned", "dmarc": "off", "signed_keys": False}
    assert groups["hospitals"]["expires"] == "2100-01-01T00:00:00Z"
    assert (groups["past"]["active"], groups["tes"]["active"]) == (False, True)
    assert groups["tes"]["membership"] == "DNS (tes-master, root trusted-email-services.com)"


def test_a_group_is_shown_with_what_is_believed(config: Path) -> None:
    remembered(config).close()
    page = invoke(config, "trust", "show", "hospitals", "--ascii").output
    assert page.isascii()
    assert page.startswith("x hospitals: hospital.example does not keep what the group demands.")
    assert "BREACH (2 looks: kept)" in page
    assert "mail team - Contract 17" in page
    assert page.splitlines()[-1] == "next: danelaw trust check hospitals hospital.example"
    shown = as_json(config, "trust", "show", "hospitals")
    assert shown["standing"] == {"kept": 1, "broken": 1, "left": 0, "new": 0}
    assert shown["changes"][0]["now"] == "broken"


def test_a_file_of_an_older_version_is_no_trouble(config: Path) -> None:
    (config.parent / "spool").mkdir()
    StateDatabase(config.parent / "spool" / FILE_NAME).close()
    assert "no member was looked at yet" in invoke(config, "trust", "show", "hospitals").output


def test_what_there_is_not_is_said_with_what_to_do(config: Path) -> None:
    with pytest.raises(DanelawError, match="no trust group 'nobody'; there are hospitals, past, tes"):
        invoke(config, "trust", "show", "nobody")
    with pytest.raises(DanelawError, match="no member of tes is known by name yet") as error:
        invoke(config, "trust", "check", "tes")
    assert error.value.advice == "danelaw trust check tes DOMAIN"
    config.write_text('hostname = "gw.example"\n')
    assert "There is no trust group" in invoke(config, "trust", "list").output


def test_effective_says_what_a_group_demands(config: Path) -> None:
    def entries(domain: str) -> dict[str, str]:
        return {one["value"]: one["why"] for one in as_json(config, "config", "effective", domain)["applies"]}

    assert '[[trust_group]] "hospitals" lists it' in entries("x.clinic.example").values()
    by_dns = "at least DANE if DNS says it is a member"
    assert by_dns in entries("stranger.example")
    assert "at least DANE" not in entries("old.clinic.example")
    assert "at least verified" not in entries("a.example")
