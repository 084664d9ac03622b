"""Judgement of handshakes: real certificates, no sockets."""

from __future__ import annotations

import hashlib

import pytest
from tlspolicy_chains import NOW, chain, roots_pem, spki

from danelaw.address import Domain
from danelaw.dane import HostRecords, TLSARecord, TLSAState
from danelaw.dnsdata import DNSSECStatus
from danelaw.mtasts import PolicyMode, STSPolicy
from danelaw.pkix import Roots
from danelaw.routing import Destination, MXHost, MXResult, NextHop
from danelaw.tlspolicy import (
    NO_STS,
    Failure,
    Handshake,
    Judgement,
    Override,
    Protection,
    Requirement,
    SenderDemand,
    StartTLSOutcome,
    STSState,
    WrongHandshake,
    conclude,
    judge,
    refused,
    requirement,
    weakest,
)

DOMAIN, HOST = Domain("example.org"), Domain("mx.example.org")
GOOD = chain("mx.example.org")
OTHER = chain("other.example.net")
EXPIRED = chain("mx.example.org", days=10)
STRANGE = chain("mx.example.org", ca="Strange CA")


def key(certificates: tuple[bytes, ...] = GOOD) -> TLSARecord:
    return TLSARecord(3, 1, 1, spki(certificates[0]))


def anchor() -> TLSARecord:
    return TLSARecord(2, 0, 1, hashlib.sha256(GOOD[1]).digest())


def wanted(
    *records: TLSARecord,
    secure: bool = True,
    state: TLSAState | None = None,
    sts: PolicyMode | None = None,
    mx: str = "mx.example.org",
    override: Override | None = None,
    demand: SenderDemand = SenderDemand.NONE,
    base: Domain = HOST,
) -> Requirement:
    if state is None:
        state = TLSAState.USABLE if records else TLSAState.ABSENT
    host = HostRecords(
        HOST,
        ("192.0.2.1",),
        DNSSECStatus.SECURE,
        base if records else None,
        state,
        records,
    )
    result = MXResult(NextHop(DOMAIN), secure, (MXHost(10, HOST),))
    policy = STSState(domain=DOMAIN, policy=STSPolicy(sts, (mx,), 86400)) if sts else NO_STS
    return requirement(Destination(result, (host,)), host, policy, override, demand)


def shown(
    certificates: tuple[bytes, ...] = GOOD,
    outcome: StartTLSOutcome = StartTLSOutcome.ESTABLISHED,
    *,
    version: str = "TLSv1.3",
    requiretls: bool = False,
    detail: str = "",
) -> Handshake:
    if outcome is not StartTLSOutcome.ESTABLISHED:
        return Handshake(HOST, "192.0.2.1", 25, 7, outcome, detail=detail)
    return Handshake(
        HOST, "192.0.2.1", 25, 7, outcome, version, "TLS_AES_128_GCM_SHA256", certificates, HOST, requiretls, detail
    )


def verdict(requirement: Requirement, handshake: Handshake) -> Judgement:
    found = judge(requirement, handshake, Roots.from_pem(roots_pem()), NOW)
    assert found.reason
    assert (found.clearance is None) == (found.protection is Protection.NOTHING_SENT)
    assert (found.clearance is None) == (found.failure is not None)
    if found.clearance is not None:
        assert found.clearance.connection_id == 7
        assert found.clearance.tls == (handshake.starttls is StartTLSOutcome.ESTABLISHED)
        assert found.protection.value in found.clearance.grounds
    return found


NO_TLS = [
    StartTLSOutcome.NOT_OFFERED,
    StartTLSOutcome.HELO_ONLY,
    StartTLSOutcome.REFUSED,
    StartTLSOutcome.NOT_TRIED,
    StartTLSOutcome.FAILED,
]


def test_dane_ee_looks_at_the_key_only() -> None:
    for certificates in (GOOD, EXPIRED, STRANGE, OTHER):
        found = verdict(wanted(key(certificates)), shown(certificates))
        assert found.protection is Protection.DANE
        assert [record.matched for record in found.records] == [True]
        assert [(one.policy_type, one.policy_domain, one.result_type) for one in found.tlsrpt] == [("tlsa", HOST, None)]


def test_dane_mismatch_sends_nothing_and_is_temporary() -> None:
    found = verdict(wanted(key(OTHER)), shown(GOOD))
    assert found.failure is Failure.NOT_VERIFIED
    assert [record.matched for record in found.records] == [False]
    assert found.tlsrpt[0].result_type is not None
    ending = conclude(SenderDemand.NONE, [found])
    assert not ending.bounce
    assert ending.status == (4, 7, 5)


def test_one_stale_record_among_two_does_no_harm() -> None:
    found = verdict(wanted(key(OTHER), key(GOOD)), shown(GOOD))
    assert found.protection is Protection.DANE
    assert [record.matched for record in found.records] == [False, True]


@pytest.mark.parametrize(
    ("name", "secure", "ok"),
    [
        ("mx.example.org", True, True),
        ("example.org", True, True),
        ("example.org", False, False),
        ("mx.example.org", False, True),
        ("other.example.net", True, False),
    ],
)
def test_dane_ta_names_depend_on_the_mx(name: str, secure: bool, ok: bool) -> None:
    """RFC 7672 §3.2.2: with an insecure MX the TLSA base domain is the only reference identifier."""
    found = verdict(wanted(anchor(), secure=secure), shown(chain(name)))
    assert (found.clearance is not None) is ok
    if ok:
        assert found.protection is (Protection.DANE if secure else Protection.HOST_DANE)


def test_dane_ta_expired_leaf_fails() -> None:
    found = verdict(wanted(anchor()), shown(EXPIRED))
    assert found.tlsrpt[0].result_type == "certificate-expired"


@pytest.mark.parametrize("outcome", NO_TLS)
def test_missing_tls_under_a_demand_fails_the_host(outcome: StartTLSOutcome) -> None:
    demands = [
        wanted(key()),
        wanted(TLSARecord(1, 1, 1, b"x" * 32), state=TLSAState.UNUSABLE),
        wanted(sts=PolicyMode.ENFORCE),
        wanted(override=Override.of("example.org", "encrypt")),
    ]
    for demand in demands:
        found = verdict(demand, shown(outcome=outcome, detail="454 4.7.0 not now"))
        assert found.failure is Failure.NO_TLS
        assert "454 4.7.0 not now" in found.reason
        assert not found.retry_clear
    reports = verdict(wanted(key()), shown(outcome=outcome)).tlsrpt
    if outcome is StartTLSOutcome.NOT_TRIED:  # nothing was learned about TLS
        assert reports == ()
        return
    expected = "validation-failure" if outcome is StartTLSOutcome.FAILED else "starttls-not-supported"
    assert [(one.result_type, one.policy) for one in reports] == [(expected, (key(),))]


def test_unusable_records_demand_tls_and_check_nobody() -> None:
    found = verdict(wanted(TLSARecord(1, 1, 1, b"x" * 32), state=TLSAState.UNUSABLE), shown(STRANGE))
    assert found.protection is Protection.ENCRYPTED


def told(found: Judgement) -> list[tuple[str, str, str | None]]:
    return [(one.policy_type, one.policy_domain.ascii, one.result_type) for one in found.tlsrpt]


def test_unusable_records_are_a_failure_to_report_beside_what_mta_sts_says() -> None:
    odd = TLSARecord(1, 1, 1, b"x" * 32)
    found = verdict(wanted(odd, state=TLSAState.UNUSABLE), shown(STRANGE))
    assert told(found) == [("tlsa", "mx.example.org", "tlsa-invalid")]
    assert found.tlsrpt[0].policy == (odd,)
    both = verdict(wanted(odd, state=TLSAState.UNUSABLE, sts=PolicyMode.ENFORCE), shown())
    assert told(both) == [("tlsa", "mx.example.org", "tlsa-invalid"), ("sts", "example.org", None)]
    assert both.tlsrpt[1].policy == STSPolicy(PolicyMode.ENFORCE, ("mx.example.org",), 86400)


def test_dane_of_the_host_and_mta_sts_of_the_domain_are_both_told() -> None:
    for certificates, tlsa, sts in ((GOOD, None, None), (OTHER, "tlsa-invalid", "certificate-host-mismatch")):
        requirement = wanted(key(), secure=False, sts=PolicyMode.ENFORCE)
        found = verdict(requirement, shown(certificates))
        assert told(found) == [("tlsa", "mx.example.org", tlsa), ("sts", "example.org", sts)]
        old = verdict(wanted(key(), secure=False, sts=PolicyMode.TESTING), shown(version="TLSv1"))
        assert [result for *_, result in told(old)] == ["validation-failure", "validation-failure"]


@pytest.mark.parametrize(("secure", "expected"), [(True, "dane-required"), (False, "dane-required")])
def test_a_host_without_records_where_dane_is_required(secure: bool, expected: str) -> None:
    require = Override.of("example.org", "dane-require")
    found = refused(wanted(secure=secure, override=require))
    assert told(found) == [("tlsa", "mx.example.org", expected)]
    # Records that are there, and that nobody can use or believe, are told as what they are, once.
    odd = refused(wanted(TLSARecord(1, 1, 1, b"x" * 32), state=TLSAState.UNUSABLE, secure=secure, override=require))
    assert told(odd) == [("tlsa", "mx.example.org", "tlsa-invalid")]


def test_where_tls_is_switched_off_nothing_is_told_of_it() -> None:
    found = verdict(
        wanted(key(), override=Override.of("example.org", "none")), shown(outcome=StartTLSOutcome.NOT_TRIED)
    )
    assert found.protection is Protection.CLEAR
    assert found.tlsrpt == ()


@pytest.mark.parametrize("outcome", NO_TLS[:-1])
def test_opportunistic_goes_in_clear_where_no_tls_is_offered(outcome: StartTLSOutcome) -> None:
    found = verdict(wanted(), shown(outcome=outcome))
    assert found.protection is Protection.CLEAR
    tried = outcome is not StartTLSOutcome.NOT_TRIED
    expected = [("no-policy-found", "starttls-not-supported")] if tried else []
    assert [(one.policy_type, one.result_type) for one in found.tlsrpt] == expected


def test_opportunistic_with_a_broken_handshake_may_try_again_in_clear() -> None:
    found = verdict(wanted(), shown(outcome=StartTLSOutcome.FAILED, detail="no shared cipher"))
    assert found.clearance is None
    assert found.retry_clear
    assert [(one.policy_type, one.result_type, one.reason) for one in found.tlsrpt] == [
        ("no-policy-found", "validation-failure", "no shared cipher")
    ]
    again = verdict(wanted(), shown(outcome=StartTLSOutcome.NOT_TRIED))
    assert again.protection is Protection.CLEAR
    assert again.tlsrpt == ()  # the connection before is the session that counts


def test_opportunistic_tls_is_encrypted_only_whoever_answers() -> None:
    for certificates in (GOOD, STRANGE, EXPIRED, ()):
        assert verdict(wanted(), shown(certificates)).protection is Protection.ENCRYPTED


@pytest.mark.parametrize(
    ("certificates", "result_type"),
    [
        (GOOD, None),
        (OTHER, "certificate-host-mismatch"),
        (EXPIRED, "certificate-expired"),
        (STRANGE, "certificate-not-trusted"),
    ],
)
def test_enforced_sts_needs_a_public_ca_and_the_mx_name(
    certificates: tuple[bytes, ...], result_type: str | None
) -> None:
    for secure in (True, False):
        found = verdict(wanted(sts=PolicyMode.ENFORCE, secure=secure), shown(certificates))
        assert found.protection is (Protection.MTA_STS if result_type is None else Protection.NOTHING_SENT)
        assert [(one.policy_type, one.policy_domain, one.result_type) for one in found.tlsrpt] == [
            ("sts", DOMAIN, result_type)
        ]
        testing = verdict(wanted(sts=PolicyMode.TESTING, secure=secure), shown(certificates))
        assert testing.protection is Protection.ENCRYPTED
        assert [one.result_type for one in testing.tlsrpt] == [result_type]
        assert len(testing.observed) == 1
        assert ("would fail" in testing.observed[0]) is (result_type is not None)


def test_testing_without_tls_is_delivered_and_counted() -> None:
    found = verdict(wanted(sts=PolicyMode.TESTING), shown(outcome=StartTLSOutcome.NOT_OFFERED))
    assert found.protection is Protection.CLEAR
    assert [one.result_type for one in found.tlsrpt] == ["starttls-not-supported"]


def test_insecure_mx_with_dane_and_sts_needs_both() -> None:
    """FIELD rule 7: neither rescues the other."""
    both = wanted(key(GOOD), secure=False, sts=PolicyMode.ENFORCE)
    assert verdict(both, shown(GOOD)).protection is Protection.MTA_STS
    dane_only = wanted(key(STRANGE), secure=False, sts=PolicyMode.ENFORCE)
    assert verdict(dane_only, shown(STRANGE)).failure is Failure.NOT_VERIFIED
    sts_only = wanted(key(OTHER), secure=False, sts=PolicyMode.ENFORCE)
    assert verdict(sts_only, shown(GOOD)).failure is Failure.NOT_VERIFIED


def test_unlisted_host_is_refused_before_any_connection() -> None:
    demand = wanted(sts=PolicyMode.ENFORCE, mx="mx.elsewhere.example")
    found = refused(demand)
    assert found.failure is Failure.NOT_VERIFIED
    assert [(one.policy_type, one.result_type) for one in found.tlsrpt] == [("sts", "validation-failure")]
    assert verdict(demand, shown(GOOD)).reason == found.reason
    with pytest.raises(ValueError, match="not refused"):
        refused(wanted())


def test_verify_and_fingerprint_overrides() -> None:
    verify = Override.of("example.org", "verify")
    assert verdict(wanted(override=verify), shown(GOOD)).protection is Protection.PKIX
    assert verdict(wanted(override=verify), shown(STRANGE)).failure is Failure.NOT_VERIFIED
    assert verdict(wanted(override=verify, secure=False), shown(GOOD)).failure is Failure.NOT_VERIFIED
    assert verdict(wanted(override=verify, secure=False), shown(chain("example.org"))).protection is Protection.PKIX
    for digest in (spki(STRANGE[0]), hashlib.sha256(STRANGE[0]).digest()):
        pinned = Override.of("example.org", "fingerprint", fingerprints=["00" * 32, digest.hex()])
        assert verdict(wanted(override=pinned), shown(STRANGE)).protection is Protection.PINNED
        assert verdict(wanted(override=pinned), shown(GOOD)).failure is Failure.NOT_VERIFIED


def test_none_override_never_needs_tls() -> None:
    demand = wanted(key(), override=Override.of("example.org", "none"))
    assert verdict(demand, shown(outcome=StartTLSOutcome.NOT_TRIED)).protection is Protection.CLEAR


def test_giving_in_tells_what_would_have_failed() -> None:
    found = verdict(wanted(key(OTHER), override=Override.of("example.org", "encrypt")), shown(GOOD))
    assert found.protection is Protection.ENCRYPTED
    assert found.observed[0].startswith("DANE: would fail")
    assert [record.matched for record in found.records] == [False]
    assert found.tlsrpt[0].result_type is not None


def test_waiver_delivers_counts_and_does_not_belittle() -> None:
    waived = SenderDemand.TLS_REQUIRED_NO
    broken = verdict(wanted(key(OTHER), demand=waived), shown(GOOD))
    assert broken.protection is Protection.ENCRYPTED
    assert broken.tlsrpt[0].result_type is not None
    assert verdict(wanted(key(GOOD), demand=waived), shown(GOOD)).protection is Protection.DANE
    clear = verdict(wanted(key(GOOD), demand=waived), shown(outcome=StartTLSOutcome.NOT_OFFERED))
    assert clear.protection is Protection.CLEAR
    assert verdict(wanted(sts=PolicyMode.TESTING, demand=waived), shown(GOOD)).protection is Protection.ENCRYPTED


def test_old_tls_proves_nothing() -> None:
    assert verdict(wanted(key()), shown(version="TLSv1.1")).failure is Failure.NOT_VERIFIED
    assert verdict(wanted(), shown(version="TLSv1.1")).protection is Protection.ENCRYPTED


def test_a_session_without_certificate_meets_no_check() -> None:
    for demand in (
        wanted(key()),
        wanted(sts=PolicyMode.ENFORCE),
        wanted(override=Override.of("example.org", "verify")),
    ):
        assert "no certificate" in verdict(demand, shown(())).reason


def test_without_roots_no_public_ca_can_vouch() -> None:
    assert judge(wanted(sts=PolicyMode.ENFORCE), shown(GOOD), None, NOW).clearance is None


def test_garbage_instead_of_a_certificate_fails_in_words() -> None:
    for certificates in ((b"",), (b"\x30\x03junk",), (GOOD[0][:-7],)):
        for demand in (
            wanted(key()),
            wanted(anchor()),
            wanted(sts=PolicyMode.ENFORCE),
            wanted(override=Override.of("example.org", "fingerprint", fingerprints=["00" * 32])),
        ):
            assert verdict(demand, shown(certificates)).failure is Failure.NOT_VERIFIED


def test_a_handshake_with_another_host_is_a_mistake() -> None:
    stranger = Handshake(Domain("mx2.example.org"), "192.0.2.2", 25, 7, StartTLSOutcome.ESTABLISHED, "TLSv1.3")
    with pytest.raises(WrongHandshake):
        judge(wanted(), stranger, None, NOW)


# REQUIRETLS


REQUIRED = SenderDemand.REQUIRETLS


def test_requiretls_needs_all_three_conditions() -> None:
    met = verdict(wanted(key(), demand=REQUIRED), shown(GOOD, requiretls=True))
    assert met.protection is Protection.DANE
    assert met.clearance is not None
    assert met.clearance.requiretls
    lacking = verdict(wanted(key(), demand=REQUIRED), shown(GOOD))
    assert lacking.failure is Failure.NO_REQUIRETLS
    unverified = verdict(wanted(key(OTHER), demand=REQUIRED), shown(GOOD, requiretls=True))
    assert unverified.failure is Failure.NOT_VERIFIED
    unsigned = refused(wanted(key(), secure=False, demand=REQUIRED))
    assert unsigned.failure is Failure.NOT_VERIFIED
    by_ca = verdict(wanted(demand=REQUIRED), shown(GOOD, requiretls=True))
    assert by_ca.protection is Protection.PKIX
    by_policy = verdict(wanted(secure=False, sts=PolicyMode.ENFORCE, demand=REQUIRED), shown(GOOD, requiretls=True))
    assert by_policy.protection is Protection.MTA_STS
    plain = verdict(wanted(key()), shown(GOOD, requiretls=True))
    assert plain.clearance is not None
    assert not plain.clearance.requiretls


def test_requiretls_is_returned_only_when_every_host_was_tried_and_none_failed_by_network() -> None:
    lacking = verdict(wanted(key(), demand=REQUIRED), shown(GOOD))
    no_tls = verdict(wanted(key(), demand=REQUIRED), shown(outcome=StartTLSOutcome.NOT_OFFERED))
    lookup = refused(
        requirement(
            Destination(MXResult(NextHop(DOMAIN), True, (MXHost(10, HOST),))),
            HostRecords(HOST, error="address look-up failed"),
            NO_STS,
            None,
            REQUIRED,
        )
    )
    assert conclude(REQUIRED, [lacking, no_tls]).status == (5, 7, 30)
    assert conclude(REQUIRED, [no_tls]).status == (5, 7, 10)
    assert conclude(REQUIRED, [no_tls]).bounce
    assert not conclude(REQUIRED, [lacking, lookup]).bounce
    assert not conclude(REQUIRED, [lacking], unreached=1).bounce
    assert not conclude(REQUIRED, [], unreached=2).bounce
    assert conclude(SenderDemand.NONE, [no_tls]).status == (4, 7, 4)
    assert conclude(SenderDemand.NONE, [lookup]).status == (4, 4, 3)
    assert not conclude(SenderDemand.TLS_REQUIRED_NO, [no_tls]).bounce


def test_the_level_of_a_domain_is_its_weakest_host_that_would_take_the_mail() -> None:
    dane = verdict(wanted(key()), shown(GOOD))
    clear = verdict(wanted(), shown(outcome=StartTLSOutcome.NOT_OFFERED))
    stopped = verdict(wanted(key(OTHER)), shown(GOOD))
    assert weakest([dane, stopped]) is Protection.DANE
    assert weakest([dane, clear, stopped]) is Protection.CLEAR
    assert weakest([stopped]) is Protection.NOTHING_SENT
    assert weakest([]) is Protection.NOTHING_SENT
