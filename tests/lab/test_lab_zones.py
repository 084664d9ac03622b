"""Every signature and every proof of the lab's zones, checked with dnspython and by hand."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import cast

import dns.dnssec
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import pytest
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3
from dns.rdtypes.ANY.RRSIG import RRSIG

from danelaw.lab import SCENARIOS
from danelaw.lab.denial import proofs
from danelaw.lab.export import zone_text
from danelaw.lab.keys import Window, ZoneKeys
from danelaw.lab.recursion import Findings, Recursion
from danelaw.lab.scenario import Algorithm, Denial
from danelaw.lab.world import World
from danelaw.lab.zone import Zone

NOW = 1_790_000_000


@pytest.fixture(scope="module")
def world() -> World:
    return World(SCENARIOS, NOW)


def ask(recursion: Recursion, name: str, rdtype: str) -> Findings:
    return recursion.resolve(dns.name.from_text(name), dns.rdatatype.from_text(rdtype))


def small(denial: Denial, *lines: str) -> Recursion:
    window = Window(NOW - 3600, NOW + 3600)
    zones = []
    for text, records in ((".", ["lab NS nameserver."]), ("lab.", list(lines))):
        origin = dns.name.from_text(text)
        zones.append(Zone(origin, window, keys=ZoneKeys(origin, Algorithm.ED25519), denial=denial))
        zones[-1].add_text(records)
    return Recursion(zones)


def test_every_rrset_of_signed_zones_validates_and_the_parent_vouches_for_the_key(world: World) -> None:
    # All kinds of zone, and every sixth of the many that are made alike: signatures cost time.
    kinds = {(z.denial, z.keys.algorithm, len(z.origin)): z for z in world.zones.values() if z.keys}
    signed = [zone for zone in world.zones.values() if zone.signed]
    for zone in {z.origin: z for z in (*kinds.values(), *signed[::6])}.values():
        origin = zone.origin
        assert zone.keys is not None
        keyset = zone.rrset(origin, dns.rdatatype.DNSKEY)
        assert keyset is not None
        for rrset in (*zone.rrsets(), *proofs(zone).records()):
            signature = zone.signature(rrset)
            if rrset.name in zone.cuts and rrset.rdtype == dns.rdatatype.NS:
                assert signature is None
                continue
            assert signature is not None
            dns.dnssec.validate(rrset, signature, {origin: keyset}, now=NOW)
        if origin != dns.name.root:
            found = world.recursion.resolve(origin, dns.rdatatype.DS)
            assert zone.keys.ds in found.answer[0]


def test_unsigned_zones_have_neither_keys_nor_a_digest_in_their_parent(world: World) -> None:
    unsigned = [zone for zone in world.zones.values() if not zone.signed]
    assert len(unsigned) > 20
    for zone in unsigned:
        assert not [rrset for rrset in zone.rrsets() if rrset.rdtype in (dns.rdatatype.DNSKEY, dns.rdatatype.RRSIG)]
        assert world.recursion.resolve(zone.origin, dns.rdatatype.DS).answer == []


def test_nsec_chains_are_closed_rings_in_canonical_order(world: World) -> None:
    for zone in world.zones.values():
        if not zone.signed or zone.denial is not Denial.NSEC:
            continue
        records = list(proofs(zone).records())
        owners = [record.name for record in records]
        assert owners == sorted(owners)
        assert owners[0] == zone.origin
        assert [cast(NSEC, record[0]).next for record in records] == [*owners[1:], owners[0]]


def test_nsec3_chains_are_closed_rings_over_all_names_and_empty_nonterminals(world: World) -> None:
    rings = [zone for zone in world.zones.values() if zone.signed and zone.denial is Denial.NSEC3]
    assert len(rings) >= 3
    for zone in rings:
        owners, following = [], []
        for record in proofs(zone).records():
            owners.append(base64.b32hexdecode(record.name.labels[0].upper()))
            following.append(cast(NSEC3, record[0]).next)
        assert following == [*owners[1:], owners[0]]
        names = {ancestor for name in zone.names() for ancestor in _upwards(name, zone.origin)}
        assert owners == sorted(hashlib.sha1(name.canonicalize().to_wire()).digest() for name in names)


def _upwards(name: dns.name.Name, origin: dns.name.Name) -> list[dns.name.Name]:
    found = [name]
    while found[-1] != origin:
        found.append(found[-1].parent())
    return found


def test_opt_out_leaves_insecure_delegations_out_of_the_chain(world: World) -> None:
    zone = world.zones[dns.name.from_text("optout.")]
    records = list(proofs(zone).records())
    hashes = {record.name.labels[0].decode() for record in records}
    digest = {name: dns.dnssec.nsec3_hash(name, None, 0, 1).lower() for name in ("plain.optout.", "dane.optout.")}
    assert digest["plain.optout."] not in hashes
    assert digest["dane.optout."] in hashes
    assert all(cast(NSEC3, record[0]).flags == 1 for record in records)


@pytest.mark.skipif(shutil.which("ldns-verify-zone") is None, reason="ldns-verify-zone is not installed")
@pytest.mark.parametrize(
    "origin", [".", "lab.", "optout.", "nsec3.lab.", "tlsa-wildcard-nsec3.lab.", "big-dnskey.lab."]
)
def test_whole_zones_satisfy_another_verifier(world: World, tmp_path: Path, origin: str) -> None:
    file = tmp_path / "zone"
    file.write_text(zone_text(world.zones[dns.name.from_text(origin)]))
    done = subprocess.run(
        ["ldns-verify-zone", "-t", "20260921150000", str(file)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("denial", [Denial.NSEC, Denial.NSEC3])
class TestAnswers:
    """What a recursive resolver says in each case."""

    def test_a_name_that_does_not_exist(self, denial: Denial) -> None:
        found = ask(small(denial, "a.b A 192.0.2.1"), "x.y.lab", "A")
        assert found.rcode == dns.rcode.NXDOMAIN
        assert found.answer == []
        types = [rrset.rdtype.name for rrset in found.authority]
        assert types[:2] == ["SOA", "RRSIG"]
        assert set(types[2::2]) == {"NSEC" if denial is Denial.NSEC else "NSEC3"}

    def test_an_empty_nonterminal_exists_without_data(self, denial: Denial) -> None:
        found = ask(small(denial, "a.b A 192.0.2.1"), "b.lab", "A")
        assert found.rcode == dns.rcode.NOERROR
        assert found.answer == []
        assert len(found.authority) == 4

    def test_a_wildcard_answers_under_the_name_asked_with_the_wildcards_signature(self, denial: Denial) -> None:
        found = ask(small(denial, "*.w A 192.0.2.1"), "q.r.w.lab", "A")
        assert [rrset.name.to_text() for rrset in found.answer] == ["q.r.w.lab.", "q.r.w.lab."]
        assert cast(RRSIG, found.answer[1][0]).labels == 2
        assert [rrset.rdtype.name for rrset in found.authority][1] == "RRSIG"

    def test_a_wildcard_without_the_type(self, denial: Denial) -> None:
        found = ask(small(denial, "*.w A 192.0.2.1"), "q.w.lab", "MX")
        assert found.rcode == dns.rcode.NOERROR
        assert found.answer == []
        assert len(found.authority) >= 4

    def test_an_alias_chain_is_followed_to_its_end(self, denial: Denial) -> None:
        found = ask(small(denial, "a CNAME b", "b CNAME c", "c A 192.0.2.1"), "a.lab", "A")
        assert [rrset.rdtype.name for rrset in found.answer] == ["CNAME", "RRSIG", "CNAME", "RRSIG", "A", "RRSIG"]

    def test_an_alias_to_nothing_ends_with_nxdomain_and_its_proof(self, denial: Denial) -> None:
        found = ask(small(denial, "a CNAME gone"), "a.lab", "A")
        assert found.rcode == dns.rcode.NXDOMAIN
        assert len(found.answer) == 2
        assert found.authority

    def test_the_alias_itself_can_be_asked_for(self, denial: Denial) -> None:
        found = ask(small(denial, "a CNAME b", "b A 192.0.2.1"), "a.lab", "CNAME")
        assert [rrset.rdtype.name for rrset in found.answer] == ["CNAME", "RRSIG"]

    def test_a_loop_of_aliases_fails(self, denial: Denial) -> None:
        assert ask(small(denial, "a CNAME b", "b CNAME a"), "a.lab", "A").rcode == dns.rcode.SERVFAIL

    def test_dname_comes_with_the_alias_it_stands_for(self, denial: Denial) -> None:
        found = ask(small(denial, "old DNAME new", "x.new A 192.0.2.1"), "x.old.lab", "A")
        assert [rrset.rdtype.name for rrset in found.answer] == ["DNAME", "RRSIG", "CNAME", "A", "RRSIG"]
        assert found.answer[2].to_text().endswith("CNAME x.new.lab.")

    def test_nsec_and_signatures_can_be_asked_for(self, denial: Denial) -> None:
        recursion = small(denial, "a A 192.0.2.1")
        types = [rrset.rdtype.name for rrset in ask(recursion, "a.lab", "NSEC").answer]
        assert types == (["NSEC", "RRSIG"] if denial is Denial.NSEC else [])
        assert {rrset.rdtype.name for rrset in ask(recursion, "a.lab", "RRSIG").answer} == {"RRSIG"}

    def test_ds_comes_from_the_parent(self, denial: Denial) -> None:
        found = ask(small(denial), "lab", "DS")
        assert found.answer == []
        assert {rrset.name.to_text() for rrset in found.authority if rrset.rdtype == dns.rdatatype.SOA} == {"."}


def test_signing_in_another_window_keeps_both(world: World) -> None:
    zone = world.zones[dns.name.from_text("dane.lab.")]
    rrset = cast(dns.rrset.RRset, zone.rrset(zone.origin, dns.rdatatype.MX))
    old = zone.signature(rrset, Window(1, 2))
    assert old is not None
    assert cast(RRSIG, old[0]).expiration == 2
    fresh = zone.signature(rrset)
    assert fresh is not None
    assert cast(RRSIG, fresh[0]).expiration > NOW
