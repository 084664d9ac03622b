"""Which policy applies, and when it is fetched (RFC 8461 §3.1, §3.3, §5.1, §8.2, §10.2)."""

from __future__ import annotations

import dns.rcode
import pytest

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.mtasts import (
    REFRESH_AFTER,
    RETRY_AFTER,
    Announcement,
    CachedPolicy,
    FetchFailure,
    PolicyMode,
    STSAction,
    STSDecision,
    STSDiscovery,
    STSPolicy,
    STSRecord,
    after_failure,
    after_fetch,
    decide,
    discover,
    policy_host,
    policy_url,
)
from danelaw.testing import FakeDNS, run_lookup

NOW = 1_790_000_000.0
DAY = 86_400.0
DOMAIN = Domain("example.org")
ENFORCE = STSPolicy(PolicyMode.ENFORCE, ("mx.example.org",), 7 * 86_400)
BODY = ENFORCE.to_text().encode()


def looked_up(secure: str = "", insecure: str = "", domain: Domain = DOMAIN) -> STSDiscovery:
    return run_lookup(discover(domain), FakeDNS(secure, insecure))


# Discovery


@pytest.mark.parametrize(
    ("zone", "found", "identity"),
    [
        ('_mta-sts.example.org. TXT "v=STSv1; id=1;"', Announcement.FOUND, "1"),
        ('_mta-sts.example.org. TXT "v=STS" "v1; i" "d=12"', Announcement.FOUND, "12"),  # strings are joined
        ('_mta-sts.example.org. TXT "v=spf1"\n_mta-sts.example.org. TXT "v=STSv1; id=1"', Announcement.FOUND, "1"),
        (
            '_mta-sts.example.org. TXT "v=STSv1; id=1"\n_mta-sts.example.org. TXT "v=STSv1; id=2"',
            Announcement.INVALID,
            "",
        ),
        ('_mta-sts.example.org. TXT "v=STSv1; id=not/allowed"', Announcement.INVALID, ""),
        ('_mta-sts.example.org. TXT "v=STSv1; id=\\195\\169"', Announcement.INVALID, ""),
        ('_mta-sts.example.org. TXT "hello"', Announcement.ABSENT, ""),
        ("_mta-sts.example.org. A 192.0.2.1", Announcement.ABSENT, ""),
        ("example.org. A 192.0.2.1", Announcement.ABSENT, ""),
        (
            "_mta-sts.example.org. CNAME _mta-sts.provider.example.\n"
            '_mta-sts.provider.example. TXT "v=STSv1; id=delegated"',
            Announcement.FOUND,
            "delegated",
        ),  # RFC 8461 §8.2
        ('_mta-sts.org. TXT "v=STSv1; id=parent"', Announcement.ABSENT, ""),  # never the parent (§3.4)
    ],
)
@pytest.mark.parametrize("signed", [True, False])
def test_what_the_txt_record_announces(zone: str, found: Announcement, identity: str, signed: bool) -> None:
    discovery = looked_up(zone, "") if signed else looked_up("", zone)
    assert discovery.announcement is found
    assert (discovery.record.id if discovery.record else "") == identity
    assert discovery.reason
    assert len(discovery.answers) == 1


@pytest.mark.parametrize(
    "failure", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL, dns.rcode.REFUSED]
)
def test_a_failed_lookup_is_no_evidence_of_absence(failure: DNSSECStatus | dns.rcode.Rcode) -> None:
    dns_ = FakeDNS('_mta-sts.example.org. TXT "v=STSv1; id=1"')
    dns_.fail("_mta-sts.example.org", failure)
    discovery = run_lookup(discover(DOMAIN), dns_)
    assert discovery.announcement is Announcement.FAILED
    assert "_mta-sts.example.org. TXT" in discovery.reason


def test_a_domain_too_long_for_the_label_announces_nothing() -> None:
    long = Domain.from_text(".".join(["a" * 60] * 4))
    assert looked_up(domain=long).announcement is Announcement.ABSENT


def test_where_the_policy_is() -> None:
    assert policy_host(DOMAIN) == Domain("mta-sts.example.org")
    assert policy_url(DOMAIN) == "https://mta-sts.example.org/.well-known/mta-sts.txt"


# Decisions

FOUND = STSDiscovery(DOMAIN, Announcement.FOUND, STSRecord("1"), "id 1")
CHANGED = STSDiscovery(DOMAIN, Announcement.FOUND, STSRecord("2"), "id 2")
ABSENT = STSDiscovery(DOMAIN, Announcement.ABSENT, reason="no record")
INVALID = STSDiscovery(DOMAIN, Announcement.INVALID, reason="two records")
FAILED = STSDiscovery(DOMAIN, Announcement.FAILED, reason="SERVFAIL")

FRESH = CachedPolicy(ENFORCE, "1", NOW - 3600)
AGED = CachedPolicy(ENFORCE, "1", NOW - REFRESH_AFTER)
EXPIRED = CachedPolicy(ENFORCE, "1", NOW - 7 * DAY - 1)
NONE = CachedPolicy(STSPolicy(PolicyMode.NONE, (), 7 * 86_400), "1", NOW - 3600)

JUST_NOW = FetchFailure(NOW - RETRY_AFTER + 1, "sts-policy-fetch-error", "no connection", "1")
LONG_AGO = FetchFailure(NOW - RETRY_AFTER, "sts-policy-fetch-error", "no connection", "1")
OTHER_ID = FetchFailure(NOW - 1, "sts-policy-fetch-error", "no connection", "2")


@pytest.mark.parametrize(
    ("discovery", "cached", "failure", "action", "applies", "error"),
    [
        # a record, nothing remembered
        (FOUND, None, None, STSAction.FETCH, False, None),
        (FOUND, EXPIRED, None, STSAction.FETCH, False, None),
        (FOUND, None, JUST_NOW, STSAction.NONE, False, "sts-policy-fetch-error"),
        (FOUND, EXPIRED, JUST_NOW, STSAction.NONE, False, "sts-policy-fetch-error"),
        (FOUND, None, LONG_AGO, STSAction.FETCH, False, None),
        (FOUND, None, OTHER_ID, STSAction.FETCH, False, None),  # §3.3: five minutes per version id
        # a record, the same id remembered
        (FOUND, FRESH, None, STSAction.USE_CACHED, True, None),
        (FOUND, FRESH, JUST_NOW, STSAction.USE_CACHED, True, None),
        (FOUND, NONE, None, STSAction.USE_CACHED, True, None),
        (FOUND, AGED, None, STSAction.REFRESH, True, None),
        (FOUND, AGED, JUST_NOW, STSAction.USE_CACHED, True, None),
        (FOUND, AGED, LONG_AGO, STSAction.REFRESH, True, None),
        # a record with another id
        (CHANGED, FRESH, None, STSAction.FETCH, True, None),
        (CHANGED, FRESH, OTHER_ID, STSAction.USE_CACHED, True, None),
        (CHANGED, FRESH, JUST_NOW, STSAction.FETCH, True, None),
        # no usable record: a remembered policy holds (§3.3, §5.1, §10.2)
        (ABSENT, FRESH, None, STSAction.USE_CACHED, True, None),
        (INVALID, FRESH, None, STSAction.USE_CACHED, True, None),
        (FAILED, FRESH, None, STSAction.USE_CACHED, True, None),
        (ABSENT, AGED, None, STSAction.USE_CACHED, True, None),
        (FAILED, NONE, None, STSAction.USE_CACHED, True, None),
        (ABSENT, EXPIRED, None, STSAction.NONE, False, None),
        (INVALID, EXPIRED, None, STSAction.NONE, False, None),
        (FAILED, EXPIRED, None, STSAction.NONE, False, None),
        (ABSENT, None, None, STSAction.NONE, False, None),
        (INVALID, None, None, STSAction.NONE, False, None),
        (FAILED, None, None, STSAction.NONE, False, None),
    ],
)
def test_every_branch(
    discovery: STSDiscovery,
    cached: CachedPolicy | None,
    failure: FetchFailure | None,
    action: STSAction,
    applies: bool,
    error: str | None,
) -> None:
    decision = decide(discovery, cached, NOW, failure=failure)
    assert decision.action is action
    assert decision.policy is (cached if applies else None)
    assert (decision.error, decision.wait) == (error, False)
    assert decision.note
    if action in (STSAction.FETCH, STSAction.REFRESH):
        assert discovery.record is not None
        assert decision.id == discovery.record.id


@pytest.mark.parametrize(
    ("discovery", "cached", "waits"),
    [
        (FAILED, None, True),
        (FAILED, EXPIRED, True),
        (FAILED, FRESH, False),
        (ABSENT, None, False),
        (INVALID, None, False),
    ],
)
def test_waiting_for_an_unknown_txt_record_is_a_setting(
    discovery: STSDiscovery, cached: CachedPolicy | None, waits: bool
) -> None:
    assert decide(discovery, cached, NOW, defer_when_unknown=True).wait is waits
    assert not decide(discovery, cached, NOW).wait


def test_a_policy_holds_to_the_last_second() -> None:
    cached = CachedPolicy(ENFORCE, "1", NOW)
    assert cached.expires == NOW + 7 * DAY
    assert decide(ABSENT, cached, NOW + 7 * DAY).policy is cached
    assert decide(ABSENT, cached, NOW + 7 * DAY + 0.001).policy is None


def test_a_clock_that_was_set_back_leads_to_a_refresh() -> None:
    later = CachedPolicy(ENFORCE, "1", NOW + 3600)
    assert decide(FOUND, later, NOW).action is STSAction.REFRESH
    failed_later = FetchFailure(NOW + 3600, "sts-policy-fetch-error", "no", "1")
    assert decide(FOUND, None, NOW, failure=failed_later).action is STSAction.FETCH


# After the fetch

FETCH = STSDecision(STSAction.FETCH, None, "announced", "2")
REFRESH = STSDecision(STSAction.REFRESH, AGED, "due", "1")
REPLACE = STSDecision(STSAction.FETCH, FRESH, "changed", "2")


@pytest.mark.parametrize("decision", [FETCH, REFRESH, REPLACE])
def test_a_valid_policy_is_remembered_and_applies(decision: STSDecision) -> None:
    outcome = after_fetch(decision, BODY, NOW)
    assert outcome.cached == CachedPolicy(ENFORCE, decision.id, NOW)
    assert outcome.decision.policy == outcome.cached
    assert outcome.failure is None
    assert outcome.decision.error is None


def test_mode_none_replaces_an_enforced_policy() -> None:
    outcome = after_fetch(REPLACE, b"version: STSv1\nmode: none\nmax_age: 86400\n", NOW)
    assert outcome.cached is not None
    assert outcome.cached.policy.mode is PolicyMode.NONE


@pytest.mark.parametrize("body", [b"", b"<html>", BODY.replace(b"enforce", b"strict"), b"x" * 70_000])
@pytest.mark.parametrize("decision", [FETCH, REFRESH, REPLACE])
def test_an_invalid_document_never_replaces_a_policy(decision: STSDecision, body: bytes) -> None:
    outcome = after_fetch(decision, body, NOW)
    assert outcome.cached is decision.policy
    assert outcome.decision.policy is decision.policy
    assert outcome.failure is not None
    assert (outcome.failure.tlsrpt, outcome.failure.id, outcome.failure.at) == ("sts-policy-invalid", decision.id, NOW)
    # Without a policy mail goes on as if there were none (§3.3), and the failure is reported.
    assert outcome.decision.error == (None if decision.policy else "sts-policy-invalid")


def test_a_failed_fetch_leaves_everything_as_it_was() -> None:
    lost = after_failure(FETCH, "sts-webpki-invalid", "wrong name", NOW)
    assert (lost.decision.action, lost.decision.policy, lost.cached) == (STSAction.NONE, None, None)
    assert lost.decision.error == "sts-webpki-invalid"
    assert "wrong name; as if there were no policy" in lost.decision.note
    held = after_failure(REPLACE, "sts-policy-fetch-error", "no answer", NOW)
    assert (held.decision.action, held.decision.policy, held.cached) == (STSAction.USE_CACHED, FRESH, FRESH)
    assert "no answer; the remembered policy holds" in held.decision.note
    assert held.failure == FetchFailure(NOW, "sts-policy-fetch-error", "no answer", "2")


def test_a_policy_that_ends_while_it_is_refreshed_does_not_apply_any_more() -> None:
    outcome = after_failure(REFRESH, "sts-policy-fetch-error", "no answer", AGED.expires + 1)
    assert outcome.decision.policy is None
    assert outcome.decision.error == "sts-policy-fetch-error"


def test_the_story_of_an_interfering_attacker() -> None:
    """§10.2: neither suppressed DNS nor suppressed HTTPS makes a remembered policy go away before its time."""
    first = after_fetch(decide(FOUND, None, NOW), BODY, NOW).cached
    assert first is not None
    when, failure = NOW, None
    while when < first.expires:
        for discovery in (FAILED, ABSENT, INVALID, FOUND, CHANGED):
            decision = decide(discovery, first, when, failure=failure)
            assert decision.policy is first
            if decision.action in (STSAction.FETCH, STSAction.REFRESH):
                outcome = after_failure(decision, "sts-policy-fetch-error", "blocked", when)
                assert outcome.cached is first
                failure = outcome.failure
        when += DAY / 3
    assert decide(ABSENT, first, first.expires + 1).policy is None


def test_a_failed_look_up_names_its_question_once() -> None:
    zone = FakeDNS().fail(
        "_mta-sts.example.org TXT", reason="_mta-sts.example.org. TXT: the resolver answered SERVFAIL"
    )
    assert run_lookup(discover(DOMAIN), zone).reason == "_mta-sts.example.org. TXT: the resolver answered SERVFAIL"
