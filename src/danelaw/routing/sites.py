"""MX sites: mail servers that belong together, whatever domains they serve.

A domain's mail may be taken by a provider with a million other domains, and the provider counts what comes from us
over all of them. So limits and people speak of the *site*: a name from `sites.toml` (`google`), or for hosts that no
entry names the end of the host's name (`mx1.mail.example.co.uk` is of the site `example.co.uk`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from danelaw.address import Domain, DomainError
from danelaw.errors import DanelawError

MAX_FILE = 1 << 20
SHIPPED = "sites.toml"
# Labels under which countries register organisations: below them a name of its own has three labels.
_SECOND_LEVEL = frozenset(
    ("ac", "ad", "co", "com", "edu", "go", "gov", "gob", "gouv", "ltd", "me", "mil", "ne", "net", "or", "org", "plc")
)
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}", re.ASCII)
_KEYS = frozenset({"title", "mx", "limits", "because"})


class SiteFileError(DanelawError):
    """The file of sites cannot be used; the reason lists every problem."""


@dataclass(frozen=True, slots=True)
class Site:
    """One entry: `suffixes` are ends of MX host names; `limits` are as written, for whoever knows limits."""

    name: str
    title: str
    suffixes: tuple[str, ...]
    limits: Mapping[str, Any] = field(default_factory=dict)
    because: str = ""


class Sites:
    """All sites, and which of them a host belongs to."""

    def __init__(self, sites: tuple[Site, ...]) -> None:
        self.sites = sites
        self._by_suffix = {suffix: site.name for site in sites for suffix in site.suffixes}
        self.of_host = lru_cache(maxsize=8192)(self._of_host)

    def _of_host(self, host: str) -> str:
        name = host.lower().rstrip(".")
        if name.startswith("["):  # an address set by you in place of a name
            return name
        rest = name
        while rest:
            site = self._by_suffix.get(rest)
            if site is not None:
                return site
            rest = rest.partition(".")[2]
        return _rolled_up(name)

    @classmethod
    def from_text(cls, text: str, name: str, base: Sites | None = None) -> Sites:
        """Read TOML; a site of the text replaces that of the same name in `base`. Raises `SiteFileError`."""
        if len(text) > MAX_FILE:
            raise SiteFileError(f"{name}: is larger than 1 MiB")
        try:
            data = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise SiteFileError(f"{name}: is not TOML: {str(error)[:200]}") from None
        problems = [f"there is no key {key[:40]!r}; use [site.NAME]" for key in data.keys() - {"site"}]
        tables = data.get("site", {})
        if not isinstance(tables, dict):
            problems.append("site is no table; write [site.NAME]")
            tables = {}
        found = {site.name: site for site in (base.sites if base is not None else ())}
        for key, table in tables.items():
            site = _site(key, table, problems)
            if site is not None:
                found[key] = site
        owners: dict[str, str] = {}
        for site in found.values():
            for suffix in site.suffixes:
                if owners.setdefault(suffix, site.name) != site.name:
                    problems.append(f"{suffix} belongs to both {owners[suffix]} and {site.name}")
        if problems:
            raise SiteFileError("\n".join(f"{name}: {problem}" for problem in problems))
        return cls(tuple(found.values()))


def _site(key: str, table: object, problems: list[str]) -> Site | None:
    before = len(problems)
    place = f"site.{key[:40]}"
    if not _NAME.fullmatch(key) or not isinstance(table, dict):
        problems.append(f"{place}: a site is a table with a name of small letters, digits, dots and hyphens")
        return None
    problems += [f"{place}: there is no key {name[:40]!r}" for name in table.keys() - _KEYS]
    title, because, limits = table.get("title", key), table.get("because", ""), table.get("limits", {})
    if not isinstance(title, str) or not isinstance(because, str) or not isinstance(limits, dict):
        problems.append(f"{place}: title and because are text, limits a table")
    hosts = table.get("mx")
    suffixes = []
    for host in hosts if isinstance(hosts, list) else []:
        try:
            suffixes.append(Domain.from_text(str(host)).ascii)
        except DomainError as error:
            problems.append(f"{place}: {error.reason}")
    if not suffixes:
        problems.append(f"{place}: mx must list the ends of MX host names")
    if len(problems) > before:
        return None
    return Site(key, str(title), tuple(suffixes), dict(limits), str(because))


def _rolled_up(name: str) -> str:
    labels = name.split(".")
    country = len(labels[-1]) == 2
    wanted = 3 if country and len(labels) > 2 and labels[-2] in _SECOND_LEVEL else 2
    return ".".join(labels[-wanted:])


@cache
def shipped_sites() -> Sites:
    """The sites that come with danelaw."""
    return Sites.from_text(resources.files("danelaw.routing").joinpath(SHIPPED).read_text("utf-8"), SHIPPED)


def mx_site(host: str) -> str:
    """The site of an MX host by the shipped file: `google` for aspmx.l.google.com, `example.org` for mx.example.org."""
    return shipped_sites().of_host(host)
