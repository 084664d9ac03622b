"""Single rules, each on a zone made odd in one way."""

from __future__ import annotations

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from tests.dnssec.asking import BOGUS, INDETERMINATE, INSECURE, SECURE, Change, ask, internet, q
from tests.dnssec.signing import LIFETIME, NOW, Internet, RRset, T, Zone, name

from danelaw.dnsdata import Question
from danelaw.dnssec import (
    AlgorithmPolicy,
    NegativeTrustAnchor,
    TrustAnchorError,
    TrustAnchors,
    ValidatorLimits,
    recheck,
)


def resigned(zone: Zone, rrset: RRset, *more: RRset) -> list[RRset]:
    zone.signatures.clear()
    return [rrset, zone.signature(rrset), *more]


def ds_set(net: Internet, *texts: str) -> Change:
    """Replace the DS RRset of test. by these records, properly signed by the root."""
    rrset = dns.rrset.from_text("test.", 3600, "IN", "DS", *texts)

    def change(message: dns.message.Message) -> bool:
        message.answer = resigned(net.zones[dns.name.root], rrset)
        message.authority = []
        return True

    return change


GOST_KEY = "1000 12 2 " + "00" * 32
WRONG_SHA1 = "1000 15 1 " + "00" * 20


class TestAlgorithms:
    @pytest.mark.parametrize("text", ["1000 15 2 " + "00" * 31, "1000 15 1 " + "00" * 32, "1000 15 4 00"])
    def test_ds_with_a_digest_of_the_wrong_length_is_bogus_never_insecure(self, text: str) -> None:
        net = internet()
        assert ask(net, q("www.test.", "A"), {q("test.", "DS"): ds_set(net, text)}).status is BOGUS

    def test_ds_with_unsupported_algorithm_only_is_insecure(self) -> None:
        net = internet()
        answer = ask(net, q("www.test.", "A"), {q("test.", "DS"): ds_set(net, GOST_KEY, "1 5 2 " + "00" * 32)})
        assert (answer.status, answer.ede) == (INSECURE, 1)
        assert answer.records

    def test_ds_with_sha1_digest_only_is_insecure(self) -> None:
        net = internet()
        answer = ask(net, q("www.test.", "A"), {q("test.", "DS"): ds_set(net, WRONG_SHA1)})
        assert (answer.status, answer.ede) == (INSECURE, 2)

    def test_the_same_ds_without_valid_signature_is_bogus(self) -> None:
        net = internet()

        def change(message: dns.message.Message) -> bool:
            ds_set(net, GOST_KEY)(message)
            message.answer[1] = net.answer(q("test.", "DS")).answer[1]
            net.zones[dns.name.root].signatures.clear()
            rdata = message.answer[1][0]
            broken = rdata.replace(signature=bytes(len(rdata.signature)))
            message.answer[1].clear()
            message.answer[1].add(broken)
            return True

        answer = ask(net, q("www.test.", "A"), {q("test.", "DS"): change})
        assert answer.status is BOGUS

    def test_a_supported_ds_beside_unsupported_and_sha1_ones_counts(self) -> None:
        net = internet()
        good = net.zones[name("test.")].ds
        answer = ask(net, q("www.test.", "A"), {q("test.", "DS"): ds_set(net, GOST_KEY, WRONG_SHA1, good)})
        assert answer.status is SECURE

    def test_sha1_digests_are_ignored_beside_better_ones_even_when_allowed(self) -> None:
        """RFC 4509 §3: a wrong SHA-256 is not rescued by a right SHA-1."""
        net = internet()
        key = net.zones[name("test.")].key
        sha1 = dns.dnssec.make_ds("test.", key, "SHA1", policy=dns.dnssec.allow_all_policy).to_text()
        limits = ValidatorLimits(policy=AlgorithmPolicy.with_sha1())
        wrong = f"{key.key_id()} 15 2 " + "00" * 32
        alone = ask(net, q("www.test.", "A"), {q("test.", "DS"): ds_set(net, sha1)}, limits=limits)
        assert alone.status is SECURE
        both = ask(net, q("www.test.", "A"), {q("test.", "DS"): ds_set(net, sha1, wrong)}, limits=limits)
        assert (both.status, both.ede) == (BOGUS, 9)

    def test_an_unsupported_algorithm_in_signatures_alone_is_bogus(self) -> None:
        """Else an attacker could ask for insecurity."""
        net = internet()

        def change(message: dns.message.Message) -> bool:
            rdata = message.answer[1][0].replace(algorithm=12)
            message.answer[1].clear()
            message.answer[1].add(rdata)
            return True

        answer = ask(net, q("www.test.", "A"), {q("www.test.", "A"): change})
        assert (answer.status, answer.ede) == (BOGUS, 1)

    def test_one_valid_signature_among_others_is_enough(self) -> None:
        """RFC 6840 §5.11 and §5.4."""
        net = internet()

        def change(message: dns.message.Message) -> bool:
            rdata = message.answer[1][0]
            message.answer[1].clear()
            message.answer[1].add(rdata.replace(signature=bytes(64)))
            message.answer[1].add(rdata.replace(algorithm=8, key_tag=1))
            message.answer[1].add(rdata)
            return True

        assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): change}).status is SECURE


class TestKeys:
    @pytest.mark.parametrize(("flags", "ede"), [(1, 11), (257 | 0x80, 9)])
    def test_the_key_named_by_ds_must_be_an_unrevoked_zone_key(self, flags: int, ede: int) -> None:
        zone = Zone("test.", "www 3600 A 192.0.2.1\n", "nsec", 2)
        zone.key = zone.key.replace(flags=flags)
        answer = ask(Internet(Zone(".", "", "nsec", 1), zone), q("www.test.", "A"))
        assert (answer.status, answer.ede) == (BOGUS, ede)

    def test_no_matching_key_is_bogus(self) -> None:
        net = internet()
        answer = ask(net, q("www.test.", "A"), {q("test.", "DS"): ds_set(net, "1 15 2 " + "00" * 32)})
        assert (answer.status, answer.ede) == (BOGUS, 9)

    def test_dnskey_may_be_the_anchor(self) -> None:
        net = internet()
        key = net.zones[dns.name.root].key.to_text()
        assert ask(net, q("www.test.", "A"), anchors=f". 3600 IN DNSKEY {key}\n").status is SECURE

    def test_colliding_keys_and_many_signatures_stay_within_the_limits(self) -> None:
        """KeyTrap, CVE-2023-50387: the work is bounded and the answer bogus."""
        zone = Zone("test.", "www 3600 A 192.0.2.1\n", "nsec", 2)
        material = bytearray(zone.key.key)
        for index in range(2, 20, 2):
            material[0:2], material[index : index + 2] = material[index : index + 2], material[0:2]
            zone.add(zone.origin, 3600, "DNSKEY", zone.key.replace(key=bytes(material)).to_text())
        net = Internet(Zone(".", "", "nsec", 1), zone)
        assert len({rdata.key_id() for rdata in net.answer(q("test.", "DNSKEY")).answer[0]}) == 1

        def change(message: dns.message.Message) -> bool:
            rdata = message.answer[1][0]
            message.answer[1].clear()
            for number in range(50):
                message.answer[1].add(rdata.replace(signature=bytes([number]) * 64))
            return True

        answer = ask(net, q("www.test.", "A"), {q("www.test.", "A"): change})
        assert answer.status is BOGUS

    def test_too_many_failures_end_the_resolution(self) -> None:
        net = internet("a 60 CNAME b\nb 60 CNAME c\nc 60 CNAME www\n")
        limits = ValidatorLimits(checks=3)
        answer = ask(net, q("a.test.", "A"), limits=limits)
        assert answer.status is BOGUS
        assert "more than 3 signature checks" in answer.reason


class TestTime:
    def test_expired_and_not_yet_valid_have_their_codes(self) -> None:
        net = internet()
        assert ask(net, q("www.test.", "A"), now=NOW + LIFETIME + 1).ede == 7
        assert ask(net, q("www.test.", "A"), now=NOW - LIFETIME - 1).ede == 8

    def test_an_answer_expires_with_its_signature(self) -> None:
        answer = ask(internet(), q("www.test.", "A"), now=NOW + LIFETIME - 10)
        assert answer.status is SECURE
        assert answer.expires == NOW + LIFETIME

    def test_a_ttl_raised_on_the_way_does_not_count(self) -> None:
        """RFC 4035 §5.3.3."""

        def change(message: dns.message.Message) -> bool:
            message.answer[0].ttl = 80000
            return True

        answer = ask(internet(), q("www.test.", "A"), {q("www.test.", "A"): change})
        assert (answer.status, answer.expires) == (SECURE, NOW + 3600)


class TestAnchors:
    def test_no_anchor_above_is_insecure(self) -> None:
        net = internet()
        other = net.anchor.replace(". DS", "other. DS")
        answer = ask(net, q("www.test.", "A"), anchors=other)
        assert answer.status is INSECURE
        assert "no trust anchor" in answer.reason

    def test_an_anchor_of_unsupported_algorithm_is_insecure(self) -> None:
        assert ask(internet(), q("www.test.", "A"), anchors=". DS 1 5 2 " + "00" * 32 + "\n").status is INSECURE

    def test_a_wrong_anchor_is_bogus(self) -> None:
        assert ask(internet(), q("www.test.", "A"), anchors=". DS 1 15 2 " + "00" * 32 + "\n").status is BOGUS

    def test_ds_of_the_anchors_own_zone_has_no_anchor_above(self) -> None:
        net = internet()
        anchor = f"test. DS {net.zones[name('test.')].ds}\n"
        assert ask(net, q("test.", "DS"), anchors=anchor).status is INSECURE
        assert ask(net, q("test.", "SOA"), anchors=anchor).status is SECURE

    def test_a_negative_anchor_suspends_validation_until_it_expires(self) -> None:
        net = internet()
        off = NegativeTrustAnchor(name("test."), NOW + 60, "ticket 7")
        broken: dict[Question, Change] = {q("www.test.", "A"): lambda m: m.answer.pop()}
        answer = ask(net, q("www.test.", "A"), broken, negative=(off,))
        assert answer.status is INSECURE
        assert "ticket 7" in answer.reason
        assert answer.expires <= NOW + 60
        assert ask(net, q("www.test.", "A"), broken, negative=(off,), now=NOW + 60).status is BOGUS

    def test_an_anchor_below_a_negative_one_still_counts(self) -> None:
        """RFC 7646 §2."""
        net = internet()
        off = NegativeTrustAnchor(dns.name.root, NOW + 60, "ticket 8")
        anchors = net.anchor + f"test. DS {net.zones[name('test.')].ds}\n"
        assert ask(net, q("www.test.", "A"), anchors=anchors, negative=(off,)).status is SECURE

    def test_the_roots_keys_are_shipped(self) -> None:
        anchor = TrustAnchors.root().at_or_above(name("example.org."))
        assert anchor is not None
        assert {record.key_tag for record in anchor.ds} == {20326, 38696}

    @pytest.mark.parametrize("text", ["", "; nothing\n", "example.org. A 192.0.2.1\n", "x. DS 1 2\n", "\x00"])
    def test_other_text_is_refused(self, text: str) -> None:
        with pytest.raises(TrustAnchorError):
            TrustAnchors.from_text(text)


class TestFetching:
    def test_no_answer_is_indeterminate(self) -> None:
        answer = ask(internet(), q("www.test.", "A"), {q("www.test.", "A"): lambda _: None})
        assert (answer.status, answer.ede, answer.rcode) == (INDETERMINATE, 22, dns.rcode.SERVFAIL)

    @pytest.mark.parametrize("missing", ["DS", "DNSKEY"])
    def test_a_chain_that_cannot_be_fetched_is_indeterminate_never_insecure(self, missing: str) -> None:
        answer = ask(internet(), q("www.test.", "A"), {q("test.", missing): lambda _: None})
        assert answer.status is INDETERMINATE
        assert answer.failed

    def test_servfail_is_indeterminate(self) -> None:
        def change(message: dns.message.Message) -> bool:
            message.set_rcode(dns.rcode.SERVFAIL)
            message.answer = []
            return True

        assert ask(internet(), q("www.test.", "A"), {q("www.test.", "A"): change}).status is INDETERMINATE

    def test_incomplete_evidence_is_indeterminate(self) -> None:
        net = internet()
        answer = ask(net, q("www.test.", "A"))
        anchors = TrustAnchors.from_text(net.anchor)
        assert recheck(answer.evidence, answer.question, anchors, NOW) == answer
        for index in range(len(answer.evidence)):
            rest = answer.evidence[:index] + answer.evidence[index + 1 :]
            assert recheck(rest, answer.question, anchors, NOW).status is INDETERMINATE


class TestAliases:
    def test_a_circle_is_a_failure(self) -> None:
        answer = ask(internet("a 60 CNAME b\nb 60 CNAME a\n"), q("a.test.", "A"))
        assert answer.failed
        assert "circle" in answer.reason

    def test_eight_aliases_are_followed_and_nine_are_not(self) -> None:
        text = "".join(f"a{n} 60 CNAME a{n + 1}\n" for n in range(9)) + "a9 60 A 192.0.2.5\n"
        assert ask(internet(text), q("a1.test.", "A")).status is SECURE
        assert ask(internet(text), q("a0.test.", "A")).failed

    def test_a_chain_cut_short_is_asked_on(self) -> None:
        net = internet("a 60 CNAME www\n")

        def change(message: dns.message.Message) -> bool:
            message.answer = message.answer[:2]
            return True

        answer = ask(net, q("a.test.", "A"), {q("a.test.", "A"): change})
        assert answer.status is SECURE
        assert (answer.aliases, answer.canonical_name) == ((name("a.test."),), name("www.test."))

    def test_absence_at_the_end_without_proof_is_bogus(self) -> None:
        net = internet("a 60 CNAME www\n")

        def change(message: dns.message.Message) -> bool:
            message.authority = message.authority[:1]
            return True

        answer = ask(net, q("a.test.", "MX"), {q("a.test.", "MX"): change})
        assert (answer.status, answer.ede) == (BOGUS, 12)

    def test_a_forged_cname_under_a_dname_is_bogus(self) -> None:
        net = internet("d 60 DNAME other.test.\nx.other 60 A 192.0.2.8\ny.other 60 A 192.0.2.9\n")

        def change(message: dns.message.Message) -> bool:
            made = next(rrset for rrset in message.answer if rrset.rdtype == T.CNAME)
            message.answer[message.answer.index(made)] = dns.rrset.from_text(
                made.name, 60, "IN", "CNAME", "y.other.test."
            )
            return True

        assert ask(net, q("x.d.test.", "A")).status is SECURE
        answer = ask(net, q("x.d.test.", "A"), {q("x.d.test.", "A"): change})
        assert answer.status is BOGUS
        assert "DNAME" in answer.reason

    def test_the_cname_under_a_dname_may_be_missing(self) -> None:
        net = internet("d 60 DNAME other.test.\nx.other 60 A 192.0.2.8\n")

        def change(message: dns.message.Message) -> bool:
            message.answer = [rrset for rrset in message.answer if rrset.rdtype != T.CNAME]
            return True

        answer = ask(net, q("x.d.test.", "A"), {q("x.d.test.", "A"): change})
        assert answer.status is SECURE
        assert len(answer.records) == 1

    def test_a_broken_link_spoils_the_whole_chain(self) -> None:
        net = internet("a 60 CNAME www\n")
        answer = ask(net, q("a.test.", "A"), {q("a.test.", "A"): lambda m: m.answer.pop(1)})
        assert answer.status is BOGUS
        assert answer.records == ()


@pytest.mark.parametrize("rdtype", ["DS", "DNSKEY"])
def test_a_chain_record_in_an_answer_that_denies_its_name_is_bogus(rdtype: str) -> None:
    """Response codes are not signed, but such an answer contradicts itself; unbound and BIND refuse it too."""

    def deny(message: dns.message.Message) -> bool:
        message.set_rcode(dns.rcode.NXDOMAIN)
        return True

    assert ask(internet(), q("www.test.", "A"), {q("test.", rdtype): deny}).status is BOGUS
