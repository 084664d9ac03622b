"""Sections about what policy scripts may ask: HTTP, directories, databases."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, Strict, ValidationInfo, field_validator, model_validator

from danelaw.config.section import Section
from danelaw.config.values import DomainPattern, Duration, FilePath, IPNetwork, Switch, Text

_SQLITE = "sqlite:///"


class PolicyHTTP(Section):
    """`ctx.library.http` and `ctx.library.certificates`."""

    hosts: tuple[DomainPattern, ...] = Field(
        default=(),
        description="Hosts that scripts may ask; with a dot in front, every name below one. Empty: any.",
        examples=[["api.example.org", ".internal.example"]],
    )
    forbidden_networks: tuple[IPNetwork, ...] = Field(
        default=(),
        description="Addresses that scripts never reach, whatever name leads there. Set it where a script fetches what "
        "strangers wrote, such as links in mail.",
        examples=[["127.0.0.0/8", "::1/128", "10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16", "fc00::/7"]],
    )
    connections_per_host: Annotated[int, Strict(), Field(ge=1, le=100)] = Field(
        default=10,
        description="Most connections to one host at once; other calls wait, within their time.",
        examples=[4],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of authorities that are trusted besides the system's (or those of `[tls] roots_file`).",
        examples=["/etc/danelaw/internal-ca.pem"],
    )


class PolicyLDAP(Section):
    """A directory for `ctx.library.ldap`. Needs `pip install danelaw[ldap]`."""

    url: Text = Field(
        pattern="^ldaps?://[^/ ]+/?$",
        description="The server: `ldaps://` for TLS at once, `ldap://` in the clear or with `starttls`.",
        examples=["ldaps://directory.example.org"],
    )
    starttls: Literal["required", "never"] = Field(
        default="required",
        description="With `ldap://`: demand StartTLS (RFC 4513 §3), or never use it.",
        examples=["never"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of authorities that may sign the server's certificate. Absent: the system's.",
        examples=["/etc/danelaw/directory-ca.pem"],
    )
    base: Text = Field(description="Where to search from.", examples=["ou=people,dc=example,dc=org"])
    bind_dn: Text | None = Field(
        default=None, description="Who to bind as. Absent: anonymous.", examples=["cn=danelaw,dc=example,dc=org"]
    )
    password_file: FilePath | None = Field(
        default=None, description="File with the password alone.", examples=["/etc/danelaw/ldap.password"]
    )
    timeout: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(seconds=1),
        le=timedelta(seconds=30),
        description="Longest wait for each answer, in whole seconds.",
        examples=["2s"],
    )
    most: Annotated[int, Strict(), Field(ge=1, le=10_000)] = Field(
        default=100, description="Most entries of one search; more are an error.", examples=[1000]
    )

    @model_validator(mode="after")
    def _password_with_name(self) -> PolicyLDAP:
        if (self.bind_dn is None) is not (self.password_file is None):
            raise ValueError("bind_dn and password_file belong together; give both, or neither")
        return self


class PolicyDatabase(Section):
    """A database for `ctx.library.sql`."""

    url: Text = Field(
        pattern="^(sqlite:///.+|postgresql://.+)$",
        description="`sqlite:///` and a path (a fourth `/` for one from the root), or `postgresql://user@host/name`.",
        examples=["sqlite:////var/lib/danelaw/customers.db"],
    )

    @field_validator("url")
    @classmethod
    def _from_the_files_directory(cls, value: str, info: ValidationInfo) -> str:
        """A relative path starts at the directory of the configuration file, as others do."""
        path = value.removeprefix(_SQLITE)
        base = (info.context or {}).get("directory") if value.startswith(_SQLITE) else None
        return value if base is None else f"{_SQLITE}{Path(base) / path}"

    writable: Switch = Field(
        default=False,
        description="Whether scripts may change it. Without, it is opened read-only.",
        examples=[True],
    )
    password_file: FilePath | None = Field(
        default=None,
        description="File with the password alone, for `postgresql://`.",
        examples=["/etc/danelaw/database.password"],
    )
    connections: Annotated[int, Strict(), Field(ge=1, le=50)] = Field(
        default=4, description="Most statements at once; others wait, within their time.", examples=[8]
    )
    timeout: Duration = Field(
        default=timedelta(seconds=5),
        ge=timedelta(milliseconds=100),
        le=timedelta(seconds=60),
        description="Longest time for a statement, waiting for a connection or a lock included.",
        examples=["500ms"],
    )
    most: Annotated[int, Strict(), Field(ge=1, le=1_000_000)] = Field(
        default=10_000, description="Most rows of one query; more are an error.", examples=[100]
    )
