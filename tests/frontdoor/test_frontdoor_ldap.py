"""Recipients that a directory knows, over real sockets."""

from __future__ import annotations

import ssl
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import run
from tests.frontdoor.door import front
from tests.frontdoor.ldap_server import LDAPServer
from tests.frontdoor.test_frontdoor_recipients import said

from danelaw.address import Domain, Localpart, Mailbox
from danelaw.errors import DanelawError
from danelaw.frontdoor.directory import search_filter
from danelaw.lab.certificates import Authorities

VERIFY = 'verify = "ldap"\n'


def settings(server: LDAPServer, more: str = 'starttls = "never"\n', host: str = "127.0.0.1") -> str:
    return f'[ldap]\nurl = "ldap://{host}:{server.port}"\nbase = "dc=ours,dc=test"\ntimeout = "3s"\n{more}'


def test_the_directory_is_asked_once_for_each_recipient(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            LDAPServer({"anna@ours.test"}) as server,
            front(tmp_path, settings(server), domain=VERIFY) as (running, _),
        ):
            for _ in range(2):
                assert (await said(running, "anna@ours.test")).startswith("250")
                assert await said(running, "bob@ours.test") == "550 5.1.1 no such mailbox here"
            assert server.searches == ["anna@ours.test", "bob@ours.test"]
            assert server.connections == 1
            server.drop()
            assert (await said(running, "carl@ours.test")).startswith("550"), "a broken connection is replaced"
            assert server.connections == 2

    run(play())


def test_a_local_part_is_no_filter(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            LDAPServer({"*@ours.test"}) as server,
            front(tmp_path, settings(server), domain=VERIFY) as (running, _),
        ):
            assert (await said(running, '"x)(mail=*"@ours.test')).startswith("550")
            assert server.searches == ["x)(mail=*@ours.test"]

    run(play())


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_whatever_stands_in_a_mailbox_opens_no_bracket_and_no_wildcard(text: str) -> None:
    made = search_filter("(&(mail={address})(x={localpart}))", Mailbox(Localpart(text), Domain("ours.test")))
    assert made.isascii()
    assert made.count("(") == made.count(")") == 3
    assert "*" not in made
    assert made.startswith("(&(mail=")


def test_a_password_is_sent_and_a_wrong_one_is_no_word_about_recipients(tmp_path: Path) -> None:
    (tmp_path / "right").write_text("secret\n")
    (tmp_path / "wrong").write_text("other\n")

    async def play(name: str, answer: str) -> None:
        bind = f'starttls = "never"\nbind_dn = "cn=gw"\npassword_file = "{tmp_path}/{name}"\n'
        async with (
            LDAPServer({"anna@ours.test"}, "secret") as server,
            front(tmp_path, settings(server, bind), domain=VERIFY) as (running, _),
        ):
            assert (await said(running, "anna@ours.test")).startswith(answer)
            assert set(server.binds) == {"cn=gw"}

    run(play("right", "250"))
    run(play("wrong", "450 4.1.1"))


@pytest.mark.parametrize(("unsure", "answer"), [("defer", "450"), ("accept", "250")])
def test_a_silent_directory_is_left_to_the_setting(tmp_path: Path, unsure: str, answer: str) -> None:
    async def play() -> None:
        async with LDAPServer(set(), mute=True) as server:
            more = f'starttls = "never"\nunsure = "{unsure}"\n'
            quick = settings(server, more).replace('"3s"', '"1s"')
            async with front(tmp_path, quick, domain=VERIFY) as (running, _):
                assert (await said(running, "anna@ours.test")).startswith(answer)
                assert running.lines("recipient")

    run(play())


def test_starttls_is_demanded_and_the_certificate_verified(tmp_path: Path) -> None:
    authorities = Authorities(time.time())
    (tmp_path / "ca.pem").write_bytes(authorities.roots_pem)
    issued = authorities.public.issue(("localhost",))
    (tmp_path / "chain.pem").write_bytes(issued.chain_pem)
    (tmp_path / "key.pem").write_bytes(issued.key_pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "chain.pem", tmp_path / "key.pem")

    async def play(more: str, answer: str, context: ssl.SSLContext | None, started: int) -> None:
        async with LDAPServer({"anna@ours.test"}, context=context) as server:
            async with front(tmp_path, settings(server, more, "localhost"), domain=VERIFY) as (running, _):
                assert (await said(running, "anna@ours.test")).startswith(answer)
            assert bool(server.searches) is answer.startswith("250")
            assert server.started_tls == started

    ours = f'ca_file = "{tmp_path}/ca.pem"\n'
    run(play(ours, "250", context, 1))
    run(play("", "450", context, 0))  # nobody the system trusts has signed it
    run(play(ours, "450", None, 0))  # not offered


def test_what_is_missing_is_said_at_start(tmp_path: Path) -> None:
    async def play() -> None:
        with pytest.raises(DanelawError, match=r"set url and base in \[ldap\]"):
            async with front(tmp_path, "", domain=VERIFY):
                pass
        bind = '[ldap]\nurl = "ldap://localhost"\nbase = "dc=x"\nbind_dn = "cn=x"\npassword_file = "/no/such"\n'
        with pytest.raises(DanelawError, match="/no/such cannot be read"):
            async with front(tmp_path, bind, domain=VERIFY):
                pass

    run(play())
