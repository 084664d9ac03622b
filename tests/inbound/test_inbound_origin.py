"""Mail from outside is examined: our field is written, false ones of our name go, and policies are followed."""

from __future__ import annotations

import asyncio
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.authentication.authentication_samples import MESSAGE, NOW, internet, said, signed, with_from
from tests.ends import Answer, Running, Sink, gateway, run

from danelaw.authentication import Action, DispositionSettings, Enforcement, Examination, LocalPolicy
from danelaw.config import loads
from danelaw.dmarc import Policy
from danelaw.dnsdata import DNSSECStatus
from danelaw.gateway.settings import origin_settings
from danelaw.inbound.arrival import Content
from danelaw.inbound.origin import Origin, OriginSettings
from danelaw.inbound.steps import Steps
from danelaw.testing import FakeDNS, FakeResolver, run_lookup

STRANGERS = {'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]'}
OURS = '[[domain]]\nname = "ours.test"\nnext_hop = "{hop}"\n'
LARGE = MESSAGE + (b"x" * 76 + b"\r\n") * 3000


def examined(running: Running, dns: FakeDNS, **rules: Any) -> None:
    settings = OriginSettings(authserv_id="gw.test", disposition=DispositionSettings(**rules))
    resolver: Any = FakeResolver(dns)
    running.gateway.parts.intake.steps = Steps([Origin(resolver, settings, running.gateway.metrics)])


@dataclass(slots=True)
class Offered:
    """The answer to a message, what arrived behind us, what is held, and the decisions that were counted."""

    answer: Answer
    taken: bytes
    held: dict[str, Any]
    decisions: dict[tuple[str, ...], float]


def offered(tmp_path: Path, body: bytes, dns: FakeDNS | None = None, **rules: Any) -> Offered:
    """A stranger hands in a message."""
    found: list[Offered] = []

    async def play() -> None:
        async with Sink() as sink:
            settings = OURS.format(hop=sink.hop)
            async with gateway(tmp_path, settings, clock=lambda: NOW, replace=STRANGERS) as running:
                examined(running, dns or internet(), **rules)
                async with await running.client() as client:
                    answer = await client.offer(body, "b@ours.test", sender="x@stranger.test")
                seen = running.look(answer.text.rpartition(" ")[2]) if answer.code == 250 else {}
                held = seen.get("state") == "held"
                taken = (await sink.messages())[0].data if answer.code == 250 and not held else b""
                decisions = dict(running.gateway.metrics.authentication_decisions.samples())
                found.append(Offered(answer, taken, seen if held else {}, decisions))

    run(play())
    return found[0]


@pytest.mark.parametrize("body", [MESSAGE, LARGE], ids=["small", "large"])
def test_our_field_stands_on_top_and_the_rest_is_untouched(tmp_path: Path, body: bytes) -> None:
    message = signed(body)
    found = offered(tmp_path, message)
    assert found.answer.code == 250
    assert found.taken.endswith(message)
    trace = found.taken.removesuffix(message)
    assert trace.startswith(b"Received: ")
    field = trace[trace.index(b"Authentication-Results: ") :]
    assert field.startswith(b"Authentication-Results: gw.test;\r\n\tspf=pass (DNSSEC: insecure)")
    assert b"\tdkim=pass (DNSSEC: secure)" in field
    assert b"\tdmarc=pass (DNSSEC: secure)" in field


@pytest.mark.parametrize("body", [MESSAGE, LARGE], ids=["small", "large"])
def test_a_false_field_of_our_name_is_removed(tmp_path: Path, body: bytes) -> None:
    false = b"Authentication-Results: GW.test (x) 1; dmarc=pass header.from=example.org\r\n"
    other = b"Authentication-Results: mx.example.net; dmarc=pass\r\n"
    taken = offered(tmp_path, false + signed(other + body)).taken
    assert taken.endswith(signed(other + body))
    assert taken.count(b"Authentication-Results: ") == 2
    assert b"GW.test" not in taken


@pytest.mark.parametrize("lines", [b"no field\r\n", b"no field\r\nnor this\r\n"], ids=["one line", "text"])
@pytest.mark.parametrize("body", [MESSAGE, LARGE], ids=["small", "large"])
def test_a_false_field_behind_what_is_no_field_is_removed_too(tmp_path: Path, body: bytes, lines: bytes) -> None:
    """RFC 7103 §7.2: some programs end the header at the first empty line only."""
    false = b"Authentication-Results: gw.test; dmarc=pass header.from=example.org\r\n"
    end = body.index(b"\r\n\r\n") + 2
    message = body[:end] + lines + false + b"X-A: b\r\n" + body[end:]
    taken = offered(tmp_path, message, internet("v=DMARC1; p=none")).taken
    assert taken.endswith(message.replace(false, b""))
    assert taken.count(b"gw.test; dmarc=pass") == 0


def test_an_author_behind_a_line_that_is_no_field_is_examined(tmp_path: Path) -> None:
    two = with_from(b"From: x@stranger.test", b"no field", b"From: joe@example.org")
    assert "more than one From field" in offered(tmp_path / "two", two).held["held"]["holds"][0]["reason"]
    one = with_from(b"no field", b"From: joe@example.org")
    assert offered(tmp_path / "one", one).answer.code == 550


def test_a_forger_is_refused_by_the_policy_of_the_author(tmp_path: Path) -> None:
    found = offered(tmp_path, MESSAGE)
    assert found.answer.code == 550
    assert found.answer.text.startswith("5.7.1 refused by the DMARC policy for example.org")
    assert found.decisions == {("refuse", "dmarc"): 1}


@pytest.mark.parametrize("body", [MESSAGE, LARGE], ids=["small", "large"])
def test_mail_of_a_list_is_held_with_its_findings(tmp_path: Path, body: bytes) -> None:
    found = offered(tmp_path, b"List-Id: <l.example.net>\r\n" + body)
    (hold,) = found.held["held"]["holds"]
    assert hold["step"] == "origin"
    assert "traits of a list (List-Id)" in hold["reason"]
    assert [(one["step"], one["result"]) for one in found.held["findings"]] == [
        ("origin", "pass"),
        ("origin", "fail"),
        ("origin", "quarantine"),
    ]
    assert found.decisions == {("quarantine", "dmarc"): 1}


def test_two_from_fields(tmp_path: Path) -> None:
    two = with_from(b"From: joe@example.org", b"From: x@stranger.test")
    assert offered(tmp_path / "h", two).held["state"] == "held"
    answer = offered(tmp_path / "r", two, fault=Action.REFUSE).answer
    assert answer.text == "5.6.0 the message has no proper author: the message has more than one From field"


def test_failing_dns_may_defer(tmp_path: Path) -> None:
    dns = internet()
    dns.fail("_dmarc.example.org", DNSSECStatus.BOGUS)
    answer = offered(tmp_path / "d", MESSAGE, dns, temperror=Action.DEFER).answer
    assert (answer.code, answer.text[:5]) == (451, "4.7.1")
    assert b"dmarc=temperror (DNSSEC: bogus)" in offered(tmp_path / "a", MESSAGE, dns).taken


def test_an_spf_fail_is_refused_with_the_words_of_its_domain(tmp_path: Path) -> None:
    dns = internet("nothing")
    dns.remove("stranger.test")
    dns.add('stranger.test. TXT "v=spf1 exp=e.%{d} -all"\ne.stranger.test. TXT "not from %{i}"')
    answer = offered(tmp_path, MESSAGE, dns, spf_fail=Action.REFUSE).answer
    assert answer.code == 550
    assert "5.7.23 SPF: 127.0.0.1 may not send mail of stranger.test" in answer.text
    assert "The domain stranger.test explains: not from 127.0.0.1" in answer.text


def test_a_header_of_too_many_fields_is_refused_for_good(tmp_path: Path) -> None:
    answer = offered(tmp_path, b"A: b\r\n" * 10_001 + MESSAGE).answer
    assert (answer.code, answer.text[:5]) == (552, "5.3.4")


def test_trusted_clients_are_not_examined(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            examined(running, internet())
            async with await running.client() as client:
                await client.message(MESSAGE, "b@example.net")
            assert b"Authentication-Results" not in (await sink.messages())[0].data

    run(play())


def test_the_step_is_made_when_the_configuration_asks_for_it(tmp_path: Path) -> None:
    async def steps(more: str) -> list[str]:
        async with gateway(tmp_path / str(len(more)), more) as running:
            return [step.name for step in running.gateway.parts.intake.steps.all]

    assert "origin" not in asyncio.run(steps(""))
    assert "origin" in asyncio.run(steps("[authentication]\nenabled = true"))


def test_the_section_says_what_the_rules_are() -> None:
    config = loads(
        """
        hostname = "gw.test"
        [authentication]
        enabled = true
        authserv_id = "mx.example.org"
        enforcement = "quarantine"
        no_author = "refuse"
        dns_failure = "defer"
        spf_fail = "quarantine"
        sealers = ["lists.example.net", ".google.com"]
        partial_bodies = true
        smallest_rsa = 2048
        [[authentication.policy]]
        domain = "partner.example"
        policy = "none"
        until = "2026-12-31"
        because = "TICKET-1"
        """
    )
    settings = origin_settings(config)
    assert settings.authserv_id == "mx.example.org"
    assert (settings.examination.dkim.partial_body, settings.examination.dkim.smallest_rsa) == (True, 2048)
    until = config.authentication.policy[0].until
    assert until is not None
    assert settings.disposition == DispositionSettings(
        enforcement=Enforcement.QUARANTINE,
        fault=Action.REFUSE,
        temperror=Action.DEFER,
        spf_fail=Action.QUARANTINE,
        sealers=frozenset({"lists.example.net", ".google.com"}),
        policies=(LocalPolicy("partner.example", Policy.NONE, until.timestamp(), "TICKET-1"),),
    )
    assert origin_settings(loads('hostname = "gw.test"')).authserv_id == "gw.test"


@pytest.mark.parametrize("octets", [b"A: b\r\n\r\nbody", b"A: b\r\n\r\n", b"A: b\r\n", b"\r\nbody"])
def test_a_header_can_be_exchanged_in_memory_and_in_files(tmp_path: Path, octets: bytes) -> None:
    path = tmp_path / "m"
    path.write_bytes(octets)
    for source in (octets, path):
        content = Content(source, len(octets))
        changed = content.with_header(b"C: d\r\nE: f\r\n")
        whole = b"".join(changed.chunks())
        assert whole == b"C: d\r\nE: f\r\n" + octets[len(content.header) :]
        assert changed.size == len(whole)
        assert b"".join(changed.body()) == b"".join(content.body())
        assert b"".join(content.chunks()) == octets


def test_25_megabytes_in_a_file_are_examined_in_pieces(tmp_path: Path) -> None:
    octets = signed(MESSAGE + (b"x" * 70 + b"  y\t z\r\n") * 340_000)
    file = tmp_path / "message"
    file.write_bytes(octets)
    size = len(octets)
    del octets
    assert size > 25_000_000
    transaction = said("joe@example.org", "mx.example.org", "192.0.2.1")
    tracemalloc.start()
    try:
        content = Content(file, size)
        examination = Examination(content.header, transaction, now=NOW)
        for piece in content.body():
            examination.update(piece)
        verdicts = run_lookup(examination.inquire(), internet())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [verdict.result.value for verdict in verdicts.signatures] == ["pass"]
    assert peak < 4 << 20
