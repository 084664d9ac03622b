"""What is done with a message: policies of others, our own, and the one more fact a refusal needs (RFC 9989 §7.4)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.dkim.dkim_samples import ed25519_key, split

from danelaw.address import Domain
from danelaw.arc import ChainStatus, seal
from danelaw.authentication import (
    Action,
    Cause,
    Decision,
    DispositionSettings,
    Enforcement,
    LocalPolicy,
    PolicyOverride,
    disposition,
    is_listed,
)
from danelaw.dkim import PrivateKey, SigningKey
from danelaw.dmarc import Policy
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS

from authentication_samples import MESSAGE, NOW, STRANGER, examined, internet, said, signed, with_from  # isort: skip

ACCEPT, QUARANTINE, DEFER, REFUSE = Action.ACCEPT, Action.QUARANTINE, Action.DEFER, Action.REFUSE
USUAL = DispositionSettings()
LISTED = replace(USUAL, sealers=frozenset({"list.test", ".many.test"}))


def decided(
    message: bytes = MESSAGE,
    policy: str = "v=DMARC1; p=reject",
    settings: DispositionSettings = USUAL,
    dns: FakeDNS | None = None,
) -> Decision:
    return disposition(examined(message, dns or internet(policy), STRANGER), settings, NOW)


def sealed(results: str, domain: str = "list.test", message: bytes = MESSAGE, status: str = "none") -> bytes:
    fields, body = split(message)
    key = SigningKey(Domain.from_text(domain), "e", PrivateKey.from_key(ed25519_key()))
    return b"".join(seal(fields, body, key, f"mx.{domain}; {results}", ChainStatus(status), now=NOW)) + message


def sealing_dns(*domains: str) -> FakeDNS:
    dns = internet()
    record = PrivateKey.from_key(ed25519_key()).record()
    for domain in domains:
        line = record.to_zone(f"e._domainkey.{domain}.").replace(" IN TXT", " TXT")
        dns.add(line, DNSSECStatus.INSECURE)
    return dns


def test_what_passes_is_accepted() -> None:
    found = disposition(examined(signed()), USUAL, NOW)
    assert (found.action, found.cause) == (ACCEPT, Cause.NOTHING)


@pytest.mark.parametrize(
    ("policy", "enforcement", "action", "override"),
    [
        ("p=none", "as-published", ACCEPT, None),
        ("p=quarantine", "as-published", QUARANTINE, None),
        ("p=reject", "as-published", REFUSE, None),
        ("p=reject; t=y", "as-published", QUARANTINE, PolicyOverride.TEST_MODE),
        ("p=quarantine; t=y", "as-published", ACCEPT, PolicyOverride.TEST_MODE),
        ("p=reject", "quarantine", QUARANTINE, PolicyOverride.LOCAL_POLICY),
        ("p=quarantine", "quarantine", QUARANTINE, None),
        ("p=reject", "none", ACCEPT, PolicyOverride.LOCAL_POLICY),
        ("p=none", "none", ACCEPT, None),
    ],
)
def test_a_failure_by_policy_and_enforcement(
    policy: str, enforcement: str, action: Action, override: PolicyOverride | None
) -> None:
    settings = replace(USUAL, enforcement=Enforcement(enforcement))
    found = decided(policy=f"v=DMARC1; {policy}", settings=settings)
    assert (found.action, found.override) == (action, override)
    assert found.cause is Cause.DMARC


@pytest.mark.parametrize(
    "field",
    [b"List-Id: <l.example.net>", b"List-Post: <mailto:l@example.net>", b"Precedence: LIST", b"Resent-From: a@b.test"],
)
def test_what_may_have_come_by_a_list_is_held_and_not_refused(field: bytes) -> None:
    found = decided(field + b"\r\n" + MESSAGE)
    assert (found.action, found.override) == (QUARANTINE, PolicyOverride.MAILING_LIST)
    assert decided(b"Precedence: bulk\r\n" + MESSAGE).action is REFUSE


def test_a_listed_sealer_that_saw_it_pass_is_believed() -> None:
    message = sealed("dmarc=pass header.from=example.org")
    found = decided(message, settings=LISTED, dns=sealing_dns("list.test"))
    assert (found.action, found.override) == (ACCEPT, PolicyOverride.TRUSTED_FORWARDER)
    assert decided(message, dns=sealing_dns("list.test")).action is REFUSE


@pytest.mark.parametrize(
    "results",
    ["dmarc=fail header.from=example.org", "dmarc=pass header.from=example.net", "spf=pass", "none", ";;;"],
)
def test_a_listed_sealer_that_saw_no_pass_keeps_it_from_being_refused(results: str) -> None:
    found = decided(sealed(results), settings=LISTED, dns=sealing_dns("list.test"))
    assert (found.action, found.override) == (QUARANTINE, PolicyOverride.TRUSTED_FORWARDER)


def test_a_broken_chain_is_worth_nothing() -> None:
    message = sealed("dmarc=pass header.from=example.org").replace(b"We lost", b"We won")
    assert decided(message, settings=LISTED, dns=sealing_dns("list.test")).action is REFUSE


def test_what_stands_below_an_unlisted_sealer_is_not_believed() -> None:
    forged = sealed("dmarc=pass header.from=example.org", "evil.test")
    again = sealed("dmarc=fail header.from=example.org", "a.many.test", forged, "pass")
    found = decided(again, settings=LISTED, dns=sealing_dns("evil.test", "a.many.test"))
    assert (found.action, found.override) == (QUARANTINE, PolicyOverride.TRUSTED_FORWARDER)
    on_top = sealed("none", "evil.test", sealed("dmarc=pass header.from=example.org"), "pass")
    assert decided(on_top, settings=LISTED, dns=sealing_dns("evil.test", "list.test")).action is REFUSE


def test_our_own_policy_wins_until_it_expires() -> None:
    def with_own(policy: Policy, until: float | None, domain: str = "example.org") -> Decision:
        own = LocalPolicy(domain, policy, until, "asked for by the partner")
        return decided(settings=replace(USUAL, policies=(own,)))

    found = with_own(Policy.NONE, NOW + 1)
    assert (found.action, found.override) == (ACCEPT, PolicyOverride.LOCAL_POLICY)
    assert "asked for by the partner" in found.reason
    assert with_own(Policy.NONE, NOW).action is REFUSE
    assert with_own(Policy.QUARANTINE, None).action is QUARANTINE
    assert with_own(Policy.NONE, None, "example.net").action is REFUSE
    assert with_own(Policy.NONE, None, ".example.org").action is REFUSE
    strict = replace(USUAL, policies=(LocalPolicy("example.org", Policy.REJECT),))
    assert decided(policy="v=DMARC1; p=none", settings=strict).action is REFUSE


def test_dns_that_fails_applies_no_policy_or_defers_by_setting() -> None:
    dns = internet()
    dns.fail("_dmarc.example.org", DNSSECStatus.BOGUS)
    assert decided(dns=dns).action is ACCEPT
    deferred = decided(dns=dns, settings=replace(USUAL, temperror=DEFER))
    assert (deferred.action, deferred.cause) == (DEFER, Cause.DMARC)
    off = replace(USUAL, temperror=DEFER, enforcement=Enforcement.NONE)
    assert decided(dns=dns, settings=off).action is ACCEPT


def test_a_message_without_a_proper_author_is_held() -> None:
    two = with_from(b"From: joe@example.org", b"From: x@stranger.test")
    found = decided(two)
    assert (found.action, found.cause) == (QUARANTINE, Cause.AUTHOR)
    assert decided(two, settings=replace(USUAL, fault=REFUSE)).action is REFUSE
    assert decided(two, settings=replace(USUAL, enforcement=Enforcement.NONE)).action is ACCEPT


def test_more_authors_than_are_looked_at_are_no_way_around_a_policy() -> None:
    crowd = ", ".join(f"a@{name}.stranger.test" for name in "wxyz")
    found = decided(with_from(f"From: {crowd}, joe@example.org".encode()))
    assert (found.action, found.cause) == (QUARANTINE, Cause.AUTHOR)
    assert decided(with_from(f"From: joe@example.org, {crowd}".encode())).action is REFUSE


def test_an_spf_fail_counts_only_by_setting_and_only_without_a_pass() -> None:
    wrong = said(ip="203.0.113.9")
    strict = replace(USUAL, spf_fail=REFUSE)
    no_policy = internet("nothing here")
    assert disposition(examined(MESSAGE, no_policy, wrong), USUAL, NOW).action is ACCEPT
    found = disposition(examined(MESSAGE, no_policy, wrong), strict, NOW)
    assert (found.action, found.cause) == (REFUSE, Cause.SPF)
    assert disposition(examined(signed(), internet(), wrong), strict, NOW).action is ACCEPT


def test_a_pattern_with_a_dot_is_for_everything_below() -> None:
    assert is_listed("a.b.example.org", (".example.org",))
    assert not is_listed("example.org", (".example.org",))
    assert not is_listed("badexample.org", (".example.org", "ple.org"))
    assert is_listed("example.org", ("example.org",))
