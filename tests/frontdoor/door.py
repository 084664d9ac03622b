"""A gateway whose front door is under test: strangers come from 127.0.0.0/8, DNS is a page of text."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from tests.ends import Running, Sink, gateway

from danelaw.frontdoor import Premises
from danelaw.testing import FakeDNS, FakeResolver

MESSAGE = b"Subject: x\r\nFrom: a@sender.test\r\n\r\nbody\r\n"


TRUSTED = "127.0.0.9"
STRANGERS = {'networks = ["127.0.0.0/8"]': f'networks = ["{TRUSTED}/32"]'}
"""Everybody but `TRUSTED` is a stranger."""


def ours(sink: Sink, more: str = "") -> str:
    """A domain of ours whose mail goes to the sink."""
    return f'[[domain]]\nname = "ours.test"\nnext_hop = "{sink.hop}"\n{more}'


@contextlib.asynccontextmanager
async def front(
    tmp_path: Path,
    settings: str,
    dns: FakeDNS | None = None,
    *,
    domain: str = "",
    sink: Sink | None = None,
    **options: Any,
) -> AsyncIterator[tuple[Running, Sink]]:
    """A gateway with these settings and this DNS for its steps; `domain` are further keys of ours.test."""
    async with (
        contextlib.nullcontext(sink) if sink is not None else Sink() as taker,
        gateway(tmp_path, ours(taker, domain) + settings, **{"replace": STRANGERS} | options) as running,
    ):
        if dns is not None:
            answering(running, dns)
        yield running, taker


def answering(running: Running, dns: FakeDNS) -> None:
    """Let the steps of a running gateway ask this DNS."""
    resolver = FakeResolver(dns)
    for step in running.gateway.parts.intake.steps.all:
        if isinstance(premises := getattr(step, "premises", None), Premises):
            premises.resolver = resolver


def findings(running: Running, ident: str) -> list[tuple[str, str, str]]:
    """What the steps found about a message."""
    return [(found["step"], found["result"], found["reason"]) for found in running.look(ident)["findings"]]
