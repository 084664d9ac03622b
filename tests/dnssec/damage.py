"""Ways to damage a response: what an attacker or a broken server makes of genuine octets.

Each takes the question and the zones that answer it, and gives the octets sent instead.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import dns.message
import dns.rcode
import dns.rdatatype

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
)
