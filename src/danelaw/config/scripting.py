"""The section about the operator's own policy scripts: where they are and what they may use."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, Strict, field_validator

from danelaw.config.http_hooks import HTTPHook
from danelaw.config.library import PolicyDatabase, PolicyHTTP, PolicyLDAP
from danelaw.config.section import Section
from danelaw.config.values import Count, Duration, FilePath, Size, Text


class Policy(Section):
    """Python at every step of a mail's life."""

    directory: FilePath | None = Field(
        default=None,
        description="The folder of the policy's Python files; absent: no policy. What runs is a copy of it: after a "
        "change, `danelaw policy stage` and `danelaw policy promote`.",
        examples=["policy"],
    )
    time: Duration = Field(
        default=timedelta(seconds=10),
        description="How long a hook may take in all, waiting included; a hook can declare its own. Then its failure "
        "policy applies.",
        examples=["5s"],
    )
    cpu: Duration = Field(
        default=timedelta(milliseconds=100),
        description="How long a hook may work between two waits: while it works, everybody waits.",
        examples=["50ms"],
    )
    failures: Annotated[int, Strict(), Field(ge=1, le=1000)] = Field(
        default=10, description="After so many failures in a row a hook is left alone for a while.", examples=[3]
    )
    rest: Duration = Field(default=timedelta(seconds=30), description="For how long.", examples=["5m"])
    withdraw_after: Annotated[int, Strict(), Field(ge=0, le=1_000_000)] = Field(
        default=10,
        description="A staged version is withdrawn by itself when so many calls of its hooks have failed in one "
        "worker, and no fewer than 1 % of them; 0: never.",
        examples=[3],
    )
    shadow_percent: Annotated[float, Field(gt=0, le=100)] = Field(
        default=10,
        description="The part of one processor's time that the hooks of a shadow may take in each worker; what is more "
        "is not followed, and counted.",
        examples=[25],
    )
    at_once: Annotated[int, Strict(), Field(ge=1, le=100_000)] = Field(
        default=500, description="Most calls of one hook that wait for something at the same time.", examples=[50]
    )
    secrets: dict[Text, FilePath] = Field(
        default={},
        description="Files with passwords and keys, by the names under which scripts ask for them.",
        examples=[{"api": "/etc/danelaw/api.key"}],
    )
    http: PolicyHTTP = Field(default=PolicyHTTP(), description="What scripts may ask over HTTP.")
    ldap: dict[Text, PolicyLDAP] = Field(
        default={},
        description="Directories, by the names under which scripts ask them (`ctx.library.ldap`). Needs "
        "`pip install danelaw[ldap]`.",
        examples=[{"people": {"url": "ldaps://directory.example.org", "base": "dc=example,dc=org"}}],
    )
    database: dict[Text, PolicyDatabase] = Field(
        default={},
        description="Databases, by the names under which scripts ask them (`ctx.library.sql`).",
        examples=[{"customers": {"url": "sqlite:////var/lib/danelaw/customers.db"}}],
    )
    run: Literal["here", "isolated"] = Field(
        default="here",
        description="Where hooks run: `here`, in the gateway's own processes, for authors whom one trusts; or "
        "`isolated`, in worker processes that can only compute and answer, which contains everything a script can do.",
        examples=["isolated"],
    )
    isolated_workers: Count = Field(
        default=4,
        ge=1,
        le=256,
        description="Worker processes per process of the gateway. Each runs one hook at a time, also while the hook "
        "waits for DNS or HTTP; one hook never has more than half of them.",
        examples=[8],
    )
    isolated_memory: Size = Field(
        default=512 << 20,
        ge=128 << 20,
        description="Address space of a worker (RLIMIT_AS). A hook that looks at a message has it in memory, and "
        "twice when it changes it.",
        examples=["1G"],
    )
    isolated_calls: Count = Field(
        default=10_000,
        ge=1,
        description="After so many calls a worker is replaced by a fresh one; sooner when it has grown to half its "
        "memory.",
        examples=[1000],
    )
    files: tuple[FilePath, ...] = Field(
        default=(),
        description="Files and folders that isolated hooks may read, beside Python and the policy's own folder.",
        examples=[["/etc/danelaw/lists"]],
    )
    http_hook: tuple[HTTPHook, ...] = Field(
        default=(),
        description="Servers that are asked over HTTP at steps of a mail's life.",
        examples=[[{"name": "crm", "url": "https://hooks.example.org/mail", "at": ["rcpt_to"]}]],
    )

    @field_validator("http_hook")
    @classmethod
    def _each_name_once(cls, value: tuple[HTTPHook, ...]) -> tuple[HTTPHook, ...]:
        names = [one.name for one in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f'[[policy.http_hook]] name "{twice[0]}" appears twice; keep one of them')
        return value
