"""The section about the operator's own policy scripts: where they are and what they may use."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field, Strict

from danelaw.config.section import Section
from danelaw.config.values import Duration, FilePath, Text


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
