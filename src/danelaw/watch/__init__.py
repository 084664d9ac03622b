"""Destinations whose protection weakens, and what their own history would allow to insist on: a ratchet.

Opportunistic standards can be taken away as quietly as they came: without TLSA records or an MTA-STS policy mail goes
on, encrypted to whoever answers. That is right when the owner wants it, and just what an attacker would arrange. So
each destination's days are remembered (`History`: runs of days at one level), a day that is weaker than a steady
history is a `Weakening`, and a history that never wavered gives a `Proposal`: an override with evidence and an end of
its own.

    history = history.with_day(observation)                 # a closed day
    weakening = weakening_of(history, today, Rules())       # None: nothing to say
    proposal, why_not = proposal_of(history, today, Wanted())

What does not count: mail whose sender waived protection or demanded more, mail under an override that weakens it, and a
second mail server that was always weaker and took its turn (its level was the domain's level all the time, FIELD rule
12). Pure: days are numbers since 1970-01-01 UTC, given by the caller.

Public names: `Observation`, `HostDay`, `History`, `Span`, `Standing`; `Rules`, `Weakening`, `Kind`, `weakening_of`;
`Wanted`, `Proposal`, `proposal_of`; `WatchError`.
"""

from __future__ import annotations

from danelaw.watch.errors import WatchError
from danelaw.watch.history import History, Span, Standing
from danelaw.watch.observation import HostDay, Observation
from danelaw.watch.proposal import Proposal, Wanted, proposal_of
from danelaw.watch.weakening import Kind, Rules, Weakening, weakening_of

__all__ = [
    "History",
    "HostDay",
    "Kind",
    "Observation",
    "Proposal",
    "Rules",
    "Span",
    "Standing",
    "Wanted",
    "WatchError",
    "Weakening",
    "proposal_of",
    "weakening_of",
]
