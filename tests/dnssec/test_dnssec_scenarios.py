"""What a validator meets in the field and in attacks, one situation each; what unbound and delv say where they part."""

from __future__ import annotations

from collections.abc import Callable

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rrset
import pytest
from tests.dnssec.asking import BOGUS, INDETERMINATE, INSECURE, SECURE, Change, ask, internet, q
from tests.dnssec.signing import LIFETIME, NOW, Internet, RRset, T, Zone, name

from danelaw.dnssec import ValidatorLimits
from danelaw.dnssec.keys import ZoneKeys
from danelaw.dnssec.limits import Budget
from danelaw.dnssec.response import SignedRRset
from danelaw.dnssec.verify import Verified, signed_data, verify

WWW = "www 3600 A 192.0.2.1\n"
BODY = WWW + "mail 3600 MX 10 WWW.Test.\n*.wild 3600 A 192.0.2.9\n*.al 3600 CNAME www\ndel 60 NS ns.elsewhere.\n"


def forged(zone: Zone, rrset: RRset, **changes: object) -> RRset:
    """A signature of the zone's own key over what `changes` make of an honest one."""
    rdata = zone.signature(rrset)[0].replace(**changes)
    rdata = rdata.replace(signature=zone.private.sign(signed_data(rrset, rdata)))
    signed = RRset(rrset.name, dns.rdataclass.IN, T.RRSIG, rdata.type_covered)
    signed.add(rdata, rrset.ttl)
    return signed


def record(owner: str, rdtype: str, *texts: str) -> RRset:
    return dns.rrset.from_text(owner, 3600, "IN", rdtype, *texts)


def with_answer(*rrsets: RRset) -> Change:
    def change(message: dns.message.Message) -> bool:
        message.answer = list(rrsets)
        return True

    return change


def with_denial(rcode: str, *rrsets: RRset) -> Change:
    def change(message: dns.message.Message) -> bool:
        message.answer, message.authority = [], list(rrsets)
        message.set_rcode(dns.rcode.from_text(rcode))
        return True

    return change


def zones(net: Internet, *origins: str) -> list[Zone]:
    return [net.zones[name(origin)] for origin in origins]


def three_levels(denial: str = "nsec", **more: Zone) -> Internet:
    return Internet(
        Zone(".", "", "nsec", 1), Zone("test.", BODY, denial, 2), Zone("sub.test.", WWW, "nsec", 3), *more.values()
    )


class TestSignatures:
    """RFC 4035 §5.3.1: each field of a signature can spoil it, however genuine it is."""

    @pytest.mark.parametrize(
        ("changes", "status"),
        [
            ({}, SECURE),
            ({"labels": 3}, BOGUS),
            ({"labels": 0}, BOGUS),
            ({"labels": 1}, BOGUS),
            ({"type_covered": T.AAAA}, BOGUS),
            ({"algorithm": 13}, BOGUS),
            ({"key_tag": 1}, BOGUS),
            ({"signer": name("www.test.")}, BOGUS),
            ({"signer": dns.name.root}, BOGUS),
            ({"signer": name("other.")}, BOGUS),
            ({"original_ttl": 60}, SECURE),
            ({"inception": NOW + 1}, BOGUS),
            ({"inception": NOW, "expiration": NOW}, SECURE),
            ({"expiration": NOW - 1}, BOGUS),
            ({"inception": NOW + 9, "expiration": NOW + 8}, BOGUS),
            ({"inception": (NOW - 2**31 + 10) % 2**32, "expiration": NOW + 1}, SECURE),
            ({"inception": (NOW - 2**31 - 10) % 2**32}, BOGUS),
        ],
    )
    def test_fields(self, changes: dict[str, object], status: object) -> None:
        net = internet()
        (zone,) = zones(net, "test.")
        rrset = zone.nodes[name("www.test.")][T.A]
        signed = forged(zone, rrset, **changes)
        change = with_answer(rrset, signed)
        assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): change}).status is status

    def test_times_are_serial_numbers(self) -> None:
        """RFC 4034 §3.1.5: signatures reach across the year 2106."""
        net = internet()
        for now in (NOW + LIFETIME + 2**32, NOW + 2**32, NOW - LIFETIME + 2**32):
            assert ask(net, q("www.test.", "A"), now=now).status is SECURE
        assert ask(net, q("www.test.", "A"), now=NOW + LIFETIME + 1 + 2**32).ede == 7

    def test_a_ttl_above_the_original_is_cut_and_one_below_counts(self) -> None:
        net = internet()
        (zone,) = zones(net, "test.")
        rrset = zone.nodes[name("www.test.")][T.A]
        change = with_answer(rrset, forged(zone, rrset, original_ttl=60))
        assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): change}).expires == NOW + 60

    def test_a_second_signature_that_is_wrong_or_unknown_does_no_harm(self) -> None:
        net = internet()

        def change(message: dns.message.Message) -> bool:
            rdata = message.answer[1][0]
            for more in (rdata.replace(algorithm=5), rdata.replace(key_tag=7), rdata.replace(signer=name("nx."))):
                message.answer[1].add(more)
            return True

        assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): change}).status is SECURE

    @pytest.mark.parametrize(("wrong", "status"), [(1, SECURE), (2, BOGUS), (3, BOGUS)])
    def test_one_wrong_signature_beside_the_right_one_is_enough(self, wrong: int, status: object) -> None:
        """As BIND does since KeyTrap; more wrong ones are nobody's change of keys."""

        (zone,) = zones(internet(), "test.")
        rrset = zone.nodes[name("www.test.")][T.A]
        (right,) = zone.signature(rrset)
        signatures = [right, *(right.replace(signature=bytes([number]) * 64) for number in range(wrong))]
        assert right.signature > bytes([wrong]) * 64
        limits = ValidatorLimits()
        keys = ZoneKeys([zone.key], limits.policy)
        for order in (signatures, signatures[::-1]):
            outcome = verify(SignedRRset(rrset, tuple(order)), zone.origin, keys, NOW, Budget(limits))
            assert isinstance(outcome, Verified) is (status is SECURE)

    @pytest.mark.parametrize(("more", "believed"), [(1, True), (3, True), (4, False), (20, False)])
    def test_a_heap_of_signatures_by_one_key_is_not_believed_even_where_the_right_one_is_tried_first(
        self, more: int, believed: bool
    ) -> None:
        (zone,) = zones(internet(), "test.")
        rrset = zone.nodes[name("www.test.")][T.A]
        (right,) = zone.signature(rrset)
        heap = (right, *(right.replace(signature=b"\xff" * 63 + bytes([number])) for number in range(more)))
        limits = ValidatorLimits()
        keys = ZoneKeys([zone.key], limits.policy)
        outcome = verify(SignedRRset(rrset, heap), zone.origin, keys, NOW, Budget(limits))
        assert isinstance(outcome, Verified) is believed


class TestCanonicalForm:
    """RFC 4034 §6.2, RFC 6840 §5.1."""

    def test_letters_of_owners_and_embedded_names_do_not_matter(self) -> None:
        net = internet(BODY)

        def change(message: dns.message.Message) -> bool:
            for rrset in message.answer:
                rrset.name = name("mAiL.tEsT.")
            message.answer[0].clear()
            message.answer[0].add(dns.rdata.from_text("IN", "MX", "10 wwW.tesT."))
            return True

        answer = ask(net, q("mail.test.", "MX"), {q("mail.test.", "MX"): change})
        assert answer.status is SECURE

    def test_records_out_of_order_and_twice_are_one_set(self) -> None:
        net = internet("many 60 TXT z\nmany 60 TXT b\nmany 60 TXT a\nmany 60 TXT zz\n")

        def change(message: dns.message.Message) -> bool:
            texts = [rdata.to_text() for rdata in message.answer[0]]
            message.answer[0] = dns.rrset.from_text("many.test.", 60, "IN", "TXT", *reversed(texts), texts[0])
            return True

        assert ask(net, q("many.test.", "TXT"), {q("many.test.", "TXT"): change}).status is SECURE

    def test_one_record_less_is_bogus(self) -> None:
        net = internet("many 60 TXT z\nmany 60 TXT b\n")
        change = with_answer(record("many.test.", "TXT", "z"), net.answer(q("many.test.", "TXT")).answer[1])
        assert ask(net, q("many.test.", "TXT"), {q("many.test.", "TXT"): change}).status is BOGUS


def _beside(zone: Zone, rdtype: int, *, wrong: bool = False, unsigned: bool = False) -> Change:
    def change(message: dns.message.Message) -> bool:
        rrset, signature = zone.signed(zone.nodes[zone.origin][rdtype])
        if wrong:
            (rdata,) = signature
            signature = RRset(rrset.name, dns.rdataclass.IN, T.RRSIG, rdtype)
            signature.add(rdata.replace(signature=bytes(64)), 60)
        message.authority = [rrset] if unsigned else [rrset, signature]
        return True

    return change


class TestBesideTheAnswer:
    """What unbound says, case by case; delv is content with the records asked for."""

    @pytest.mark.parametrize("rdtype", [T.SOA, T.NSEC])
    def test_denial_types_must_be_genuine_and_of_a_zone_that_answers(self, rdtype: int) -> None:
        net = three_levels()
        root, test, sub = zones(net, ".", "test.", "sub.test.")
        question = q("www.test.", "A")
        assert ask(net, question, {question: _beside(test, rdtype)}).status is SECURE
        for change in (
            _beside(test, rdtype, wrong=True),
            _beside(test, rdtype, unsigned=True),
            _beside(sub, rdtype),
            _beside(root, rdtype),
        ):
            assert ask(net, question, {question: change}).status is BOGUS

    def test_ns_proves_nothing_and_spoils_nothing(self) -> None:
        net = three_levels()
        root, test = zones(net, ".", "test.")
        question = q("www.test.", "A")
        for change in (_beside(test, T.NS, wrong=True), _beside(test, T.NS, unsigned=True), _beside(root, T.NS)):
            assert ask(net, question, {question: change}).status is SECURE

    def test_unrelated_records_are_ignored(self) -> None:
        net = internet()

        def change(message: dns.message.Message) -> bool:
            message.answer.append(record("bank.test.", "A", "192.0.2.66"))
            message.authority.append(record("other.", "A", "192.0.2.66"))
            message.additional.append(record("www.test.", "A", "192.0.2.66"))
            return True

        answer = ask(net, q("www.test.", "A"), {q("www.test.", "A"): change})
        assert answer.status is SECURE
        assert [rdata.to_text() for rdata in answer.records] == ["192.0.2.1"]

    def test_a_denial_that_answers_something_else_is_bogus(self) -> None:
        """delv takes such a message for malformed."""
        net = internet()

        def change(message: dns.message.Message) -> bool:
            message.answer = net.answer(q("ns.test.", "A")).answer or net.answer(q("www.test.", "A")).answer
            return True

        for owner in ("nx.test.", "www.test."):
            assert ask(net, q(owner, "MX")).status is SECURE
            assert ask(net, q(owner, "MX"), {q(owner, "MX"): change}).status is BOGUS

    def test_a_signature_in_another_section_is_not_looked_for(self) -> None:
        """RFC 4035 §3.1.1: it belongs to its RRset. unbound finds it, delv does not."""

        def change(message: dns.message.Message) -> bool:
            message.additional.append(message.answer.pop(1))
            return True

        assert ask(internet(), q("www.test.", "A"), {q("www.test.", "A"): change}).status is BOGUS


class TestEveryLabelOfTheChain:
    def deep(self, denial: str) -> Internet:
        return Internet(
            Zone(".", "", "nsec", 1), Zone("test.", WWW, denial, 2), Zone("zone.between.test.", WWW, "nsec", 3)
        )

    @pytest.mark.parametrize("denial", ["nsec", "nsec3", "opt-out"])
    def test_a_name_between_two_zones_must_be_proved_to_be_no_cut(self, denial: str) -> None:
        net = self.deep(denial)
        question, between = q("www.zone.between.test.", "A"), q("between.test.", "DS")
        assert ask(net, question).status is SECURE
        for change in (
            lambda message: message.authority.clear() or True,
            lambda message: message.authority.pop() is not None,
            lambda message: message.set_rcode(dns.rcode.NXDOMAIN) or message.authority.clear() or True,
        ):
            assert ask(net, question, {between: change}).status is BOGUS
        assert ask(net, question, {between: lambda _: None}).status is INDETERMINATE

    def test_a_wildcard_alias_replayed_hides_no_delegation(self) -> None:
        """The parent has *.test CNAME: its signature fits sub.test too, but the NSEC shows what is there."""
        net = Internet(
            Zone(".", "", "nsec", 1),
            Zone("test.", "* 60 CNAME t\nt 60 A 192.0.2.4\n", "nsec", 2),
            Zone("sub.test.", WWW),
        )
        genuine = net.answer(q("nx.test.", "DS"))

        def change(message: dns.message.Message) -> bool:
            message.answer = genuine.answer[:2]
            for rrset in message.answer:
                rrset.name = name("sub.test.")
            message.authority = genuine.authority
            return True

        answer = ask(net, q("www.sub.test.", "A"), {q("sub.test.", "DS"): change})
        assert answer.status is BOGUS
        assert "wildcard" in answer.reason

    @pytest.mark.parametrize("denial", ["nsec", "nsec3", "opt-out"])
    def test_an_insecure_delegation_may_be_proved_by_the_answer_itself(self, denial: str) -> None:
        """val_cnametonsec: nobody answers for DS, but its denial came along."""
        net = Internet(Zone(".", "", "nsec", 1), Zone("test.", WWW, denial, 2), Zone("uns.test.", WWW, ""))
        question, ds = q("www.uns.test.", "A"), q("uns.test.", "DS")
        assert ask(net, question, {ds: lambda _: None}).status is INDETERMINATE

        def change(message: dns.message.Message) -> bool:
            message.authority = net.answer(ds).authority
            return True

        assert ask(net, question, {question: change, ds: lambda _: None}).status is INSECURE

    def test_ds_from_a_zone_that_is_not_the_parent_is_bogus(self) -> None:
        net = three_levels()
        root, sub = zones(net, ".", "sub.test.")
        rrset = record("sub.test.", "DS", sub.ds)
        for signer in (root, sub):
            change = with_answer(rrset, forged(signer, rrset))
            assert ask(net, q("www.sub.test.", "A"), {q("sub.test.", "DS"): change}).status is BOGUS

    def test_ds_at_a_name_below_a_dname(self) -> None:
        net = internet("d 60 DNAME other.test.\nx.other 60 A 192.0.2.8\n")
        answer = ask(net, q("x.d.test.", "DS"))
        assert answer.status is SECURE
        assert answer.nodata


class TestAnchors:
    def anchors(self, net: Internet, *origins: str) -> str:
        return "".join(f"{zone.origin} DS {zone.ds}\n" for zone in zones(net, *origins))

    def test_an_island_below_an_unsigned_zone(self) -> None:
        net = Internet(Zone(".", "", "nsec", 1), Zone("uns.", WWW, ""), Zone("isle.uns.", WWW, "nsec", 3))
        assert ask(net, q("www.isle.uns.", "A")).status is INSECURE
        both = self.anchors(net, ".", "isle.uns.")
        assert ask(net, q("www.isle.uns.", "A"), anchors=both).status is SECURE
        assert ask(net, q("isle.uns.", "DS"), anchors=both).status is INSECURE
        assert ask(net, q("www.uns.", "A"), anchors=both).status is INSECURE
        assert (
            ask(net, q("www.isle.uns.", "A"), {q("www.isle.uns.", "A"): lambda m: m.answer.pop(1)}, anchors=both).status
            is BOGUS
        )

    def test_a_zone_with_an_anchor_may_be_denied_by_one_above_that_has_one_too(self) -> None:
        """val_anchor_nx: any success counts (RFC 6840 appendix C.2)."""
        net = internet()
        gone = f"gone.test. DS {net.zones[name('test.')].ds}\n"
        question = q("www.gone.test.", "A")
        answer = ask(net, question, anchors=self.anchors(net, "test.") + gone)
        assert answer.status is SECURE
        assert answer.nxdomain
        assert ask(net, question, anchors=gone).status is BOGUS

    def test_several_anchors_of_one_zone_need_only_one_that_fits(self) -> None:
        net = internet()
        key = net.zones[dns.name.root].key
        texts = f". DS 1 15 2 {'00' * 32}\n. DNSKEY {key.to_text()}\n. DNSKEY {key.replace(key=bytes(32)).to_text()}\n"
        assert ask(net, q("www.test.", "A"), anchors=texts).status is SECURE
        assert (
            ask(net, q("www.test.", "A"), anchors=f". DNSKEY {key.replace(key=bytes(32)).to_text()}\n").status is BOGUS
        )


class TestKeySets:
    def signed_by(self, change: Callable[[Zone], None]) -> Internet:
        zone = Zone("test.", WWW, "nsec", 2)
        change(zone)
        return Internet(Zone(".", "", "nsec", 1), zone)

    @pytest.mark.parametrize(("field", "value"), [("flags", 256 | 0x80), ("flags", 1), ("protocol", 2)])
    def test_data_signed_by_a_key_that_may_not_sign_is_bogus(self, field: str, value: int) -> None:
        """The apex's own key is in order; the one that signs the data is revoked, no zone key, or of no protocol."""
        other = Zone("test.", WWW, "nsec", 9)
        other.key = other.key.replace(**{field: value})
        net = self.signed_by(lambda zone: zone.add(zone.origin, 3600, "DNSKEY", other.key.to_text()))
        rrset = other.nodes[name("www.test.")][T.A]
        change = with_answer(rrset, other.signature(rrset))
        assert ask(net, q("www.test.", "A")).status is SECURE
        assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): change}).status is BOGUS

    def test_a_key_in_the_set_may_sign_although_no_ds_names_it(self) -> None:
        other = Zone("test.", WWW, "nsec", 9)
        other.key = other.key.replace(flags=256)
        net = self.signed_by(lambda zone: zone.add(zone.origin, 3600, "DNSKEY", other.key.to_text()))
        rrset = other.nodes[name("www.test.")][T.A]
        change = with_answer(rrset, other.signature(rrset))
        assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): change}).status is SECURE

    def test_keys_signed_only_by_one_of_themselves_are_bogus(self) -> None:
        """RFC 4035 §5.2: the key that DS names has to sign the set, not any of its members."""
        other = Zone("test.", WWW, "nsec", 9)
        net = self.signed_by(lambda zone: zone.add(zone.origin, 3600, "DNSKEY", other.key.to_text()))
        rrset = net.answer(q("test.", "DNSKEY")).answer[0]
        change = with_answer(rrset, other.signature(rrset))
        assert ask(net, q("www.test.", "A"), {q("test.", "DNSKEY"): change}).status is BOGUS

    def test_unknown_algorithms_beside_a_known_one_do_not_make_a_zone_insecure(self) -> None:
        net = internet()
        root, test = zones(net, ".", "test.")
        rrset = record("test.", "DS", test.ds, "1 200 2 " + "00" * 32, "2 15 200 00")
        change = with_answer(rrset, forged(root, rrset))
        question = q("www.test.", "A")
        assert ask(net, question, {q("test.", "DS"): change}).status is SECURE
        stripped: dict[object, Change] = {q("test.", "DS"): change, question: lambda m: m.answer.pop(1)}
        assert ask(net, question, stripped).status is BOGUS  # type: ignore[arg-type]


class TestAliases:
    def mixed(self) -> Internet:
        secure = (
            WWW + "out 60 CNAME www.uns.\nd 60 DNAME uns.\n* 60 CNAME www\nlong 60 DNAME " + ".".join(["l" * 62] * 3)
        )
        return Internet(
            Zone(".", "", "nsec", 1),
            Zone("test.", secure + ".test.\n", "nsec", 2),
            Zone("uns.", WWW + "back 60 CNAME www.test.\n", ""),
        )

    @pytest.mark.parametrize(
        ("owner", "rdtype", "status"),
        [
            ("out.test.", "A", INSECURE),
            ("out.test.", "CNAME", SECURE),
            ("out.test.", "MX", INSECURE),
            ("www.d.test.", "A", INSECURE),
            ("www.d.test.", "CNAME", SECURE),
            ("d.test.", "DNAME", SECURE),
            ("d.test.", "A", SECURE),
            ("back.uns.", "A", INSECURE),
            ("any.test.", "A", SECURE),
            ("any.test.", "CNAME", SECURE),
            ("any.test.", "TXT", SECURE),
        ],
    )
    def test_a_chain_is_as_good_as_its_weakest_step(self, owner: str, rdtype: str, status: object) -> None:
        assert ask(self.mixed(), q(owner, rdtype)).status is status

    def test_the_unsigned_end_of_a_signed_alias_may_not_be_in_a_signed_zone(self) -> None:
        net = self.mixed()
        question = q("any.test.", "A")
        change = with_answer(*net.answer(question).answer[:2], record("www.test.", "A", "192.0.2.66"))
        assert ask(net, question, {question: change}).status is BOGUS

    def test_a_dname_too_long_is_a_failure(self) -> None:
        """RFC 6672 §2.2: YXDOMAIN; there is no name to go on with."""
        net = self.mixed()
        (zone,) = zones(net, "test.")
        question = q(".".join(["x" * 62] * 2) + ".long.test.", "A")
        reply = dns.message.make_response(dns.message.make_query(question.name, "A", want_dnssec=True))
        reply.answer = zone.signed(zone.nodes[name("long.test.")][T.DNAME])
        answers = {question: reply}
        original = net.answer
        net.answer = lambda asked: answers.get(asked) or original(asked)  # type: ignore[method-assign]
        for rcode in (dns.rcode.YXDOMAIN, dns.rcode.NOERROR):
            reply.set_rcode(rcode)
            answer = ask(net, question)
            assert answer.failed
            assert answer.records == ()

    def test_a_dname_from_a_wildcard_is_bogus(self) -> None:
        net = self.mixed()
        (zone,) = zones(net, "test.")
        made = record("*.test.", "DNAME", "uns.")
        signature = forged(zone, made)
        made.name = signature.name = name("w.test.")
        change = with_answer(made, signature)
        assert ask(net, q("www.w.test.", "A"), {q("www.w.test.", "A"): change}).status is BOGUS


class TestDenials:
    @pytest.mark.parametrize("denial", ["nsec", "nsec3"])
    def test_a_record_at_a_cut_or_a_dname_denies_nothing_below(self, denial: str) -> None:
        """RFC 6840 §4.1: else the parent's record would deny the child's names."""
        body = BODY + "d 60 DNAME other.test.\n"
        net = Internet(Zone(".", "", "nsec", 1), Zone("test.", body, denial, 2), Zone("sub.test.", WWW, "nsec", 3))
        (zone,) = zones(net, "test.")
        for at, below in (("sub.test.", "www.sub.test."), ("d.test.", "x.d.test.")):
            proof = [*zone.matching(name(at)), *zone.covering(name(below)), *zone.covering(name("*." + at))]
            change = with_denial("NXDOMAIN", *proof)
            assert ask(net, q(below, "A"), {q(below, "A"): change}).status is BOGUS, at

    def test_a_sibling_zone_denies_nothing(self) -> None:
        net = Internet(Zone(".", "", "nsec", 1), Zone("test.", WWW, "nsec", 2), Zone("tess.", WWW, "nsec", 3))
        (zone,) = zones(net, "tess.")
        nsec = RRset(name("a.tess."), dns.rdataclass.IN, T.NSEC)
        nsec.add(dns.rdata.from_text("IN", "NSEC", "zz. A RRSIG NSEC"), 300)
        change = with_denial("NXDOMAIN", nsec, forged(zone, nsec))
        assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): change}).status is BOGUS

    def test_a_zone_of_one_name(self) -> None:
        net = internet()
        net = Internet(Zone(".", "", "nsec", 1), Zone("test.", "", "nsec", 2))
        net.zones[name("test.")].nodes.pop(name("ns.test."), None)
        answer = ask(net, q("nx.test.", "A"))
        assert answer.status is SECURE
        assert answer.nxdomain

    def test_a_wildcards_own_nsec_is_no_proof_for_the_expanded_name(self) -> None:
        """An NSEC that is itself expanded from a wildcard has no owner to reason with (RFC 4035 §5.4)."""
        net = internet(BODY)
        (zone,) = zones(net, "test.")
        nsec = zone.nodes[name("*.wild.test.")][T.NSEC]
        signature = zone.signature(nsec)
        moved, moved_signature = nsec.copy(), signature.copy()
        moved.name = moved_signature.name = name("x.wild.test.")
        change = with_denial("NOERROR", moved, moved_signature)
        assert ask(net, q("x.wild.test.", "MX"), {q("x.wild.test.", "MX"): change}).status is BOGUS

    @pytest.mark.parametrize(
        "fields",
        [{"algorithm": 2}, {"flags": 2}, {"flags": 0x80}, {"salt": b"\1"}, {"iterations": 7}, {"next": bytes(19)}],
    )
    def test_nsec3_with_unknown_or_other_parameters_is_no_proof(self, fields: dict[str, object]) -> None:
        """RFC 5155 §8.1 and §8.2."""
        net = internet(WWW, "nsec3")
        (zone,) = zones(net, "test.")

        def change(message: dns.message.Message) -> bool:
            rrsets = [rrset for rrset in message.authority if rrset.rdtype == T.NSEC3]
            message.authority = message.authority[:2]
            for number, rrset in enumerate(rrsets):
                odd = rrset
                if number == 0:
                    odd = RRset(rrset.name, dns.rdataclass.IN, T.NSEC3)
                    odd.add(rrset[0].replace(**fields), rrset.ttl)
                zone.signatures.pop((odd.name, int(T.NSEC3)), None)
                message.authority += [odd, forged(zone, odd)]
                zone.signatures.pop((odd.name, int(T.NSEC3)), None)
            return True

        answer = ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): change})
        assert answer.status is BOGUS

    def test_salted_and_unsalted(self) -> None:
        for iterations in (0, 1):
            assert ask(internet(WWW, "nsec3", iterations=iterations), q("nx.test.", "A")).status is SECURE

    def test_nodata_for_a_name_that_is_said_not_to_exist(self) -> None:
        """val_nodata_entnx: unbound takes it for NODATA, delv and danelaw say bogus."""
        net = internet("a.b.ent 60 A 192.0.2.3\n")
        question = q("ent.test.", "A")
        assert ask(net, question).status is SECURE
        assert ask(net, question, {question: lambda m: m.set_rcode(dns.rcode.NXDOMAIN) or True}).status is BOGUS


class TestOtherQuestions:
    def test_any_is_secure_when_all_is(self) -> None:
        net = internet("both 60 A 192.0.2.3\nboth 60 TXT x\nal 60 CNAME www\n")

        def every(message: dns.message.Message) -> bool:
            node = net.zones[name("test.")].nodes[name("both.test.")]
            message.answer = [r for rrset in node.values() for r in net.zones[name("test.")].signed(rrset)]
            message.authority = []
            return True

        question = q("both.test.", "ANY")
        assert ask(net, question, {question: every}).status is SECURE
        spoiled: dict[object, Change] = {question: lambda m: every(m) and m.answer.pop() is not None}
        assert ask(net, question, spoiled).status is BOGUS  # type: ignore[arg-type]

    def test_any_is_not_denied_where_there_is_something(self) -> None:
        net = internet()
        (zone,) = zones(net, "test.")
        change = with_denial("NOERROR", *zone.matching(name("www.test.")))
        assert ask(net, q("www.test.", "ANY"), {q("www.test.", "ANY"): change}).status is BOGUS

    def test_signatures_alone_are_insecure(self) -> None:
        net = internet()
        change = with_answer(net.answer(q("www.test.", "A")).answer[1])
        answer = ask(net, q("www.test.", "RRSIG"), {q("www.test.", "RRSIG"): change})
        assert answer.status is INSECURE
        assert len(answer.records) == 1

    def test_a_bad_signature_is_bogus_although_ds_cannot_be_asked(self) -> None:
        def change(message: dns.message.Message) -> bool:
            message.answer[0] = record("www.test.", "A", "192.0.2.66")
            return True

        question = q("www.test.", "A")
        answer = ask(internet(), question, {question: change, q("www.test.", "DS"): lambda _: None})
        assert answer.status is BOGUS
