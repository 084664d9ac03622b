"""`danelaw advise` in the lab: every reason why our TLSA records protect no customer, and what name servers do."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from danelaw.cli.advise import command
from danelaw.lab import Lab
from danelaw.lab.scenario import Authority, Denial, Fault, FaultKind, Host, Scenario, SideZone

OURS = (Host(name="mx.provider.lab.", elsewhere=True),)
NAKED = Host(name="mx.naked.lab.", elsewhere=True)


def customer(domain: str, **changes: Any) -> Scenario:
    return Scenario(**({"domain": domain, "hosts": OURS} | changes))


def dark(name: str, kind: FaultKind, *types: str, below: bool = True) -> Fault:
    return Fault(kind=kind, name=name, types=types, below=below)


WORLD = (
    Scenario(
        domain="provider.lab",
        denial=Denial.NSEC3,
        authorities=(
            Authority(name="ns1"),
            Authority(name="ns3", faults=(dark("_tcp.mx", FaultKind.NO_NAME, "TXT", below=False),)),
            Authority(name="ns4", faults=(dark("danelaw-asks-for-what-is-not-there", FaultKind.STRIP_SIGNATURES),)),
            Authority(name="ns5", faults=(
                Fault(kind=FaultKind.FORGE, name="_25._tcp.mx", types=("TLSA",),
                      records=("_25._tcp.mx TLSA 3 1 1 " + "ab" * 32,)),
            )),
            Authority(name="ns6", faults=(dark("@", FaultKind.SERVFAIL, "TLSA"),)),
        ),
    ),
    Scenario(
        domain="naked.lab", hosts=(Host(tlsa=()),), records=("* TXT wild",),
        authorities=(
            Authority(name="ns1"),
            Authority(name="ns2", faults=(dark("@", FaultKind.DENY, "TLSA"),)),
            Authority(name="ns3", drops=("TLSA",)),
        ),
    ),
    Scenario(domain="other.lab"),
    customer("good.lab"),
    customer("unsigned.lab", signed=False),
    customer("no-ds.lab", ds="missing"),
    customer("wrong-ds.lab", ds="wrong"),
    customer("both.lab", hosts=(*OURS, Host(name="mx.other.lab.", elsewhere=True, preference=20))),
    customer("partly.lab", hosts=(*OURS, NAKED)),
    customer("elsewhere.lab", hosts=(NAKED,)),
    customer("vanity.lab", hosts=(Host(elsewhere=True),), records=("mx CNAME mx.provider.lab.",)),
    customer("failing.lab", faults=(Fault(kind=FaultKind.SERVFAIL, types=("MX",)),)),
    customer("null.lab", mx="null"),
    Scenario(domain="hollow.lab", mx="none", hosts=(Host(v4=""),)),
    Scenario(
        domain="www.aliases.lab", mx="missing",
        also_zones=(SideZone(origin="aliases.lab", records=("www CNAME unsigned.lab.", "mail CNAME good.lab.")),),
    ),
)  # fmt: skip
WANTED = {
    "good.lab": "protected",
    "both.lab": "protected",
    "vanity.lab": "protected",
    "mail.aliases.lab": "protected",
    "unsigned.lab": "unsigned",
    "no-ds.lab": "no-ds",
    "wrong-ds.lab": "bogus",
    "partly.lab": "partly-elsewhere",
    "elsewhere.lab": "elsewhere",
    "www.aliases.lab": "alias",
    "failing.lab": "failed",
    "null.lab": "null-mx",
    "hollow.lab": "no-mail",
    "nowhere.lab": "nxdomain",
    "no domain": "invalid",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """A lab in a thread of its own, since the command runs its own event loop; gives the options that lead to it."""
    directory = tmp_path_factory.mktemp("lab")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Lab:
        lab = Lab(WORLD, senders=())
        await lab.start()
        return lab

    lab = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    (directory / "root.key").write_text(lab.anchors_text)
    host, port = lab.name_server.address
    options = ["--server", f"{host}:{port}", "--anchor", str(directory / "root.key")]
    for (a, p), (b, q) in lab.routes.items():
        options += ["--route", f"{a}:{p}={b}:{q}"]
    yield tuple(options)
    asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def run(lab: tuple[str, ...], domains: str, *more: str, mx: str = "mx.provider.lab", servers: bool = False) -> Result:
    leave = () if servers else ("--no-name-servers",)
    return CliRunner().invoke(command, ["-", "--mx", mx, *lab, *leave, *more], input=domains, standalone_mode=False)


def test_every_reason_is_told_apart(lab: tuple[str, ...]) -> None:
    text = "# customers\n" + "".join(f"{name}\n" for name in WANTED) + "postmaster@GOOD.lab  # again\n\n"
    result = run(lab, text, "--json")
    found = json.loads(result.output)
    assert {one["domain"]: one["standing"] for one in found["results"]} == WANTED
    assert (found["domains"], found["protected"], result.return_value) == (len(WANTED), 4, 10)
    reasons = {one["domain"]: one["reason"] for one in found["results"]}
    assert "mx.naked.lab takes its mail too" in reasons["partly.lab"]
    assert reasons["www.aliases.lab"] == "it is an alias of unsigned.lab, whose zone is not signed"
    assert reasons["both.lab"] == "its signed MX names mx.provider.lab; mx.other.lab has TLSA records of its own"
    assert all(one["advice"] for one in found["results"] if one["standing"] in ("unsigned", "no-ds", "bogus"))


def test_each_name_server_is_judged_by_what_it_serves_and_denies(lab: tuple[str, ...]) -> None:
    (zone,) = json.loads(run(lab, "good.lab", "--json", servers=True).output)["name_servers"]
    servers = {one["name"].partition(".")[0]: one for one in zone["servers"]}
    assert (servers["ns1"]["tlsa"], servers["ns1"].get("flaws")) == ("answers", None)
    (denies,) = servers["ns3"]["flaws"]
    assert denies.startswith("says that _tcp.mx.provider.lab does not exist")
    (unproved,) = servers["ns4"]["flaws"]
    assert unproved.startswith("cannot prove that a name does not exist: ")
    assert servers["ns5"]["flaws"][0].startswith("its TLSA answer is no good: ")
    assert (servers["ns6"]["tlsa"], servers["ns6"]["reason"]) == ("refuses", "answers TLSA queries with SERVFAIL")


def test_our_own_host_without_tlsa_protects_nobody(lab: tuple[str, ...]) -> None:
    result = run(lab, "elsewhere.lab\ngood.lab\n", "--json", mx="mx.naked.lab")
    found = json.loads(result.output)
    assert {one["domain"]: one["standing"] for one in found["results"]} == {
        "elsewhere.lab": "our-tlsa", "good.lab": "elsewhere"
    }  # fmt: skip
    assert result.return_value == 20
    assert found["hosts"][0]["trouble"] == "mx.naked.lab has no signed TLSA record"
    page = run(lab, "elsewhere.lab\n", mx="mx.naked.lab").output
    assert page.splitlines()[-1] == "next: danelaw dns _25._tcp.mx.naked.lab TLSA"


def test_denials_below_a_wildcard_have_a_proof_of_their_own_and_a_deaf_server_is_named(lab: tuple[str, ...]) -> None:
    (zone,) = json.loads(run(lab, "", "--json", mx="mx.naked.lab", servers=True).output)["name_servers"]
    fine, unproved, deaf = zone["servers"]
    assert "flaws" not in fine
    assert (deaf["tlsa"], deaf["tries"], deaf.get("flaws")) == ("no answer", 3, None)
    assert any(flaw.startswith("cannot prove that a name has no TLSA record") for flaw in unproved["flaws"])
    assert any(flaw.startswith("cannot prove that a name does not exist") for flaw in unproved["flaws"])


def test_the_page_begins_with_the_answer(lab: tuple[str, ...]) -> None:
    page = run(lab, "\n".join(WANTED), "--ascii", servers=True).output
    assert page.startswith("+ 4 of 15 domains are protected by the TLSA records of mx.provider.lab.   no mail sent, ")
    assert "sign the domain's zone" in page
    assert "ns4.provider.lab cannot prove that a name does not exist" in page
    assert "good.lab" not in page
    assert "good.lab" in run(lab, "good.lab\n", "--all").output
    assert run(lab, "good.lab\n").return_value == 0


def test_rows_of_csv_are_harmless_and_come_as_they_are_done(lab: tuple[str, ...], tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run(lab, "good.lab\nunsigned.lab\n=cmd()\n", "--csv", "-").output)))
    assert {row["domain"]: row["standing"] for row in rows} == {
        "good.lab": "protected", "unsigned.lab": "unsigned", "'=cmd()": "invalid"
    }  # fmt: skip
    result = run(lab, "good.lab\n", "--csv", str(tmp_path / "x.csv"))
    assert "1 of 1 domain is protected" in result.output
    assert "mx.provider.lab" in (tmp_path / "x.csv").read_text()


def test_what_is_elsewhere_is_not_protected_and_nothing_asked_is_nothing_known(lab: tuple[str, ...]) -> None:
    assert run(lab, "elsewhere.lab\nnull.lab\n").return_value == 20
    assert run(lab, "failing.lab\nwrong-ds.lab\n").return_value == 60
    assert run(lab, "# nobody\n").return_value == 60


def test_wrong_options_are_told(lab: tuple[str, ...]) -> None:
    both = run(lab, "good.lab\n", "--csv", "-", "--json")
    assert isinstance(both.exception, click.UsageError)
    result = CliRunner().invoke(command, ["-", "--mx", "no host!", *lab], input="", standalone_mode=False)
    assert isinstance(result.exception, click.UsageError)
