"""Every letter of the lab gets the verdicts its declaration says, over the lab's signed DNS."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import Any, get_args

from danelaw.authentication import DispositionSettings, Examination, Transaction, disposition
from danelaw.cli.network import read_anchors
from danelaw.lab import LETTERS, Lab, Letter, Letters
from danelaw.lab.letter import Act, DKIMWord, DMARCWord
from danelaw.lab.sender import SPFWord
from danelaw.message import boundary
from danelaw.resolver import Resolver, ResolverSettings


def declared(letter: Letter) -> dict[str, Any]:
    return {
        "spf": letter.spf,
        "dkim": list(letter.dkim),
        "dmarc": letter.dmarc,
        "policy": letter.policy,
        "arc": letter.arc,
        "act": letter.act,
    }


async def judged(letters: Letters, letter: Letter, resolver: Resolver, now: float) -> dict[str, Any]:
    octets = letters.octets(letter)
    end, body = boundary(octets)
    said = Transaction(ip_address(letter.client), letter.helo, letter.mail_from)
    examination = Examination(octets[:end], said, now=now)
    examination.update(octets[body:])
    verdicts = await resolver.run(examination.inquire())
    return {
        "spf": verdicts.spf.result.value,
        "dkim": [verdict.result.value for verdict in verdicts.dkim.verdicts],
        "dmarc": verdicts.dmarc.result.value,
        "policy": verdicts.dmarc.policy.value if verdicts.dmarc.policy is not None else None,
        "arc": verdicts.arc.status.value,
        "act": disposition(verdicts, DispositionSettings(), now).action.value,
    }


def test_each_letter_gets_its_verdicts(tmp_path: Any) -> None:
    async def play() -> dict[str, tuple[Any, Any]]:
        letters = Letters(LETTERS)
        different = {}
        async with Lab((), senders=(), letters=letters) as lab:
            (tmp_path / "anchor").write_text(lab.anchors_text)
            settings = ResolverSettings(servers=(lab.name_server.address,), anchors=read_anchors(tmp_path / "anchor"))
            async with Resolver(settings) as resolver:
                for letter in LETTERS:
                    found = await judged(letters, letter, resolver, lab.world.now)
                    if found != declared(letter):
                        different[letter.name] = (declared(letter), found)
        return different

    assert asyncio.run(play()) == {}


def test_every_result_of_every_method_has_its_letter() -> None:
    assert {letter.spf for letter in LETTERS} == set(get_args(SPFWord))
    assert {word for letter in LETTERS for word in letter.dkim} | {"none"} == set(get_args(DKIMWord))
    assert {letter.dmarc for letter in LETTERS} == set(get_args(DMARCWord))
    assert {letter.act for letter in LETTERS} == set(get_args(Act))
    assert {letter.arc for letter in LETTERS} == {"none", "pass", "fail"}
    assert len({letter.name for letter in LETTERS}) == len(LETTERS)
