"""Ways to damage a response: what an attacker or a broken server makes of genuine octets.

Each takes the question and the zones that answer it, and gives the octets sent instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from danelaw.dnsdata import Question


class Zones(NamedTuple):
    """All questions one may ask and the genuine answer to each; `anchor` is the root's DS in zone-file form."""

    questions: Sequence[Question]
    wire: Callable[[Question], bytes]
    anchor: str


Mutation = Callable[[random.Random, Question, Zones], bytes]


def bit_flipped(chance: random.Random, question: Question, zones: Zones) -> bytes:
    wire = bytearray(zones.wire(question))
    position = chance.randrange(12 * 8, len(wire) * 8) if chance.random() < 0.9 else chance.randrange(len(wire) * 8)
    wire[position // 8] ^= 1 << (position % 8)
    return bytes(wire)


def records_dropped(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = dns.message.from_wire(zones.wire(question))
    for section in (message.answer, message.authority):
        if section and chance.random() < 0.7:
            del section[chance.randrange(len(section))]
    return message.to_wire(max_size=65535)


def signatures_dropped(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = dns.message.from_wire(zones.wire(question))
    message.answer = [rrset for rrset in message.answer if rrset.rdtype != dns.rdatatype.RRSIG]
    message.authority = [rrset for rrset in message.authority if rrset.rdtype != dns.rdatatype.RRSIG]
    return message.to_wire(max_size=65535)


def one_of_a_set_dropped(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = dns.message.from_wire(zones.wire(question))
    for rrset in message.answer + message.authority:
        if len(rrset) > 1:
            rrset.remove(rrset[chance.randrange(len(rrset))])
    return message.to_wire(max_size=65535)


def other_response(chance: random.Random, question: Question, zones: Zones) -> bytes:
    """The sections of the answer to another question: replayed proofs, wrong-zone NSEC, child-side DS denials."""
    other = chance.choice(zones.questions)
    if chance.random() < 0.5:
        other = Question(question.name, other.rdtype)
    message = dns.message.from_wire(zones.wire(other))
    message.question = dns.message.make_query(question.name, question.rdtype).question
    return message.to_wire(max_size=65535)


def sections_swapped(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = dns.message.from_wire(zones.wire(question))
    other = dns.message.from_wire(zones.wire(chance.choice(zones.questions)))
    if chance.random() < 0.5:
        message.authority = other.authority
    else:
        message.answer = other.answer
    message.set_rcode(chance.choice([dns.rcode.NOERROR, dns.rcode.NXDOMAIN]))
    return message.to_wire(max_size=65535)


def renamed(chance: random.Random, question: Question, zones: Zones) -> bytes:
    """Genuine records under another owner name."""
    message = dns.message.from_wire(zones.wire(question))
    other = chance.choice(zones.questions).name
    for rrset in message.answer:
        rrset.name = question.name if rrset.name != question.name else other
    return message.to_wire(max_size=65535)


def _parsed(question: Question, zones: Zones) -> dns.message.Message:
    return dns.message.from_wire(zones.wire(question))


def _octets(message: dns.message.Message) -> bytes:
    return message.to_wire(max_size=65535)


def _one_of(chance: random.Random, message: dns.message.Message, *rdtypes: int) -> dns.rrset.RRset | None:
    found = [rrset for rrset in message.answer + message.authority if rrset.rdtype in rdtypes]
    return chance.choice(found) if found else None


def code_flipped(chance: random.Random, question: Question, zones: Zones) -> bytes:
    """NOERROR for NXDOMAIN and the other way round."""
    message = _parsed(question, zones)
    message.set_rcode(dns.rcode.NXDOMAIN if message.rcode() == dns.rcode.NOERROR else dns.rcode.NOERROR)
    return _octets(message)


def strangers_added(chance: random.Random, question: Question, zones: Zones) -> bytes:
    """What belongs to another answer stands beside the genuine one."""
    message, other = _parsed(question, zones), _parsed(chance.choice(zones.questions), zones)
    if chance.random() < 0.5:
        message.authority += [rrset for rrset in other.authority if rrset not in message.authority]
    else:
        message.answer[:0] = [rrset for rrset in other.answer if rrset not in message.answer]
    return _octets(message)


def records_mixed_in(chance: random.Random, question: Question, zones: Zones) -> bytes:
    """A set gets records of the same type from elsewhere."""
    message, other = _parsed(question, zones), _parsed(chance.choice(zones.questions), zones)
    for rrset in message.answer:
        for strange in other.answer:
            if strange.rdtype == rrset.rdtype != dns.rdatatype.RRSIG:
                rrset.update(strange)
    return _octets(message)


def signature_field_changed(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = _parsed(question, zones)
    rrset = _one_of(chance, message, dns.rdatatype.RRSIG)
    if rrset is not None:
        (rdata,) = rrset
        other = chance.choice(zones.questions).name
        changes: list[dict[str, object]] = [
            {"labels": chance.randrange(5)},
            {"original_ttl": rdata.original_ttl + chance.choice((-1, 1))},
            {"expiration": rdata.expiration + 86400},
            {"inception": (rdata.inception - 2**31) % 2**32},
            {"key_tag": chance.randrange(65536)},
            {"algorithm": chance.choice((0, 1, 3, 5, 7, 8, 12, 13, 253))},
            {"signer": chance.choice((dns.name.root, rrset.name, other))},
        ]
        rrset.clear()
        rrset.add(rdata.replace(**chance.choice(changes)))
    return _octets(message)


def signatures_multiplied(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = _parsed(question, zones)
    rrset = _one_of(chance, message, dns.rdatatype.RRSIG)
    if rrset is not None:
        (rdata,) = rrset
        for number in range(chance.choice((1, 3, 20))):
            rrset.add(rdata.replace(signature=bytes([number]) * len(rdata.signature)))
    return _octets(message)


def bit_map_changed(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = _parsed(question, zones)
    rrset = _one_of(chance, message, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
    if rrset is not None and rrset[0].windows:
        (rdata,) = rrset
        (number, bits), *rest = rdata.windows
        changed = bytearray(bits)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        changed[-1] = changed[-1] or 1
        rrset.clear()
        rrset.add(rdata.replace(windows=[(number, bytes(changed)), *rest]))
    return _octets(message)


def wildcard_replayed(chance: random.Random, question: Question, zones: Zones) -> bytes:
    """The signature of a wildcard under a name it may not be meant for."""
    wild = [one for one in zones.questions if one.name.is_wild()]
    if not wild:
        return zones.wire(question)
    message = _parsed(chance.choice(wild), zones)
    for rrset in message.answer:
        rrset.name = question.name if rrset.name.is_wild() else rrset.name
    if chance.random() < 0.5:
        message.authority = _parsed(question, zones).authority
    message.question = dns.message.make_query(question.name, question.rdtype).question
    return _octets(message)


def harmless(chance: random.Random, question: Question, zones: Zones) -> bytes:
    """Another order, other letters, other TTLs: no reason to refuse anything."""
    message = _parsed(question, zones)
    chance.shuffle(message.answer)
    chance.shuffle(message.authority)
    for rrset in message.answer + message.authority:
        rrset.ttl = chance.choice((0, 1, rrset.ttl, 2**31 - 1))
        labels = [label.upper() if chance.random() < 0.5 else label for label in rrset.name.labels]
        rrset.name = dns.name.Name(labels)
    return _octets(message)


def sections_moved(chance: random.Random, question: Question, zones: Zones) -> bytes:
    message = _parsed(question, zones)
    if chance.random() < 0.5:
        message.authority, message.answer = message.answer + message.authority, []
    else:
        message.answer, message.authority = message.answer + message.authority, []
    return _octets(message)


def damaged_twice(chance: random.Random, question: Question, zones: Zones) -> bytes:
    once = chance.choice((records_dropped, signature_field_changed, strangers_added))(chance, question, zones)
    other = Zones(zones.questions, lambda asked: once if asked == question else zones.wire(asked), zones.anchor)
    return chance.choice((records_dropped, code_flipped, strangers_added, harmless))(chance, question, other)


MUTATIONS: tuple[Mutation, ...] = (
    bit_flipped,
    bit_flipped,
    records_dropped,
    signatures_dropped,
    one_of_a_set_dropped,
    other_response,
    other_response,
    sections_swapped,
    renamed,
    code_flipped,
    strangers_added,
    records_mixed_in,
    signature_field_changed,
    signatures_multiplied,
    bit_map_changed,
    wildcard_replayed,
    harmless,
    sections_moved,
    damaged_twice,
)
