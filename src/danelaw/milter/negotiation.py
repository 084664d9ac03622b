"""Agreeing on version, actions, steps and macros."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

from danelaw.milter.errors import MilterError
from danelaw.milter.macros import names
from danelaw.milter.vocabulary import (
    CHUNK,
    OLDEST_VERSION,
    VERSION,
    Action,
    MacroStage,
    ProtocolStep,
    steps_of_version,
)

_OPTIONS = struct.Struct(">III")
_STAGE = struct.Struct(">I")


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What was agreed: the version both speak, what the filter may change, which steps go without it or unanswered,
    and the macros it named for a stage.
    """

    version: int
    actions: Action
    steps: ProtocolStep
    macros: Mapping[MacroStage, tuple[str, ...]]

    @property
    def largest_data(self) -> int:
        """Most octets of data in a packet: 64 KiB less one, or the size agreed instead."""
        if ProtocolStep.MDS_1M in self.steps:
            return (1 << 20) - 1
        return (1 << 18) - 1 if ProtocolStep.MDS_256K in self.steps else CHUNK


def write_options(actions: Action, steps: ProtocolStep) -> bytes:
    """The data of our offer."""
    return _OPTIONS.pack(VERSION, actions, steps)


def read_options(octet: int, data: bytes, actions: Action, steps: ProtocolStep) -> Negotiated:
    """The filter's choice from what it was offered. Raises `MilterError` when it takes what was not on offer."""
    if octet != ord("O") or len(data) < _OPTIONS.size:
        raise MilterError("the filter does not begin by agreeing on options: nobody speaks the milter protocol there")
    version, chosen_actions, chosen_steps = _OPTIONS.unpack_from(data)
    if not OLDEST_VERSION <= version <= VERSION:
        raise MilterError(f"the filter speaks version {version}; {OLDEST_VERSION} to {VERSION} are known here")
    if chosen_actions & ~int(actions):
        raise MilterError(f"the filter wants rights nobody offered ({chosen_actions & ~int(actions):#x})")
    if chosen_steps & ~int(steps):
        raise MilterError(f"the filter chooses steps nobody offered ({chosen_steps & ~int(steps):#x})")
    # An old filter may echo bits of later versions, which then mean nothing.
    kept = ProtocolStep(chosen_steps) & steps_of_version(version)
    wanted = _macro_lists(data[_OPTIONS.size :]) if Action.SETSYMLIST & actions else {}
    return Negotiated(version, Action(chosen_actions), kept, wanted)


def _macro_lists(data: bytes) -> dict[MacroStage, tuple[str, ...]]:
    lists: dict[MacroStage, tuple[str, ...]] = {}
    while data:
        if len(data) < _STAGE.size:
            raise MilterError("the filter's list of macros ends early")
        (stage,) = _STAGE.unpack_from(data)
        text, separator, data = data[_STAGE.size :].partition(b"\0")
        if not separator:
            raise MilterError("the filter's list of macros ends early")
        if stage <= max(MacroStage):
            lists[MacroStage(stage)] = names(text.decode("ascii", "replace"))
    return lists
