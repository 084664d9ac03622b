"""`danelaw bounce`, and the data files in `danelaw config check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from danelaw.cli import bounce, config, queue
from danelaw.config import ConfigError, loads
from danelaw.config.limiting import limit_rules
from danelaw.config.schema import SMALLEST
from danelaw.errors import DanelawError
from danelaw.queue.limits import LimitRule
from danelaw.queue.rates import Rate
from danelaw.replies import NoReply, shipped, shipped_responses
from danelaw.routing import shipped_sites


def invoke(command: object, *args: str | Path) -> Result:
    return CliRunner().invoke(command, [str(arg) for arg in args], standalone_mode=False)  # type: ignore[arg-type]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "danelaw.toml"
    path.write_text(SMALLEST + '[bounces]\nfile = "bounces.toml"\n[responses]\nfile = "responses.toml"\n')
    (tmp_path / "bounces.toml").write_text(
        '[class.vip]\nnotice = "we know them"\nadvice = "call"\ntreatment = "retry"\n'
        '[[rule]]\nclass = "vip"\ntext = "our partner"\nexamples = ["550 our partner says no"]\n'
    )
    (tmp_path / "responses.toml").write_text(
        '[[response]]\nclass = "vip"\naction = "hold"\nexample = "550 our partner says no"\n'
    )
    return path


def test_a_reply_is_explained_in_words_and_in_json() -> None:
    shown = invoke(bounce.command, "classify", "552 5.2.2 Mailbox full", "--ascii").output
    assert "quota: the mailbox of the recipient is full." in shown
    assert "done: returned to the sender" in shown
    found = json.loads(
        invoke(bounce.command, "classify", "421 4.7.0 Try again later, closing connection.", "--site", "google",
               "--json").output
    )  # fmt: skip
    assert (found["class"], found["tried_again"]) == ("rate-limited", True)
    assert found["response"]["action"] == "slow-down"
    shown = invoke(bounce.command, "classify", "421 4.7.0 Try again later, closing connection.", "--site", "google",
                   "--ascii").output  # fmt: skip
    assert "besides: slow the site google down to 50%" in " ".join(shown.split())
    assert isinstance(invoke(bounce.command, "classify", "hello").exception, NoReply)


def test_every_class_is_listed() -> None:
    shown = invoke(bounce.command, "list", "--ascii").output
    assert all(one.name in shown for one in shipped().classes)
    assert shown.splitlines()[-1].startswith("next: danelaw bounce classify")


def test_own_rules_are_used_and_checked_with_the_configuration(own: Path) -> None:
    found = json.loads(invoke(bounce.command, "classify", "550 Our partner is away", "--config", own, "--json").output)
    assert (found["class"], found["rule"], found["tried_again"]) == ("vip", "rule 1 of bounces.toml", True)
    assert invoke(config.command, "check", own).return_value == 0
    bounces = own.parent / "bounces.toml"
    bounces.write_text(bounces.read_text().replace("550 our partner says no", "552 mailbox full"))
    wrong = invoke(config.command, "check", own).exception
    assert isinstance(wrong, DanelawError)
    assert "rule 1 of bounces.toml: the example '552 mailbox full' is taken for quota" in wrong.reason
    bounces.unlink()
    assert "bounces.toml cannot be read" in str(invoke(config.command, "check", own).exception)


def test_every_shipped_response_is_called_for_by_its_example() -> None:
    assert shipped_responses().failures(shipped()) == []


def test_sites_are_listed_with_their_limits_and_found_by_host() -> None:
    assert "google" in invoke(queue.command, "sites", "--ascii").output
    found = json.loads(invoke(queue.command, "sites", "aspmx.l.google.com", "--json").output)
    assert found == {"host": "aspmx.l.google.com", "site": "google"}


def limits(text: str) -> tuple[LimitRule, ...]:
    return limit_rules(loads(f"{SMALLEST}\n{text}").limit, shipped_sites(), shipped_limits=False)


def test_a_limit_of_the_configuration_becomes_a_rule() -> None:
    [rule] = limits(
        '[[limit]]\nname = "a"\nsite = ["google"]\nper = ["local"]\nconnections = 5\nrate = "100/min"\n'
        'connection_rate = "5/s"\nrecipients = 7\nmessages_per_connection = 9\nadaptive = false\n'
        "warm_up = { since = 2026-12-01, per_day = [50, 100] }\n"
    )
    assert rule.match == (("site", ("google",)),)
    assert (rule.per, rule.connections, rule.rate, rule.connection_rate) == (("local",), 5, Rate(100, 60), Rate(5, 1))
    assert (rule.recipients, rule.messages_per_connection, rule.adaptive) == (7, 9, False)
    assert rule.warm_up is not None
    assert rule.warm_up.start == 1_796_083_200.0  # 2026-12-01T00:00:00Z
    assert rule.warm_up.rate(1_796_083_200.0 + 86_400) == Rate(100, 86_400)


def test_every_shipped_site_has_limits_that_can_be_kept() -> None:
    rules = limit_rules((), shipped_sites(), shipped_limits=True)
    assert len(rules) == len(shipped_sites().sites)
    assert limit_rules((), shipped_sites(), shipped_limits=False) == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('name = "a"\n', "limits nothing"),
        ('name = "a"\nrate = "fast"\n', "is not a rate"),
        ('name = "a"\nrate = "0/min"\n', "keep mail for ever"),
        ('name = "A b"\nconnections = 1\n', "name"),
        ('name = "a"\nconnections = 0\n', "at least 1"),
        ('name = "a"\nconnections = 1\nremote = ["x"]\n', "no address or network"),
        ('name = "a"\nwarm_up = { since = 2026-12-01, per_day = [0] }\n', "no warm-up"),
        ('name = "a"\nconnections = 1\n[[limit]]\nname = "a"\nconnections = 2\n', "appears twice"),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        limits(f"[[limit]]\n{text}")
