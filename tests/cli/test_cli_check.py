"""`danelaw check` as people and tools run it, against the lab's real sockets and signatures."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from danelaw.cli.check import command
from danelaw.errors import DanelawError
from danelaw.lab import SCENARIOS, Lab

WANTED = {
    "dane.lab": ("dane", 0),
    "first-mx-dead.lab": ("dane", 10),
    "rollover.lab": ("dane", 0),
    "sts.lab": ("mta-sts", 0),
    "sts-testing.lab": ("encrypted", 20),
    "odd-tlsa.lab": ("encrypted", 20),
    "plain.lab": ("clear", 30),
    "stripped.lab": ("waits", 40),
    "forged-cert.lab": ("waits", 40),
    "forged-dns.lab": ("waits", 40),
    "no-such-domain.lab": ("no-mail", 50),
    "tlsa-dropped-by-one.lab": ("dane", 0),
    "weakest.lab": ("encrypted", 20),
    "ta-wrong-name.lab": ("waits", 40),
    "stale.lab": ("waits", 40),
}


class World(NamedTuple):
    server: str
    anchor: Path
    roots: Path
    routes: tuple[str, ...]
    levels: dict[str, str]
    addresses: dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lab in a thread of its own, since the command runs its own event loop."""
    directory = tmp_path_factory.mktemp("lab")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    chosen = tuple(one for one in SCENARIOS if one.domain in WANTED or one.mx in ("null", "missing", "none"))

    async def start() -> Lab:
        lab = Lab(chosen)
        await lab.start()
        return lab

    lab = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    (directory / "root.key").write_text(lab.anchors_text)
    (directory / "roots.pem").write_bytes(lab.roots_pem)
    host, port = lab.name_server.address
    routes = tuple(f"{a}:{p}={b}:{q}" for (a, p), (b, q) in lab.routes.items())
    yield World(
        f"{host}:{port}",
        directory / "root.key",
        directory / "roots.pem",
        routes,
        {one.domain: one.level for one in chosen if one.next_hop is None},
        {one.scenario.domain: tuple(address for address, _ in one.addresses) for one in lab.world.hosts},
    )
    asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def run(world: World, domain: str, *more: str) -> Result:
    arguments = [domain, "--server", world.server, "--anchor", str(world.anchor), "--roots", str(world.roots)]
    for route in world.routes:
        arguments += ["--route", route]
    result = CliRunner().invoke(command, [*arguments, "--timeout", "3", *more], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def as_json(world: World, domain: str, *more: str) -> tuple[dict[str, Any], int]:
    result = run(world, domain, "--json", *more)
    return json.loads(result.output), int(result.return_value)


@pytest.mark.parametrize("domain", WANTED)
def test_level_exit_status_and_form(world: World, domain: str) -> None:
    found, status = as_json(world, domain)
    assert (found["level"], status) == WANTED[domain]
    assert found["domain"] == domain
    assert found["mx"]["status"] in ("secure", "insecure", "bogus", "indeterminate")
    for host in found["hosts"]:
        assert set(host) >= {"name", "address", "level", "tlsa_base", "tlsa", "reason"}
        assert host["reason"]
        for record in host["tlsa"]:
            assert set(record) == {"record", "usable", "matched", "reason"}


@pytest.mark.parametrize(
    ("domain", "demand", "level", "status"),
    [
        ("dane.lab", "dane", "dane", 0),
        ("sts.lab", "dane", "waits", 40),
        ("sts.lab", "verified", "mta-sts", 0),
        ("plain.lab", "encrypted", "waits", 40),
        ("odd-tlsa.lab", "encrypted", "encrypted", 20),
        ("stripped.lab", "tls-required-no", "clear", 30),
    ],
)
def test_what_a_sender_demands_can_be_asked_for(
    world: World, domain: str, demand: str, level: str, status: int
) -> None:
    found, exit_status = as_json(world, domain, "--demand", demand)
    assert (found["level"], found["demand"], exit_status) == (level, demand, status)
    assert "--demand " + demand in run(world, domain, "--demand", demand).output


def test_every_way_to_have_no_mx_is_as_the_lab_says(world: World) -> None:
    others = {domain: level for domain, level in world.levels.items() if domain not in WANTED}
    assert others
    assert {domain: as_json(world, domain)[0]["level"] for domain in others} == others


def test_records_say_which_one_matched(world: World) -> None:
    found, _ = as_json(world, "rollover.lab")
    (host,) = found["hosts"]
    assert host["tlsa_base"] == host["name"]
    assert sorted(record["matched"] for record in host["tlsa"]) == [False, True]
    assert all(record["usable"] for record in host["tlsa"])
    odd, _ = as_json(world, "odd-tlsa.lab")
    assert [record["usable"] for record in odd["hosts"][0]["tlsa"]] == [False]


def test_without_mta_sts_an_enforced_policy_is_not_seen(world: World) -> None:
    found, status = as_json(world, "sts.lab", "--no-sts")
    assert (found["level"], status) == ("encrypted", 20)


def test_the_port_is_part_of_the_tlsa_question(world: World) -> None:
    found, status = as_json(world, "dane.lab", "--port", "2626")
    assert found["hosts"][0]["tlsa"] == []
    assert (found["level"], status) == ("waits", 40)
    assert "refused" in found["hosts"][0]["reason"]


def test_signatures_are_judged_as_of_the_given_time(world: World) -> None:
    found, status = as_json(world, "dane.lab", "--at", "2041-01-01T00:00:00Z")
    assert (found["level"], found["mx"]["status"], status) == ("waits", "bogus", 40)


def test_the_page_answers_first_and_ends_with_the_next_command(world: World) -> None:
    page = run(world, "forged-cert.lab", "--ascii").output
    lines = page.splitlines()
    assert lines[0].startswith("x forged-cert.lab: mail WAITS")
    assert page.isascii()
    assert "An attacker looks the same." in page
    assert "exit 40 waits" in page
    assert lines[-1].startswith("next: ")
    assert "danelaw tlsa" in lines[-1]
    assert all(len(line) <= 116 for line in lines if not line.startswith("next"))


def test_what_is_shown_by_a_stranger_is_never_advised_for_publication(world: World) -> None:
    found, _ = as_json(world, "forged-cert.lab")
    assert found["hosts"][0]["tlsa"][0]["matched"] is False
    page = run(world, "forged-cert.lab").output
    assert "publish this" not in page
    assert "TLSA 3 1 1" not in page


@pytest.mark.parametrize("arguments", [["--route", "x"], ["--route", "a=b=c"], ["--at", "noon"], ["--server", "dns"]])
def test_a_wrong_option_says_what_would_be_right(arguments: list[str]) -> None:
    result = CliRunner().invoke(command, ["example.org", *arguments])
    assert result.exit_code == 2
    assert arguments[0] in result.output


def test_a_name_server_that_drops_tlsa_is_named(world: World) -> None:
    found, status = as_json(world, "tlsa-dropped-by-one.lab")
    assert status == 0, "it delays some mail, but weakens none"
    (zone,) = found["name_servers"]
    assert (zone["zone"], zone["owner"], zone["error"]) == (
        "tlsa-dropped-by-one.lab",
        "_25._tcp.mx.tlsa-dropped-by-one.lab",
        None,
    )
    assert {server["name"].split(".")[0]: (server["tlsa"], server["tries"]) for server in zone["servers"]} == {
        "ns1": ("answers", 1),
        "ns2": ("answers", 1),
        "ns3": ("no answer", 3),
    }
    page = " ".join(run(world, "tlsa-dropped-by-one.lab").output.split())
    assert (
        "Name servers: ns1, ns2 answer TLSA; ns3 does not answer TLSA queries (3 tries): expect occasional delays."
        in page
    )


def test_name_servers_that_cannot_be_reached_are_not_accused(world: World) -> None:
    """Only the resolver can be asked here: nobody listens on port 53 of the lab's name server."""
    found, _ = as_json(world, "dane.lab")
    ((server,),) = [zone["servers"] for zone in found["name_servers"]]
    assert server["tlsa"] == "not asked"
    assert "not asked (nameserver cannot be reached from here)" in " ".join(run(world, "dane.lab").output.split())


def test_no_name_server_is_asked_where_no_tlsa_record_is_sought(world: World) -> None:
    assert as_json(world, "no-such-domain.lab")[0]["name_servers"] == []


def walled(world: World, directory: Path, *, unrelated: str, others_too: bool) -> tuple[dict[str, Any], int, str]:
    """Check dane.lab where port 25 is rejected: its route, maybe those of others too, lead to a closed port."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound and not listening: every connection is refused
        wall = f"127.0.0.1:{closed.getsockname()[1]}"
        routes = [route.split("=") for route in world.routes]
        mine = set(world.addresses["dane.lab"])
        shut = [(a, wall if a.endswith(":25") and (others_too or a[:-3] in mine) else b) for a, b in routes]
        config = directory / "danelaw.toml"
        config.write_text(
            f'hostname = "gateway.lab"\n[spool]\ndirectory = "{directory / "spool"}"\n'
            f'[doctor]\nport25_hosts = ["{unrelated}"]\n'
        )
        elsewhere = world._replace(routes=tuple(f"{a}={b}" for a, b in shut))
        found, status = as_json(elsewhere, "dane.lab", "--config", str(config))
        return found, status, run(elsewhere, "dane.lab", "--config", str(config)).output


def test_a_network_that_blocks_port_25_is_not_the_destinations_fault(world: World, tmp_path: Path) -> None:
    found, status, page = walled(world, tmp_path, unrelated="mx.plain.lab", others_too=True)
    assert (found["level"], status) == ("unknown", 60)
    assert found["reason"].startswith("not tested: this network blocks port 25")
    (host,) = found["hosts"]
    assert host["level"] == "unknown"
    assert host["reason"].startswith("not tested: this network blocks port 25")
    assert "the server must match its signed TLSA records" in host["reason"], "the DNS half is judged"
    assert found["mx"]["status"] == "secure"
    assert [record["usable"] for record in host["tlsa"]] == [True]
    words = " ".join(page.split())
    assert "not tested: this network blocks port 25" in words
    assert "exit 60 cannot tell" in words


def test_where_unrelated_servers_answer_the_destination_is_down(world: World, tmp_path: Path) -> None:
    found, status, _ = walled(world, tmp_path, unrelated="mx.plain.lab", others_too=False)
    assert (found["level"], status) == ("waits", 40)


def test_without_anybody_to_compare_with_nothing_is_said_about_the_network(world: World, tmp_path: Path) -> None:
    found, status, _ = walled(world, tmp_path, unrelated="no-such-domain.lab", others_too=True)
    assert (found["level"], status) == ("waits", 40)


def test_an_address_needs_no_brackets(world: World) -> None:
    (address,) = world.addresses["plain.lab"]
    for text in (address, f"[{address}]"):
        found, status = as_json(world, text)
        assert (found["domain"], found["level"], status) == (text, "clear", 30)


def test_case_and_a_final_dot_make_no_difference(world: World) -> None:
    for text in ("DANE.Lab", "dane.lab."):
        assert as_json(world, text)[0]["level"] == "dane"


def test_the_weakest_server_is_named_where_servers_differ(world: World) -> None:
    page = run(world, "weakest.lab").output
    first = " ".join(page.split("DNS")[0].split())
    assert "as strong as its weakest server: at mx2.weakest.lab mail is encrypted only" in first
    assert "an attacker can block the others" in first


def test_a_wrong_name_is_not_called_a_renewed_certificate(world: World) -> None:
    assert as_json(world, "ta-wrong-name.lab") != as_json(world, "stale.lab")
    assert "renewed" not in run(world, "ta-wrong-name.lab").output
    assert "the certificate was renewed and the record was not" in run(world, "stale.lab").output


def test_every_line_but_the_command_fits_the_terminal(world: World) -> None:
    for domain in WANTED:
        lines = run(world, domain).output.splitlines()
        assert [line for line in lines if len(line) > 116 and not line.startswith("next")] == []


def test_an_address_is_answered_as_its_domain_and_with_its_keys(world: World) -> None:
    found, status = as_json(world, "anna@dane.lab")
    assert (found["level"], status, found["address"]) == ("dane", 0, "anna@dane.lab")
    assert found["end_to_end"]["possible"] is False
    with pytest.raises(DanelawError) as caught:
        run(world, "anna@")
    assert caught.value.advice == "write for instance anna@example.org"
