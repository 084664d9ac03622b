"""Directories for scripts, over real sockets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import run
from tests.frontdoor.ldap_server import LDAPServer

from danelaw.config.library import PolicyLDAP
from danelaw.errors import DanelawError
from danelaw.net.ldap import filled, names_in
from danelaw.policy import LibraryError
from danelaw.scripting.library.ldap import Directories


def directories(port: int, **more: Any) -> Directories:
    settings = {"url": f"ldap://127.0.0.1:{port}", "starttls": "never", "base": "dc=ours,dc=test", "timeout": "1s"}
    return Directories({"people": PolicyLDAP(**settings | more)})


def test_entries_come_with_their_names_and_attributes() -> None:
    async def play() -> None:
        known = {"memberOf": [b"cn=a", b"cn=\xc3\xbc"], "quota": [b"5"]}
        async with LDAPServer({"anna@ours.test"}, attributes=known) as server:
            ldap = directories(server.port)
            found = await ldap.search("people", "(mail={address})", {"address": "anna@ours.test"})
            assert found == [{"dn": ["uid=x,dc=ours,dc=test"], "memberof": ["cn=a", "cn=ü"], "quota": ["5"]}]
            assert await ldap.search("people", "(mail={address})", {"address": "bob@ours.test"}) == []
            assert await ldap.search("people", "(mail={a})", {"a": "*)(x=*"}, attributes=("quota",)) == []
            assert server.searches[-1] == "*)(x=*", "a value is no filter"
            assert server.connections == 1
            await ldap.close()

    run(play())


def test_what_goes_wrong_is_told(tmp_path: Path) -> None:
    async def play() -> None:
        async with LDAPServer({"anna"}, copies=3) as server:
            ldap = directories(server.port, most=2)
            with pytest.raises(LibraryError, match="more than 2 entries of people match"):
                await ldap.search("people", "(uid=anna)")
            with pytest.raises(LibraryError, match="the filter wants values for b"):
                await ldap.search("people", "(&(a={a})(b={b}))", {"a": "1"})
            with pytest.raises(LibraryError, match="there is no directory 'others'"):
                await ldap.search("others", "(uid=anna)")
            with pytest.raises(LibraryError, match="cannot be asked"):
                await ldap.search("people", "(((")
            await ldap.close()
            password = tmp_path / "password"
            password.write_text("wrong")
            server.password = "right"
            refused = directories(server.port, bind_dn="cn=gw", password_file=password)
            with pytest.raises(LibraryError, match="bind refused"):
                await refused.search("people", "(uid=anna)")
            await refused.close()
        with pytest.raises(DanelawError, match="cannot be read"):
            directories(1, bind_dn="cn=gw", password_file=tmp_path / "none")

    run(play())


@given(st.dictionaries(st.sampled_from(["a", "b", "long_name"]), st.text(max_size=20)))
def test_values_are_escaped_and_only_named_places_are_filled(values: dict[str, str]) -> None:
    template = "(&(x={a})(y={b}{long_name})(z={not a name}))"
    made = filled(template, values)
    assert names_in(template) == {"a", "b", "long_name"}
    assert made.count("(") == made.count(")") == 4
    assert made.isascii()
    for name in names_in(template) - values.keys():
        assert f"{{{name}}}" in made
