"""check_host() where the openspf.org suite is silent: DNSSEC, failures, limits, the trace, batches."""

from __future__ import annotations

from ipaddress import ip_address

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.dnsdata import DNSSECStatus
from danelaw.spf import Evaluation, Identity, Limits, Request, SPFResult, evaluate
from danelaw.testing import FakeDNS, run_lookup

_MAIL = Request.mail_from(ip_address("192.0.2.7"), "anna@example.org", "mx.example.net")


def _dns(*lines: str) -> FakeDNS:
    return FakeDNS("\n".join(lines))


def _run(dns: FakeDNS, request: Request = _MAIL, limits: Limits | None = None) -> Evaluation:
    return run_lookup(evaluate(request, receiver="mx.example.com", now=1_790_000_000.9, limits=limits or Limits()), dns)


def _said(record: str, *more: str) -> Evaluation:
    return _run(_dns(f'example.org. TXT "{record}"', *more))


# DNS that cannot be believed or had


@pytest.mark.parametrize("how", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
@pytest.mark.parametrize(
    ("record", "broken"),
    [
        ("v=spf1 -all", "example.org TXT"),
        ("v=spf1 include:b.example -all", "b.example TXT"),
        ("v=spf1 redirect=b.example", "b.example TXT"),
        ("v=spf1 a -all", "example.org A"),
        ("v=spf1 mx -all", "example.org MX"),
        ("v=spf1 mx -all", "host.example A"),
        ("v=spf1 exists:x.example -all", "x.example A"),
    ],
)
def test_an_answer_that_fails_is_a_temperror(record: str, broken: str, how: DNSSECStatus | dns.rcode.Rcode) -> None:
    dns_ = _dns(f'example.org. TXT "{record}"', "example.org. MX 10 host.example.", 'b.example. TXT "v=spf1 -all"')
    found = _run(dns_.fail(broken, how))
    assert found.result is SPFResult.TEMPERROR
    assert found.dnssec is (how if isinstance(how, DNSSECStatus) else DNSSECStatus.INDETERMINATE)
    assert found.trace[-1].outcome == "temperror"
    assert broken.partition(" ")[0] in found.reason
    assert found.explanation == ""


@pytest.mark.parametrize("how", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE])
@pytest.mark.parametrize("broken", ["7.2.0.192.in-addr.arpa PTR", "host.example.org A"])
def test_a_client_cannot_turn_a_fail_into_a_temperror_by_its_reverse_zone(broken: str, how: DNSSECStatus) -> None:
    """RFC 7208 §5.5: errors about the client's own names mean no match."""
    dns_ = _dns(
        'example.org. TXT "v=spf1 ptr exists:%{p}.ok.example -all"',
        "7.2.0.192.in-addr.arpa. PTR host.example.org.",
        "host.example.org. A 192.0.2.7",
    )
    assert _run(dns_).result is SPFResult.PASS
    assert _run(dns_.fail(broken, how)).result is SPFResult.FAIL


def test_a_match_stands_although_another_mx_host_cannot_be_had() -> None:
    dns_ = _dns(
        'example.org. TXT "v=spf1 mx -all"',
        "example.org. MX 10 a.example.",
        "example.org. MX 20 b.example.",
        "b.example. A 192.0.2.7",
    ).fail("a.example A")
    assert _run(dns_).result is SPFResult.PASS


def test_the_weakest_status_counts() -> None:
    signed = _dns('example.org. TXT "v=spf1 include:b.example -all"', 'b.example. TXT "v=spf1 ip4:192.0.2.7"')
    assert _run(signed).dnssec is DNSSECStatus.SECURE
    assert _run(signed.mark("b.example", DNSSECStatus.INSECURE)).dnssec is DNSSECStatus.INSECURE
    nothing = _run(_dns(), Request.of_helo(ip_address("192.0.2.7"), "[192.0.2.7]"))
    assert (nothing.result, nothing.dnssec) == (SPFResult.NONE, None)


def test_an_explanation_does_not_weaken_the_result() -> None:
    dns_ = _dns('example.org. TXT "v=spf1 -all exp=why.example"', 'why.example. TXT "no"')
    assert _run(dns_).explanation == "no"
    found = _run(dns_.fail("why.example TXT", DNSSECStatus.BOGUS))
    assert (found.result, found.dnssec, found.explanation) == (SPFResult.FAIL, DNSSECStatus.SECURE, "")
    assert found.trace[-1].outcome == "no explanation"


# Limits, each by name


def test_ten_terms_may_look_up_and_not_eleven() -> None:
    a = "a.example. A 192.0.2.9"
    at = _said("v=spf1 " + "a:a.example " * 10 + "?all", a)
    over = _said("v=spf1 " + "a:a.example " * 11 + "?all", a)
    assert (at.result, at.terms) == (SPFResult.NEUTRAL, 10)
    assert over.result is SPFResult.PERMERROR
    assert over.reason == "more than 10 terms cause DNS look-ups"
    wider = Limits(terms=11)
    assert _run(_dns('example.org. TXT "v=spf1 ' + "a:a.example " * 11 + '?all"', a), limits=wider).terms == 11


def test_terms_of_includes_and_redirects_count_together() -> None:
    chain = [f'n{i}.example. TXT "v=spf1 redirect=n{i + 1}.example"' for i in range(1, 12)]
    found = _said("v=spf1 redirect=n1.example", *chain)
    assert found.result is SPFResult.PERMERROR
    assert found.terms == 11


def test_the_ptr_query_of_the_macro_counts() -> None:
    found = _said("v=spf1 exists:%{p}.example exists:%{p}.example ?all")
    assert found.terms == 3


def test_two_terms_may_ask_for_what_does_not_exist_and_not_three() -> None:
    assert _said("v=spf1 a:x.example a:y.example ?all").void_lookups == 2
    over = _said("v=spf1 a:x.example a:y.example a:z.example ?all")
    assert over.result is SPFResult.PERMERROR
    assert over.reason == "more than 2 terms ask for what does not exist"
    assert _said("v=spf1 mx:x.example a:y.example exists:z.example ?all").result is SPFResult.PERMERROR


def test_a_term_counts_once_and_one_that_matches_not_at_all() -> None:
    """RFC 7208 §4.6.4 limits the number of terms; the order of MX records must not decide."""
    hosts = [f"m.example. MX {i} h{i}.example." for i in range(5)]
    assert _said("v=spf1 mx:m.example ?all", *hosts).void_lookups == 1
    matching = _said("v=spf1 a:x.example a:y.example mx:m.example ?all", *hosts, "h4.example. A 192.0.2.7")
    assert (matching.result, matching.void_lookups) == (SPFResult.PASS, 2)


def test_ten_mx_hosts_and_not_eleven() -> None:
    def hosts(count: int) -> list[str]:
        lines = [f"m.example. MX {i} h{i}.example." for i in range(count)]
        return [*lines, *(f"h{i}.example. A 192.0.2.7" for i in range(count))]

    assert _said("v=spf1 mx:m.example -all", *hosts(10)).result is SPFResult.PASS
    over = _said("v=spf1 mx:m.example -all", *hosts(11))
    assert (over.result, over.reason) == (SPFResult.PERMERROR, "m.example has 11 MX hosts; 10 are allowed")


def test_only_ten_names_of_the_client_are_looked_at() -> None:
    names = [f"7.2.0.192.in-addr.arpa. PTR h{i:02}.example.org." for i in range(11)]
    dns_ = _dns('example.org. TXT "v=spf1 ptr ?all"', *names)
    _run(dns_)
    assert [len(batch) for batch in dns_.batches] == [1, 1, 10]


# Questions


def test_addresses_of_mx_hosts_are_asked_for_together() -> None:
    dns_ = _dns('example.org. TXT "v=spf1 mx -all"', "example.org. MX 1 a.example.", "example.org. MX 2 b.example.")
    _run(dns_)
    assert [len(batch) for batch in dns_.batches] == [1, 1, 2]


def test_the_names_of_the_client_are_asked_for_once() -> None:
    dns_ = _dns('example.org. TXT "v=spf1 ptr ptr:%{p}.x.example exists:%{p}.y.example ?all"')
    _run(dns_)
    assert sum(str(question).endswith("PTR") for question in dns_.asked) == 1


def test_nothing_is_asked_behind_a_match() -> None:
    dns_ = _dns('example.org. TXT "v=spf1 ip4:192.0.2.0/24 a mx include:b.example -all"')
    assert _run(dns_).result is SPFResult.PASS
    assert len(dns_.asked) == 1


# Identities


def test_both_identities() -> None:
    dns_ = _dns('mx.example.net. TXT "v=spf1 ip4:192.0.2.7 -all"', 'example.org. TXT "v=spf1 -all"')
    helo = _run(dns_, Request.of_helo(ip_address("192.0.2.7"), "mx.example.net"))
    assert (helo.result, helo.identity, helo.domain) == (SPFResult.PASS, Identity.HELO, "mx.example.net")
    null = _run(dns_, Request.mail_from(ip_address("192.0.2.7"), "", "mx.example.net"))
    assert (null.result, null.identity, null.sender) == (
        SPFResult.PASS,
        Identity.MAILFROM,
        "postmaster@mx.example.net",
    )


def test_an_internationalised_domain_is_asked_for_by_its_a_labels() -> None:
    dns_ = _dns('xn--bcher-kva.example. TXT "v=spf1 ip4:192.0.2.7 -all"')
    found = _run(dns_, Request.mail_from(ip_address("192.0.2.7"), "jörg@bücher.example", "mx.example.net"))
    assert (found.result, found.domain) == (SPFResult.PASS, "xn--bcher-kva.example")


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=spf1 exists:%{l}.x.example -all", SPFResult.FAIL),
        ("v=spf1 -exists:%{S}.x.example ?all", SPFResult.NEUTRAL),
        ("v=spf1 include:%{l}.x.example ?all", SPFResult.NEUTRAL),
        ("v=spf1 redirect=%{l}.x.example", SPFResult.NEUTRAL),
        ("v=spf1 exists:%{d}.x.example -all", SPFResult.PASS),
    ],
)
def test_a_term_that_names_a_local_part_beyond_ascii_matches_nothing(record: str, result: SPFResult) -> None:
    """RFC 8616 §4."""
    dns_ = _dns(f'example.org. TXT "{record}"', "*.x.example. A 127.0.0.2", '*.x.example. TXT "v=spf1 -all"')
    found = _run(dns_, Request.mail_from(ip_address("192.0.2.7"), "jörg@example.org", "mx.example.net"))
    assert found.result is result


def test_a_mapped_address_is_an_ipv4_client() -> None:
    request = Request.mail_from(ip_address("::ffff:192.0.2.7"), "anna@example.org", "mx.example.net")
    assert str(request.ip) == "192.0.2.7"
    assert _run(_dns('example.org. TXT "v=spf1 ip6:::/0 -ip4:192.0.2.7"'), request).result is SPFResult.FAIL


def test_names_that_no_question_can_carry_match_nothing() -> None:
    for helo in ("a\0b.example", "ü" * 300 + ".example", "x" * 64 + ".example", "a..example", "bad\u2028.example"):
        request = Request.mail_from(ip_address("192.0.2.7"), "anna@example.org", helo)
        assert _run(_dns('example.org. TXT "v=spf1 a:%{h} -all"'), request).result is SPFResult.FAIL


def test_a_backslash_is_a_character_like_any_other() -> None:
    """RFC 7208 §4.8: no escaping."""
    dns_ = _dns('example.org. TXT "v=spf1 exists:%{l}.x.example -all"', "a\\\\b.x.example. A 127.0.0.2")
    assert _run(dns_, Request.mail_from(ip_address("192.0.2.7"), "a\\b@example.org", "h")).result is SPFResult.PASS


# Explanations


def test_an_explanation_is_shown_with_whose_words_it_is() -> None:
    found = _said("v=spf1 -all exp=why.example", 'why.example. TXT "%{i} at %{t} by %{r}: see http://x/%{S}"')
    assert found.explanation == "192.0.2.7 at 1790000000 by mx.example.com: see http://x/anna%40example.org"
    assert found.explains.startswith("The domain example.org explains: 192.0.2.7")


@pytest.mark.parametrize("text", ["caf\\195\\169", "a\\010b", "a\\000b", "\\127", "%{q}", "%"])
def test_an_explanation_that_no_reply_may_carry_is_dropped(text: str) -> None:
    found = _said("v=spf1 -all exp=why.example", f'why.example. TXT "{text}"')
    assert (found.result, found.explanation, found.explains) == (SPFResult.FAIL, "", "")


def test_what_a_sender_chose_gets_into_an_explanation_only_as_printable_ascii() -> None:
    dns_ = _dns('example.org. TXT "v=spf1 -all exp=why.example"', 'why.example. TXT "%{l} %{h}"')
    for sender, helo in (("a\r\nb@example.org", "x"), ("jörg@example.org", "x"), ("a@example.org", "x\ny")):
        assert _run(dns_, Request.mail_from(ip_address("192.0.2.7"), sender, helo)).explanation == ""


def test_an_explanation_is_no_longer_than_allowed() -> None:
    long = '"' + '" "'.join(["x" * 250] * 4) + '"'
    found = _said("v=spf1 -all exp=why.example", f"why.example. TXT {long}")
    assert found.explanation == "x" * 500


def test_a_published_explanation_has_a_size() -> None:
    long = '"' + '" "'.join(["%{S}" * 60] * 9) + '"'
    found = _said("v=spf1 -all exp=why.example", f"why.example. TXT {long}")
    assert found.explanation == ""
    assert found.trace[-1].note == "it has 2160 octets; 2048 are read at most"


def test_words_stay_short_enough_for_a_header() -> None:
    record = "v=spf1 a:" + "%{d1}." * 58 + "x.example -all"
    strings = '" "'.join(record[start : start + 200] for start in range(0, len(record), 200))
    found = _run(_dns(f'example.org. TXT "{strings}"', "*.x.example. A 192.0.2.7"))
    assert found.result is SPFResult.PASS
    assert len(found.mechanism) == 200
    assert len(found.reason) <= 600


# The trace


def test_the_trace_says_what_was_asked_and_found_in_reading_order() -> None:
    found = _said(
        "v=spf1 a include:b.example -all",
        "example.org. A 192.0.2.1",
        'b.example. TXT "v=spf1 ip4:198.51.100.0/24 ip4:192.0.2.0/24"',
    )
    steps = [(step.depth, step.domain, step.term, step.outcome) for step in found.trace]
    assert steps == [
        (0, "example.org", "", "record"),
        (0, "example.org", "a", "no match"),
        (0, "example.org", "include:b.example", "match"),
        (1, "b.example", "", "record"),
        (1, "b.example", "ip4:192.0.2.0/24", "match"),
    ]
    assert [str(answer.question) for answer in found.answers] == [
        "example.org. TXT",
        "example.org. A",
        "b.example. TXT",
    ]
    assert found.trace[1].as_object()["asked"] == [
        {"question": "example.org. A", "dnssec": "secure", "rcode": "NOERROR", "found": 1, "reason": ""}
    ]
    assert found.reason == "include:b.example in the record of example.org matches: b.example says pass"
    assert found.mechanism == "include:b.example"


def test_every_way_to_an_end_leaves_no_gap_in_the_trace() -> None:
    for record in ("v=spf1 include:%{d}", "v=spf1 a:x.a a:y.a a:z.a", "v=spf1 include:none.example", "v=spf1 mx"):
        assert all(step.outcome for step in _said(record).trace)


_ASKING = ["a", "mx", "ptr", "a:%{p}.example", "include:b.example", "include:example.org", "exists:%{ir}.example"]
_OTHERS = ["all", "redirect=b.example", "exp=e.example", "-ip4:192.0.2.0/24", "~all", "ip6:::/0", "exists:%{h}.example"]
_TERMS = st.sampled_from([*_ASKING, *_OTHERS])


@given(
    st.lists(_TERMS, max_size=11),  # more would not fit into one string of a TXT record
    st.lists(_TERMS, max_size=11),  # more would not fit into one string of a TXT record
    st.sampled_from(["192.0.2.7", "2001:db8::7", "::ffff:192.0.2.7"]),
    st.text(max_size=12),
    st.text(max_size=12),
    st.sets(st.sampled_from(["example.org A", "b.example TXT", "example.org MX", "e.example TXT"])),
)
def test_every_evaluation_ends_within_its_limits(
    first: list[str], second: list[str], client: str, localpart: str, helo: str, broken: set[str]
) -> None:
    dns_ = _dns(
        f'example.org. TXT "v=spf1 {" ".join(first)}"',
        f'b.example. TXT "v=spf1 {" ".join(second)}"',
        "example.org. MX 10 example.org.",
        "example.org. A 192.0.2.1",
        'e.example. TXT "%{l} %{h} %{p}"',
    )
    for what in broken:
        dns_.fail(what, DNSSECStatus.BOGUS)
    found = _run(dns_, Request.mail_from(ip_address(client), f"{localpart}@example.org", helo))
    assert found.terms <= 11
    assert found.void_lookups <= 3
    assert all(step.outcome for step in found.trace)
    assert found.explanation.isascii()
    assert found.explanation == "" or found.result is SPFResult.FAIL
    failed = [str(answer.question) for answer in found.answers if answer.failed]
    if any(question != "e.example. TXT" for question in failed):
        assert found.result is SPFResult.TEMPERROR
