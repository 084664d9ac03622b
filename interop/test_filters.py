"""Real filter engines behind the gateway: rspamd, clamd, spamd, opendkim as milter, and a milter that does it all."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop import engines
from interop.daemons import danelaw, danelaw_json, run
from interop.report import Report
from tests.ends import Sink, Taken, gateway, until
from tests.ends import run as in_loop

from danelaw import dkim
from danelaw.message import Header
from danelaw.testing import FakeDNS, run_lookup

pytestmark = [pytest.mark.timeout(240)]
SECTION = "Filter engines"
HEAD = (
    "From: Anna <anna@sender.example>\r\nTo: bob@here.example\r\nSubject: {subject}\r\nX-Spam-Flag: NO\r\n"
    "X-Changed: old\r\nX-Removed: old\r\nMessage-ID: <{identity}@sender.example>\r\n"
    "Date: Mon, 23 Nov 2026 10:00:00 +0000\r\n\r\n"
)


def message(subject: str, text: str = "At five, as usual.") -> bytes:
    return (HEAD.format(subject=subject, identity=abs(hash(subject)) % 10**9) + text + "\r\n").encode()


def section(kind: str, engine: engines.Engine, more: str = "", *, address: str = "") -> str:
    return f'[[filter]]\nname = "it"\nkind = "{kind}"\naddress = ["{address or engine.address}"]\n{more}\n'


def passed(
    directory: Path, filters: str, *messages: bytes, rcpt: str = "bob@here.example"
) -> list[tuple[str, Taken | None]]:
    """Hand messages to a gateway with these filters: what each client was told, and what arrived at the next hop.

    A message that is held says so in what was told; one that was discarded arrives nowhere.
    """

    async def play() -> list[tuple[str, Taken | None]]:
        outcomes: list[tuple[str, Taken | None]] = []
        async with Sink() as sink:
            text = f'{sink.smarthost}[[domain]]\nname = "here.example"\n{filters}'
            strangers = {'networks = ["127.0.0.0/8"]': 'networks = ["127.0.0.9/32"]'}
            async with gateway(directory, text, replace=strangers) as running:
                for octets in messages:
                    before = len(sink.taken)
                    async with await running.client() as client:
                        answer = await client.offer(octets, rcpt, sender="anna@sender.example")
                    told, taken = f"{answer.code} {answer.text}", None
                    ident = answer.text.rpartition(" ")[2]
                    if answer.code == 250 and any(ident in line for line in running.lines("discarded")):
                        told += " (discarded)"
                    elif answer.code == 250 and any(
                        one["state"] == "held" for one in running.look(ident)["recipients"]
                    ):
                        told += " (held)"
                    elif answer.code == 250:
                        await until(lambda before=before: len(sink.taken) > before, f"{ident} at the next hop")
                        taken = sink.taken[-1]
                    outcomes.append((told, taken))
        return outcomes

    return in_loop(play())


@pytest.fixture(scope="module")
def rspamd(place: Path) -> Iterator[engines.Engine]:
    engine = engines.rspamd(place / "rspamd")
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def clamd(place: Path) -> Iterator[engines.Engine]:
    engine = engines.clamd(place / "clamd")
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def spamd(place: Path) -> Iterator[engines.Engine]:
    engine = engines.spamd(place / "spamd")
    yield engine
    engine.stop()


@pytest.fixture(scope="module")
def sample(place: Path) -> Iterator[engines.Engine]:
    if not engines.has_pymilter():
        pytest.skip("not installed: python3-milter")
    engine = engines.every_callback(place / "sample")
    yield engine
    engine.stop()


def said_yes(taken: Taken | None) -> Header:
    assert taken is not None
    return Header.from_bytes(taken.data)


@pytest.mark.needs("rspamd")
def test_rspamd_over_http_and_as_a_milter(rspamd: engines.Engine, tmp_path: Path, report: Report) -> None:
    over_http = section("rspamd", rspamd)
    as_milter = section("milter", rspamd, address=f"127.0.0.1:{engines.RSPAMD_MILTER}")
    for name, filters in (("HTTP", over_http), ("milter", as_milter)):
        (ham_told, ham), (spam_told, spam) = passed(
            tmp_path / name, filters, message("tea"), message("spam", engines.GTUBE)
        )
        assert ham_told.startswith("250 ")
        assert said_yes(ham).first("X-Spam-Flag") is None
        assert spam_told == "554 5.7.1 Gtube pattern"
        assert spam is None
        score = said_yes(ham).first("X-Spam-Score")
        shown = "" if score is None else f", X-Spam-Score: {score.value.decode()}"
        report.text(SECTION, f"- rspamd over {name}: a plain message passes{shown}; its test pattern: `{spam_told}`")


@pytest.mark.needs("clamd")
def test_clamd_finds_eicar_in_an_attachment_and_takes_25_mb(
    clamd: engines.Engine, tmp_path: Path, report: Report
) -> None:
    large = b"0123456789 abcdefghijklmnopqrstuvwxyz\r\n" * (25_000_000 // 39)
    outcomes = passed(
        tmp_path,
        section("clamd", clamd) + '[limits]\nmessage_size = "40M"\n',
        message("tea"),
        message("virus", engines.EICAR),
        message("large") + large,
    )
    assert outcomes[0][0].startswith("250 ")
    assert outcomes[1] == ("554 5.7.1 a virus was found in the message: Eicar-Local.UNOFFICIAL", None)
    assert outcomes[2][0].startswith("250 ")
    taken = outcomes[2][1]
    assert taken is not None
    assert taken.data.endswith(large)
    report.text(
        SECTION, f"- clamd over INSTREAM: `{outcomes[1][0]}`; a message of {len(taken.data)} octets passes whole"
    )


@pytest.mark.needs("clamd")
def test_what_clamd_does_not_take_is_held_where_the_operator_says(clamd: engines.Engine, tmp_path: Path) -> None:
    large = message("large") + b"x" * 76 + b"\r\n"
    large += (b"x" * 76 + b"\r\n") * (32_000_000 // 78)
    ((told, taken),) = passed(
        tmp_path, section("clamd", clamd, 'on_too_large = "hold"') + '[limits]\nmessage_size = "40M"\n', large
    )
    assert told.endswith("(held)")
    assert taken is None


@pytest.mark.needs("spamd")
@pytest.mark.parametrize("method", ["symbols", "check", "headers", "process"])
def test_spamd_by_every_method(method: str, spamd: engines.Engine, tmp_path: Path, report: Report) -> None:
    outcomes = passed(
        tmp_path, section("spamd", spamd, f'method = "{method}"'), message("tea"), message("spam", engines.GTUBE)
    )
    assert [told[:3] for told, _ in outcomes] == ["250", "250"]
    ham, spam = (said_yes(taken) for _, taken in outcomes)
    assert ham.first("X-Spam-Flag") is None
    (flag,) = spam.all("X-Spam-Flag")
    (status,) = spam.all("X-Spam-Status")
    assert flag.value == b"YES"
    assert status.value.startswith(b"Yes, score=")
    assert (b"GTUBE" in status.value) == (method != "check")
    if method == "process":
        taken = outcomes[1][1]
        assert taken is not None
        assert b"Content preview" in taken.data
    report.text(
        SECTION, f"- spamd by {method.upper()}: spam arrives with `X-Spam-Status: {status.value.decode()[:40]}…`"
    )


@pytest.mark.needs("opendkim")
def test_opendkim_signs_as_a_milter_and_its_signature_verifies(place: Path, tmp_path: Path, report: Report) -> None:
    key = tmp_path / "key.pem"
    record = danelaw_json("dkim", "key", "--domain", "sender.example", "--selector", "s1", "--out", str(key))["record"]
    signer = engines.opendkim(place / "opendkim", key, "sender.example", "s1")
    try:
        ((_, taken),) = passed(tmp_path / "gateway", section("milter", signer), message("tea"))
    finally:
        signer.stop()
    assert taken is not None
    header = Header.from_bytes(taken.data)
    dns = FakeDNS(secure=f's1._domainkey.sender.example. TXT "{record[:200]}" "{record[200:]}"')
    fields = dkim.HeaderFields((field.name, field.raw) for field in header)
    outcome = run_lookup(dkim.verify(fields, [taken.data[header.body_offset :]], now=time.time()), dns)
    assert outcome.result is dkim.DKIMResult.PASS, outcome
    report.text(SECTION, "- opendkim as a milter: its DKIM-Signature arrives and verifies here")


def test_a_milter_that_uses_every_callback_and_every_change(
    place: Path, sample: engines.Engine, tmp_path: Path, report: Report
) -> None:
    filters = section("milter", sample)
    subjects = ("plain", "change", "skip", "reject", "tempfail", "discard", "quarantine", "reply")
    large = message("skip") + (b"x" * 76 + b"\r\n") * 5000
    octets = [large if subject == "skip" else message(subject) for subject in subjects]
    outcomes = dict(zip(subjects, passed(tmp_path, filters, *octets), strict=True))
    told = {subject: words for subject, (words, _) in outcomes.items()}
    taken = {subject: arrived for subject, (_, arrived) in outcomes.items()}
    assert told["reject"].startswith("554 5.7.1")
    assert told["tempfail"].startswith("451 4.7.1")
    assert told["reply"] == "554 5.7.1 100% refused\n5.7.1 in two lines"
    assert told["quarantine"].endswith("(held)")
    assert told["discard"].endswith("(discarded)")
    _changed(taken["change"])
    journal = (place / "sample" / "journal").read_text().splitlines()
    seen = {line.split(" ")[0] for line in journal}
    assert seen >= {"connect", "hello", "envfrom", "envrcpt", "data", "header", "eoh", "body", "eom", "close"}
    assert "connect [127.0.0.1] 127.0.0.1 gw.test 127.0.0.1" in journal
    assert any(line.startswith("resolved ") for line in journal)
    assert any(line.startswith("envfrom <anna@sender.example> anna@sender.example") for line in journal)
    assert any(line.startswith("data ") and line.endswith(" 1") for line in journal)
    assert sum(line.startswith("body ") for line in journal if line != "body 20") >= 1
    report.text(
        SECTION,
        f"- a milter on libmilter (pymilter) with every callback: {', '.join(sorted(seen))} seen; added, inserted, "
        "changed, removed fields, sender, recipients, a new body, skip, quarantine, its own reply in two lines",
    )


def _changed(taken: Taken | None) -> None:
    header = said_yes(taken)
    assert taken is not None
    assert header.first("X-Added").value == b"one"  # type: ignore[union-attr]
    assert header.first("X-Inserted").raw == b"X-Inserted: two\r\n\tlines\r\n"  # type: ignore[union-attr]
    assert [field.value for field in header.all("X-Changed")] == [b"new"]
    assert header.first("X-Removed") is None
    assert taken.data[header.body_offset :] == b"a new body\r\nof two pieces\r\n"
    assert "<changed@sender.example>" in taken.mail
    assert any("added@here.example" in line for line in taken.recipients)


def test_recipients_are_refused_in_time_by_the_sample(
    place: Path, sample: engines.Engine, tmp_path: Path, report: Report
) -> None:
    async def play() -> list[str]:
        async with Sink() as sink:
            text = f'{sink.smarthost}[[domain]]\nname = "here.example"\n{section("milter", sample)}'
            strangers = {'networks = ["127.0.0.0/8"]': 'networks = ["127.0.0.9/32"]'}
            async with gateway(tmp_path, text, replace=strangers) as running, await running.client() as client:
                await client.expect(500, "WHAT is this")
                await client.expect(250, "MAIL FROM:<anna@sender.example> BODY=8BITMIME RET=HDRS")
                await client.expect(550, "RCPT TO:<bob@elsewhere.example>")
                names = ("nobody", "busy", "bob")
                answers = [await client.say(f"RCPT TO:<{name}@here.example> NOTIFY=NEVER") for name in names]
                await client.expect(250, "RSET")
                return [f"{answer.code} {answer.text}" for answer in answers]

    told = in_loop(play())
    assert told[0] == "550 5.1.1 nobody of that name\n5.1.1 ask your correspondent"
    assert told[1].startswith("451 4.7.1")
    assert told[2].startswith("250")
    journal = (place / "sample" / "journal").read_text().splitlines()
    assert "unknown WHAT is this" in journal
    assert "envfrom <anna@sender.example> anna@sender.example BODY=8BITMIME RET=HDRS" in journal
    assert "envrcpt <bob@here.example> bob@here.example NOTIFY=NEVER" in journal
    assert any(line.startswith("refused <bob@elsewhere.example> 5.7.1 relaying denied") for line in journal)
    report.text(SECTION, f"- its refusal of a recipient is told at RCPT: `{told[0].splitlines()[0]}`")
    report.text(
        SECTION,
        "- it hears the parameters of MAIL and RCPT, a command nobody knows, and a recipient that others refuse",
    )


@pytest.mark.needs("rspamd", "clamd", "spamd")
def test_the_command_line_shows_what_each_says(
    rspamd: engines.Engine, clamd: engines.Engine, spamd: engines.Engine, tmp_path: Path, report: Report
) -> None:
    config, mail = tmp_path / "danelaw.toml", tmp_path / "mail.eml"
    text = 'hostname = "gw.test"\n'
    for kind, engine in (("rspamd", rspamd), ("clamd", clamd), ("spamd", spamd)):
        text += section(kind, engine).replace('"it"', f'"{kind}"')
    config.write_text(text)
    mail.write_bytes(message("virus", engines.EICAR))
    pinged = danelaw_json("filter", "ping", "--config", str(config))
    assert all(one["works"] for one in pinged["servers"])
    done = danelaw("filter", "test", str(mail), "--config", str(config))
    assert done.returncode == 3, done.stdout + done.stderr
    assert "Eicar-Local.UNOFFICIAL was found" in done.stdout
    versions = [one["answer"] for one in pinged["servers"]]
    release = run("rspamd", "--version").stdout
    found = re.search(r"[0-9.]{3,}", release)
    report.text(SECTION, f"- `danelaw filter ping`: {', '.join(versions)} (rspamd {found[0] if found else '?'})")
