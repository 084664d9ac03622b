"""What a notice knows besides the end: trouble kept by destination, the newest round of tries, until when it worked."""

from __future__ import annotations

import sqlite3
from dataclasses import replace

import pytest

from danelaw.dsn import Cause, Demander
from danelaw.outbound.circumstances import ROUND, Circumstances, described, from_spool
from danelaw.outbound.outcome import RecipientOutcome
from danelaw.queue import Attempt, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey, Settlement
from danelaw.spool.attempts import AttemptWriter
from danelaw.spool.schema import migrate
from danelaw.spool.trouble import forget_trouble, trouble_of

NOW = 1_795_474_800.0
KEY = RoutingKey("example.org")
BAD = Attempt(
    NOW, "example.org", host="mx1.example.org", address="192.0.2.10", protection="nothing sent", outcome="waiting",
    reason="key shown, another published", cause="wrong-key", demander="tlsa", tls_version="TLSv1.3",
)  # fmt: skip
DEAD = replace(BAD, host="mx2.example.org", address="192.0.2.20", cause="no-connection", reason="no answer in 30 s")
GOOD = replace(BAD, protection="DANE", outcome="delivered", cause="", demander="", reason="")


@pytest.fixture
def spool() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    return connection


def settled(number: int, *tries: Attempt, key: RoutingKey = KEY) -> Settlement:
    message = QueuedMessage(number, NOW, NOW + 86400, "a@b.example", (QueuedRecipient(0, "x@example.org", key),), 1)
    return Settlement(message, tries[0].time, attempts=tries)


def test_mail_that_waits_for_its_queue_knows_what_the_one_tried_found(spool: sqlite3.Connection) -> None:
    writer = AttemptWriter()
    writer.write(spool, [settled(1, replace(GOOD, time=NOW - 900))])
    writer.write(spool, [settled(2, BAD, replace(DEAD, time=NOW + 30))])
    writer.write(spool, [settled(2, replace(BAD, time=NOW + 600), replace(DEAD, time=NOW + 630))])
    found = from_spool(spool, 3, KEY)
    assert [(one.host, one.when) for one in found.tries] == [
        ("mx1.example.org", NOW + 600),
        ("mx2.example.org", NOW + 630),
    ]
    assert found.cause is Cause.WRONG_KEY
    assert found.demander is Demander.TLSA
    assert (found.failing_since, found.worked_until) == (NOW, NOW - 900)


def test_trouble_ends_with_the_first_host_that_is_spoken_to_also_after_a_restart(spool: sqlite3.Connection) -> None:
    AttemptWriter().write(spool, [settled(1, BAD)])
    assert trouble_of(spool, "example.org") is not None
    greylisted = replace(BAD, protection="DANE", reply="451 4.7.1 come again", cause="greylisted")
    AttemptWriter().write(spool, [settled(2, greylisted)])
    assert trouble_of(spool, "example.org") is None
    found = from_spool(spool, 2, KEY)
    assert found.failing_since is None
    assert found.tries[0].reply == "451 4.7.1 come again"


def test_a_demand_of_one_sender_is_no_trouble_of_others(spool: sqlite3.Connection) -> None:
    lacking = replace(BAD, cause="no-requiretls", demander="requiretls")
    AttemptWriter().write(spool, [settled(1, lacking, key=KEY._replace(demand="requiretls"))])
    assert trouble_of(spool, "example.org") is None
    assert trouble_of(spool, "example.org", "requiretls") is not None


def test_what_policy_or_an_end_decided_is_no_trouble(spool: sqlite3.Connection) -> None:
    by_policy = replace(BAD, cause="", host="")
    ended = replace(BAD, outcome="returned", cause="null-mx", host="")
    AttemptWriter().write(spool, [settled(1, by_policy), settled(2, ended)])
    assert trouble_of(spool, "example.org") is None


def test_trouble_is_forgotten_by_age_and_after_a_rollback_not_believed(spool: sqlite3.Connection) -> None:
    writer = AttemptWriter()
    spool.execute("BEGIN")
    writer.write(spool, [settled(1, BAD)])
    spool.execute("ROLLBACK")
    writer.rolled_back()
    assert trouble_of(spool, "example.org") is None
    writer.write(spool, [settled(1, BAD)])
    assert forget_trouble(spool, NOW, 10) == 0
    assert forget_trouble(spool, NOW + 1, 10) == 1


def test_an_older_round_and_servers_that_work_elsewhere_are_left_out(spool: sqlite3.Connection) -> None:
    old = replace(BAD, host="old.example.org", time=NOW - ROUND - 1)
    assert [one.host for one in Circumstances.of_tries([old, BAD, DEAD]).tries] == [BAD.host, DEAD.host]
    writer = AttemptWriter()
    writer.write(spool, [settled(1, BAD)])
    elsewhere = replace(GOOD, destination="customer.example", time=NOW + 60)
    writer.write(spool, [settled(2, elsewhere, key=RoutingKey("customer.example"))])
    found = from_spool(spool, 1, KEY)
    assert found.failing_since == NOW
    assert found.worked_until is None


def test_where_dns_may_be_to_blame_another_hosts_finding_decides() -> None:
    assert Circumstances.of_tries([DEAD, BAD]).cause is Cause.WRONG_KEY
    assert Circumstances.of_tries([DEAD]).cause is Cause.NO_CONNECTION


@pytest.mark.parametrize(("cause", "about"), [("no-domain", "relay.example"), ("bad-mailbox", "example.org")])
def test_what_a_cause_is_about_is_the_next_hop_or_the_domain(cause: str, about: str) -> None:
    queued = QueuedRecipient(0, "anna@example.org", RoutingKey("relay.example"))
    end = RecipientOutcome(0, RecipientState.FAILED, "5.1.2", "", "it is not there", cause=cause)
    assert described(queued, end, Circumstances(), NOW).destination == about


def test_records_of_an_earlier_danelaw_have_no_cause() -> None:
    text = replace(BAD, cause="", demander="").encode()
    assert Attempt.decode(text).cause == ""
    assert Attempt.decode(BAD.encode()) == BAD
