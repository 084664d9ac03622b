"""Sections about recipients of our own domains: aliases, and whether they exist."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from danelaw.config.section import Section
from danelaw.config.values import Count, Duration, FilePath, HostName, Text


class Aliases(Section):
    """Map files that hold for all recipients, and how map files are read."""

    files: tuple[FilePath, ...] = Field(
        default=(),
        description="Map files with aliases, asked in this order before the `recipients` of a domain. A changed file "
        "counts within seconds; one with errors changes nothing and is logged.",
        examples=[["/etc/danelaw/aliases"]],
    )
    separator: Text = Field(
        default="+",
        max_length=1,
        description='`anna+list` is looked up as `anna` where it has no entry of its own. "" for no such tags.',
        examples=["-"],
    )
    most: Count = Field(
        default=100,
        ge=1,
        le=10_000,
        description="Most recipients one alias may stand for in the end.",
        examples=[500],
    )

    @field_validator("separator")
    @classmethod
    def _no_letter(cls, value: str) -> str:
        if value.isalnum() or value in ("@", ".", '"', "\\", " "):
            raise ValueError(f'{value!r} cannot divide a local-part; write "+", "-" or "="')
        return value


class CallAhead(Section):
    """Asking a domain's next hop whether it takes mail for a recipient (`[[domain]] verify = "call-ahead"`)."""

    timeout: Duration = Field(
        default=timedelta(seconds=20),
        ge=timedelta(milliseconds=100),
        le=timedelta(seconds=100),
        description="Longest wait for an answer, connecting included.",
        examples=["10s"],
    )
    remember_known: Duration = Field(
        default=timedelta(days=1), description="How long a recipient that is taken is not asked about.", examples=["4h"]
    )
    remember_unknown: Duration = Field(
        default=timedelta(minutes=30),
        description="How long a refused recipient is not asked about.",
        examples=["5m"],
    )
    unsure: Literal["accept", "defer"] = Field(
        default="accept",
        description="When no next hop answers, or with 4xx: accept the mail, which then waits in the queue, or tell "
        "the client to come again.",
        examples=["defer"],
    )


class LDAP(Section):
    """A directory that knows recipients (`[[domain]] verify = "ldap"`). Needs `pip install danelaw[ldap]`."""

    url: Text | None = Field(
        default=None,
        pattern="^ldaps?://[^/ ]+/?$",
        description="The server: `ldaps://` for TLS at once, `ldap://` in the clear or with `starttls`.",
        examples=["ldaps://directory.example.org"],
    )
    starttls: Literal["required", "never"] = Field(
        default="required",
        description="With `ldap://`: demand StartTLS (RFC 4513 §3), or never use it. The server's certificate is "
        "verified either way TLS is used.",
        examples=["never"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="PEM file of authorities that may sign the server's certificate. Absent: the system's.",
        examples=["/etc/danelaw/directory-ca.pem"],
    )
    base: Text = Field(default="", description="Where to search from.", examples=["ou=people,dc=example,dc=org"])
    filter: Text = Field(
        default="(mail={address})",
        description="Search filter (RFC 4515); `{address}`, `{localpart}` and `{domain}` are put in escaped. One entry "
        "or more means that the recipient exists.",
        examples=["(|(mail={address})(proxyAddresses=smtp:{address}))"],
    )
    bind_dn: Text | None = Field(
        default=None,
        description="Who to bind as. Absent: anonymous.",
        examples=["cn=danelaw,dc=example,dc=org"],
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
    remember: Duration = Field(
        default=timedelta(minutes=10), description="How long an answer is kept.", examples=["1m"]
    )
    unsure: Literal["accept", "defer"] = Field(
        default="defer",
        description="When the directory does not answer: tell the client to come again, or accept the mail.",
        examples=["accept"],
    )

    @model_validator(mode="after")
    def _password_with_name(self) -> LDAP:
        if (self.bind_dn is None) is not (self.password_file is None):
            raise ValueError("bind_dn and password_file belong together; give both, or neither")
        return self


class SRS(Section):
    """Sender Rewriting Scheme: mail that an alias sends to a domain that is not ours leaves under an address of ours,
    so that it passes SPF, and notices about it are led back.
    """

    domain: HostName | None = Field(
        default=None,
        description="The domain of rewritten addresses; mail for it must come here, so a `[[domain]]` must cover it. "
        "Absent: nothing is rewritten.",
        examples=["srs.example.org"],
    )
    keys: tuple[FilePath, ...] = Field(
        default=(),
        description="Files with one secret each, of 16 octets or more. The first signs, all are accepted: put a new "
        "one in front, and take the old one out after `max_age`.",
        examples=[["/etc/danelaw/srs.key"]],
    )
    max_age: Duration = Field(
        default=timedelta(days=21),
        ge=timedelta(days=1),
        le=timedelta(days=1000),
        description="How long a rewritten address leads back, in whole days.",
        examples=["14d"],
    )

    @model_validator(mode="after")
    def _domain_with_keys(self) -> SRS:
        if (self.domain is None) is not (not self.keys):
            raise ValueError("domain and keys belong together; give both, or neither")
        return self
