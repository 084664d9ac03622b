"""`danelaw publish plan` in the lab: what a configuration calls for, against zones that have it or do not."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.dkim.dkim_samples import ed25519_key
from tests.ends import certificate

from danelaw.cli.publish import command
from danelaw.dkim import PrivateKey
from danelaw.lab import Lab
from danelaw.lab.scenario import Host, Scenario
from danelaw.lab.sender import Sender

KEY = PrivateKey.from_key(ed25519_key())
STALE = "3 1 1 " + "ab" * 32
DONE = Scenario(
    domain="done.lab",
    hosts=(Host(name="mx"),),
    records=(
        '_smtp._tls TXT "v=TLSRPTv1; rua=https://x.example/, mailto:TLS@done.lab;"',
        '_smtp._tls.mx TXT "v=TLSRPTv1;rua=mailto:tls@done.lab"',
        '@ TXT "v=spf1 mx -all"',
        '_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@done.lab"',
        f'k._domainkey TXT "{KEY.record().to_text()}"',
        '_mta-sts TXT "v=STSv1; id=2026;"',
        "mta-sts A 192.0.2.80",
    ),
)
BARE = Scenario(domain="bare.lab", hosts=(Host(name="mx.done.lab.", elsewhere=True),))
WRONG = Scenario(
    domain="wrong.lab",
    hosts=(Host(name="mx.elsewhere.lab.", elsewhere=True),),
    records=(
        '_smtp._tls TXT "v=TLSRPTv1; rua=mailto:other@elsewhere.lab"',
        '@ TXT "v=spf1 ip4:192.0.2.99 -all"',
        '_dmarc TXT "v=DMARC1; p=quarantine; rua=mailto:other@wrong.lab"',
        '_mta-sts TXT "v=STSv1; id=not/allowed"',
    ),
)
ROLLING = Scenario(domain="rolling.lab", hosts=(Host(name="mx"),), records=(f"_25._tcp.mx TLSA {STALE}",))
UNSIGNED = Scenario(domain="open.lab", signed=False, hosts=(Host(name="mx", tlsa=()),))
COLLECTOR = Sender(domain="done2.lab")


class World(NamedTuple):
    directory: Path
    options: tuple[str, ...]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lab in a thread of its own, since the command runs its own event loop; its hosts' certificates as files."""
    directory = tmp_path_factory.mktemp("lab")
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> Lab:
        lab = Lab((DONE, BARE, WRONG, ROLLING, UNSIGNED), senders=(COLLECTOR,))
        await lab.start()
        return lab

    lab = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    (directory / "root.key").write_text(lab.anchors_text)
    for placed in lab.world.hosts:
        (directory / f"{placed.name}.pem").write_bytes(placed.shown.chain_pem)
        (directory / f"{placed.name}.key").write_bytes(placed.shown.key_pem)
    (directory / "dkim.key").write_bytes(ed25519_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    certificate(directory, "next.lab")
    host, port = lab.name_server.address
    yield World(directory, ("--server", f"{host}:{port}", "--anchor", str(directory / "root.key")))
    asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def run(world: World, host: str, domains: tuple[str, ...], *more: str, reports: str = "") -> Result:
    directory = world.directory
    lines = [f'hostname = "{host}"', "[[certificate]]", f'chain = "{directory}/{host}.pem"',
             f'key = "{directory}/{host}.key"']  # fmt: skip
    for domain in domains:
        lines += ["[[domain]]", f'name = "{domain}"']
    lines += ["[reports]", 'tls_address = "tls@done.lab"', 'dmarc_address = "dmarc@done.lab"', reports]
    (directory / "danelaw.toml").write_text("\n".join(lines))
    arguments = ["plan", "--config", str(directory / "danelaw.toml"), *world.options, *more]
    return CliRunner().invoke(command, arguments, standalone_mode=False)


def states(world: World, host: str, domains: tuple[str, ...], *more: str, reports: str = "") -> dict[str, Any]:
    result = run(world, host, domains, "--json", *more, reports=reports)
    assert result.exception is None, result.exception
    found = json.loads(result.output)
    return {f"{one['purpose']} {one['owner']}": one for one in found["records"]} | {"exit": result.return_value}


def test_nothing_is_to_do_where_everything_is_there(world: World) -> None:
    key = f'dkim_domain = "done.lab"\ndkim_selector = "k"\ndkim_key = "{world.directory}/dkim.key"'
    found = states(world, "mx.done.lab", ("done.lab",), reports=key)
    assert found.pop("exit") == 0
    assert {name: one["state"] for name, one in found.items()} == dict.fromkeys(found, "present")
    assert {one["purpose"] for one in found.values()} == {"TLSA", "MX", "MTA-STS", "TLSRPT", "SPF", "DMARC", "DKIM"}
    page = run(world, "mx.done.lab", ("done.lab",), "--ascii", reports=key).output
    assert page.startswith("# DNS has everything your configuration calls for: 1 MX host and 1 domain.")


def test_what_is_missing_is_given_as_lines_that_a_zone_file_takes(world: World) -> None:
    result = run(world, "mx.done.lab", ("bare.lab",), "--zone")
    assert result.return_value == 10
    lines = dict(line.split(" IN ", 1) for line in result.output.splitlines())
    assert lines["_smtp._tls.bare.lab."] == 'TXT "v=TLSRPTv1; rua=mailto:tls@done.lab"'
    assert lines["_dmarc.bare.lab."] == 'TXT "v=DMARC1; p=none; rua=mailto:dmarc@done.lab"'
    assert lines["bare.lab."] == 'TXT "v=spf1 a:mx.done.lab ~all"'
    assert lines["_mta-sts.bare.lab."].startswith('TXT "v=STSv1; id=')
    assert lines["bare.lab._report._dmarc.done.lab."] == 'TXT "v=DMARC1"'
    page = run(world, "mx.done.lab", ("bare.lab",)).output
    assert "  mx: mx.done.lab" in page
    assert "  mode: testing" in page


def test_what_is_there_and_wrong_is_told_apart_from_what_is_missing(world: World) -> None:
    found = states(world, "mx.done.lab", ("wrong.lab",))
    assert {name: one["state"] for name, one in found.items() if name.endswith("wrong.lab.")} == {
        "MX wrong.lab.": "differs", "MTA-STS _mta-sts.wrong.lab.": "differs", "MTA-STS mta-sts.wrong.lab.": "missing",
        "TLSRPT _smtp._tls.wrong.lab.": "differs", "SPF wrong.lab.": "differs", "DMARC _dmarc.wrong.lab.": "differs",
    }  # fmt: skip
    assert "goes to mx.elsewhere.lab" in found["MX wrong.lab."]["reason"]
    assert "gets fail: add a:mx.done.lab" in found["SPF wrong.lab."]["reason"]
    assert found["SPF wrong.lab."]["line"] is found["MX wrong.lab."]["line"] is None
    assert found["SPF wrong.lab."]["now"] == ['"v=spf1 ip4:192.0.2.99 -all"']


def test_a_rollover_has_the_next_key_and_what_is_left_of_the_last(world: World) -> None:
    result = run(world, "mx.rolling.lab", (), "--json", "--next", str(world.directory / "next.lab.pem"))
    tlsa = [one for one in json.loads(result.output)["records"] if one["purpose"] == "TLSA"]
    assert [one["state"] for one in tlsa] == ["present", "missing", "stale"]
    assert tlsa[1]["line"].startswith("_25._tcp.mx.rolling.lab. IN TLSA 3 1 1 ")
    assert tlsa[2]["line"] is None
    assert "abababab…abab is of a key that is neither in use nor to come" in tlsa[2]["reason"]


def test_a_key_that_no_published_record_allows(world: World) -> None:
    directory = world.directory
    for kind in ("pem", "key"):
        (directory / f"mx.done2.lab.{kind}").write_bytes((directory / f"next.lab.{kind}").read_bytes())
    found = json.loads(run(world, "mx.done2.lab", (), "--json", "--mx", "mx.rolling.lab").output)["records"]
    tlsa = [one for one in found if one["purpose"] == "TLSA"]
    assert [one["state"] for one in tlsa] == ["missing", "stale", "stale"]
    assert "mail from senders with DANE WAITS" in tlsa[0]["reason"]


def test_a_policy_that_would_stop_mail_to_other_hosts_is_not_proposed(world: World) -> None:
    found = states(world, "mx.rolling.lab", ("bare.lab",))["MTA-STS _mta-sts.bare.lab."]
    assert (found["state"], found["line"]) == ("optional", None)
    assert found["reason"] == "not yet: its MX names mx.done.lab, which the policy does not"


def test_records_in_a_zone_without_signatures_have_no_effect(world: World) -> None:
    found = states(world, "mx.open.lab", ("open.lab",))
    assert found["TLSA _25._tcp.mx.open.lab."]["state"] == "unsigned"
    assert found["MX open.lab."]["state"] == "unsigned"
    assert found["exit"] == 10


def test_every_key_that_signs_is_published_once(world: World) -> None:
    file = f"{world.directory}/dkim.key"
    keys = f'dkim_domain = "done.lab"\ndkim_selector = "k"\ndkim_key = "{file}"\n' + "".join(
        f'[[dkim_key]]\ndomain = "{domain}"\nselector = "k"\nkey = "{file}"\n' for domain in ("done.lab", "bare.lab")
    )
    result = run(world, "mx.done.lab", ("done.lab",), "--json", reports=keys)
    found = [one for one in json.loads(result.output)["records"] if one["purpose"] == "DKIM"]
    assert [(one["owner"], one["state"]) for one in found] == [
        ("k._domainkey.done.lab.", "present"), ("k._domainkey.bare.lab.", "missing")
    ]  # fmt: skip
    assert found[1]["line"] == f'k._domainkey.bare.lab. IN TXT "{KEY.record().to_text()}"'


def test_many_domains_are_more_than_one_look_up_may_ask(world: World) -> None:
    """The names do not exist: what is missing is proved to be, for the last one as for the first."""
    many = tuple(f"n{number}.bare.lab" for number in range(50))
    found = states(world, "mx.rolling.lab", many)
    assert found.pop("exit") == 10
    assert not [one for one in found.values() if one["state"] == "cannot tell"]
    assert found["MX n0.bare.lab."]["state"] == found["MX n49.bare.lab."]["state"] == "missing"
