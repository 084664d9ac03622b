"""Directories for scripts: searches with values that are escaped, in the directories of `[policy.ldap.NAME]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.net.ldap import DirectoryClient, DirectoryServer, LDAPError, filled, names_in, read_password
from danelaw.policy import LibraryError
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call

if TYPE_CHECKING:
    from danelaw.config.library import PolicyLDAP


class Directories:
    """`policy.library.LDAP`. Directories are connected to when they are first asked."""

    def __init__(self, sections: Mapping[str, PolicyLDAP]) -> None:
        """Raises `DanelawError` without the library ldap3, or when a file cannot be read."""
        self._sections = sections
        self._clients = {name: _client(name, section) for name, section in sections.items()}

    @library_call("ldap.search")
    async def search(
        self, name: str, filter: str, values: Mapping[str, str] | None = None, *, attributes: Sequence[str] = ()
    ) -> list[dict[str, list[str]]]:
        """Entries, each with its name as `dn`, and its attributes in lower case."""
        client = self._clients.get(name)
        if client is None:
            raise LibraryError(
                f"there is no directory {name[:60]!r}", advice=f"declare it as [policy.ldap.{name[:60]}]"
            )
        missing = names_in(filter) - (values or {}).keys()
        if missing:
            raise LibraryError(f"the filter wants values for {', '.join(sorted(missing))}")
        section = self._sections[name]
        await in_task()
        try:
            found = await client.search(
                section.base, filled(filter, values or {}), tuple(attributes) or ("*",), section.most
            )
        except LDAPError as error:
            raise LibraryError(error.reason, advice=error.advice) from None
        if found.more:
            raise LibraryError(
                f"more than {section.most} entries of {name} match", advice=f"narrow the filter, or most in {_at(name)}"
            )
        return [
            {"dn": [dn]}
            | {key.lower(): [value.decode("utf-8", "replace") for value in all] for key, all in has.items()}
            for dn, has in found.entries
        ]

    async def close(self) -> None:
        """Say goodbye to all."""
        for client in self._clients.values():
            client.close()


def _client(name: str, section: PolicyLDAP) -> DirectoryClient:
    if section.ca_file is not None and not section.ca_file.is_file():
        raise DanelawError(f"{section.ca_file} is no file", advice=f"correct ca_file in {_at(name)}")
    password = None if section.password_file is None else read_password(section.password_file, _at(name))
    try:
        return DirectoryClient(
            DirectoryServer(
                section.url,
                section.starttls == "required",
                section.ca_file,
                section.bind_dn,
                password,
                section.timeout.total_seconds(),
            )
        )
    except ImportError:
        raise DanelawError(
            f"{_at(name)} is a directory, and the library ldap3 is missing", advice="pip install 'danelaw[ldap]'"
        ) from None


def _at(name: str) -> str:
    return f"[policy.ldap.{name}]"
