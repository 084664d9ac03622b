"""Proofs of absence that must not be believed, and odd ones that must."""

from __future__ import annotations

import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rrset
import pytest
from tests.dnssec.asking import BOGUS, INSECURE, SECURE, Change, ask, internet, q
from tests.dnssec.signing import NOW, Internet, RRset, T, Zone, name

from danelaw.dnsdata import DNSSECStatus, Question
from danelaw.dnssec import ValidatorLimits

BODY = "www 3600 A 192.0.2.1\n*.wild 3600 A 192.0.2.9\na.b.ent 60 A 192.0.2.3\ndel 60 NS ns.elsewhere.\n"


def own_nsec(net: Internet, zone: str, owner: str, text: str) -> list[RRset]:
    """An NSEC record signed by the zone itself, saying what the test wants."""
    rrset = RRset(name(owner), dns.rdataclass.IN, T.NSEC)
    rrset.add(dns.rdata.from_text(dns.rdataclass.IN, T.NSEC, text), 300)
    return [rrset, net.zones[name(zone)].signature(rrset)]


def with_authority(net: Internet, zone: str, rcode: str, *rrsets: RRset) -> Change:
    def change(message: dns.message.Message) -> bool:
        soa = net.zones[name(zone)].nodes[name(zone)][T.SOA]
        message.answer = []
        message.authority = [*net.zones[name(zone)].signed(soa), *rrsets]
        message.set_rcode(dns.rcode.from_text(rcode))
        return True

    return change


@pytest.mark.parametrize("denial", ["nsec", "nsec3"])
class TestForgedDenials:
    def test_an_unsigned_soa_spoils_a_denial(self, denial: str) -> None:
        net = internet(BODY, denial)
        answer = ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): lambda m: m.authority.pop(1)})
        assert (answer.status, answer.ede) == (BOGUS, 10)

    def test_a_signature_that_lost_its_soa_spoils_a_denial(self, denial: str) -> None:
        net = internet(BODY, denial)
        answer = ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): lambda m: m.authority.pop(0)})
        assert (answer.status, answer.ede) == (BOGUS, 6)

    def test_a_denial_without_soa_stands(self, denial: str) -> None:
        def change(message: dns.message.Message) -> bool:
            message.authority = message.authority[2:]
            return True

        net = internet(BODY, denial)
        assert ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): change}).status is SECURE

    @pytest.mark.parametrize(("owner", "rcode"), [("nx.test.", "NOERROR"), ("www.test.", "NXDOMAIN")])
    def test_the_response_code_must_be_the_proved_one(self, denial: str, owner: str, rcode: str) -> None:
        def change(message: dns.message.Message) -> bool:
            message.set_rcode(dns.rcode.from_text(rcode))
            return True

        net = internet(BODY, denial)
        assert ask(net, q(owner, "MX")).status is SECURE
        assert ask(net, q(owner, "MX"), {q(owner, "MX"): change}).status is BOGUS

    def test_no_proof_at_all(self, denial: str) -> None:
        def change(message: dns.message.Message) -> bool:
            message.authority = message.authority[:2]
            return True

        answer = ask(internet(BODY, denial), q("nx.test.", "A"), {q("nx.test.", "A"): change})
        assert (answer.status, answer.ede) == (BOGUS, 12)

    def test_a_wildcard_without_its_proof(self, denial: str) -> None:
        def change(message: dns.message.Message) -> bool:
            message.authority = []
            return True

        net = internet(BODY, denial)
        answer = ask(net, q("x.wild.test.", "A"), {q("x.wild.test.", "A"): change})
        assert (answer.status, answer.ede) == (BOGUS, 12)

    def test_existing_data_denied_with_another_names_proof(self, denial: str) -> None:
        net = internet(BODY, denial)

        def change(message: dns.message.Message) -> bool:
            other = net.answer(q("nx.test.", "A"))
            message.answer, message.authority = [], other.authority
            message.set_rcode(dns.rcode.NXDOMAIN)
            return True

        for owner in ("www.test.", "b.ent.test.", "x.wild.test."):
            assert ask(net, q(owner, "A"), {q(owner, "A"): change}).status is BOGUS

    def test_names_below_a_delegation_are_not_denied_by_the_parent(self, denial: str) -> None:
        """RFC 6840 §4.1: the insecure delegation decides, and the unsigned answer stands as insecure."""
        net = internet(BODY, denial)

        def change(message: dns.message.Message) -> bool:
            message.answer, message.authority = [], net.answer(q("del.test.", "DS")).authority
            message.set_rcode(dns.rcode.NXDOMAIN)
            return True

        answer = ask(net, q("x.del.test.", "A"), {q("x.del.test.", "A"): change})
        assert answer.status is INSECURE


class TestIterations:
    def test_more_than_the_limit_is_insecure(self) -> None:
        net = internet(BODY, "nsec3", iterations=151)
        answer = ask(net, q("nx.test.", "A"))
        assert (answer.status, answer.ede) == (INSECURE, 27)
        assert ask(net, q("www.test.", "A")).status is SECURE

    def test_only_after_its_signature_was_validated(self) -> None:
        net = internet(BODY, "nsec3", iterations=151)

        def change(message: dns.message.Message) -> bool:
            message.authority = [rrset for rrset in message.authority if rrset.covers != T.NSEC3]
            return True

        assert ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): change}).status is BOGUS

    def test_stripped_data_is_not_excused_by_them(self) -> None:
        def strip(message: dns.message.Message) -> bool:
            message.answer = message.answer[:1]
            return True

        for iterations, status in ((151, BOGUS), (500, BOGUS), (501, INSECURE)):
            net = internet(BODY, "nsec3", iterations=iterations)
            assert ask(net, q("www.test.", "A"), {q("www.test.", "A"): strip}).status is status

    def test_insecure_delegations_stay_insecure(self) -> None:
        net = internet(BODY, "nsec3", iterations=300)
        assert ask(net, q("del.test.", "DS")).status is INSECURE

    def test_the_limit_itself_is_still_checked(self) -> None:
        assert ask(internet(BODY, "nsec3", iterations=150), q("nx.test.", "A")).status is SECURE

    def test_hashing_is_bounded(self) -> None:
        net = internet(BODY, "nsec3", iterations=100)
        deep = ".".join(["a"] * 100) + ".test."
        answer = ask(net, q(deep, "A"), limits=ValidatorLimits(nsec3_hash_rounds=1000))
        assert answer.status is BOGUS
        assert "NSEC3 hashing" in answer.reason


class TestDelegations:
    def test_ds_denied_by_the_child_is_bogus(self) -> None:
        net = Internet(Zone(".", "", "nsec", 1), Zone("test.", BODY, "nsec", 2), Zone("sub.test.", BODY, "nsec", 3))
        nsec = net.zones[name("sub.test.")].matching(name("sub.test."))
        change = with_authority(net, "sub.test.", "NOERROR", *nsec)
        answer = ask(net, q("www.sub.test.", "A"), {q("sub.test.", "DS"): change})
        assert answer.status is BOGUS
        assert ask(net, q("sub.test.", "DS"), {q("sub.test.", "DS"): change}).status is BOGUS

    def test_stripped_ds_with_a_denial_of_another_name_is_bogus(self) -> None:
        net = Internet(Zone(".", "", "nsec", 1), Zone("test.", BODY, "nsec", 2), Zone("sub.test.", BODY, "nsec", 3))

        def strip(message: dns.message.Message) -> bool:
            message.answer, message.authority = [], net.answer(q("del.test.", "DS")).authority
            return True

        def unsigned(message: dns.message.Message) -> bool:
            message.answer = message.answer[:1]
            return True

        changes = {q("sub.test.", "DS"): strip, q("www.sub.test.", "A"): unsigned}
        assert ask(net, q("www.sub.test.", "A"), changes).status is BOGUS

    def test_ds_of_the_root_is_denied_by_the_root(self) -> None:
        answer = ask(internet(), Question(dns.name.root, T.DS))
        assert answer.status is SECURE
        assert answer.nodata

    def test_the_parent_side_nsec_denies_nothing_but_ds(self) -> None:
        net = Internet(Zone(".", "", "nsec", 1), Zone("test.", BODY, "nsec", 2), Zone("sub.test.", BODY, "nsec", 3))
        change = with_authority(net, "test.", "NOERROR", *net.zones[name("test.")].matching(name("sub.test.")))
        answer = ask(net, q("sub.test.", "MX"), {q("sub.test.", "MX"): change})
        assert answer.status is BOGUS


class TestCompactDenial:
    """RFC 9824: signed on the spot, one NSEC record that begins at the name itself."""

    @pytest.mark.parametrize("rcode", ["NOERROR", "NXDOMAIN"])
    def test_nxname_is_secure(self, rcode: str) -> None:
        net = internet()
        nsec = own_nsec(net, "test.", "nx.test.", "\\000.nx.test. RRSIG NSEC TYPE128")
        answer = ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): with_authority(net, "test.", rcode, *nsec)})
        assert answer.status is SECURE
        assert answer.rcode == dns.rcode.from_text(rcode)

    def test_nxdomain_without_nxname_is_bogus(self) -> None:
        net = internet()
        nsec = own_nsec(net, "test.", "nx.test.", "\\000.nx.test. RRSIG NSEC")
        change = with_authority(net, "test.", "NXDOMAIN", *nsec)
        assert ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): change}).status is BOGUS

    def test_minimally_covering_records_prove_absence(self) -> None:
        """RFC 4470: the narrow span around the name and the one around its wildcard."""
        net = internet()
        nsec = own_nsec(net, "test.", "nw.test.", "ny.test. RRSIG NSEC")
        change = with_authority(net, "test.", "NXDOMAIN", *nsec)
        assert ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): change}).status is BOGUS
        wildcard = own_nsec(net, "test.", "\\033.test.", "\\043.test. RRSIG NSEC")
        change = with_authority(net, "test.", "NXDOMAIN", *nsec, *wildcard)
        assert ask(net, q("nx.test.", "A"), {q("nx.test.", "A"): change}).status is SECURE


def test_other_names_signatures_prove_nothing() -> None:
    """A CNAME bit, or an alias where there is one: NODATA is refused (RFC 6840 §4.3)."""
    net = internet("a 60 CNAME www\n")
    change = with_authority(net, "test.", "NOERROR", *net.zones[name("test.")].matching(name("a.test.")))
    answer = ask(net, q("a.test.", "A"), {q("a.test.", "A"): change}, now=NOW)
    assert answer.status is DNSSECStatus.BOGUS
