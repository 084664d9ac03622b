"""Numbers of the protocol: commands, actions, steps, stages of macros. Members are spelled as in libmilter's API."""

from __future__ import annotations

from enum import Enum, IntEnum, IntFlag

VERSION = 6
OLDEST_VERSION = 2
CHUNK = 65535
"""Most octets in one packet's data unless a larger size was agreed; also the size of pieces of the body."""


class Command(Enum):
    """What the MTA says."""

    OPTNEG = b"O"
    MACRO = b"D"
    CONNECT = b"C"
    HELO = b"H"
    MAIL = b"M"
    RCPT = b"R"
    DATA = b"T"
    HEADER = b"L"
    EOH = b"N"
    BODY = b"B"
    BODYEOB = b"E"
    ABORT = b"A"
    QUIT = b"Q"
    QUIT_NC = b"K"
    UNKNOWN = b"U"


class Action(IntFlag):
    """What a filter may change (SMFIF_…)."""

    ADDHDRS = 0x001
    CHGBODY = 0x002
    ADDRCPT = 0x004
    DELRCPT = 0x008
    CHGHDRS = 0x010
    QUARANTINE = 0x020
    CHGFROM = 0x040
    ADDRCPT_PAR = 0x080
    SETSYMLIST = 0x100


class ProtocolStep(IntFlag):
    """Which steps are left out, which go unanswered, and what both understand (SMFIP_…)."""

    NOCONNECT = 0x000001
    NOHELO = 0x000002
    NOMAIL = 0x000004
    NORCPT = 0x000008
    NOBODY = 0x000010
    NOHDRS = 0x000020
    NOEOH = 0x000040
    NR_HDR = 0x000080
    NOUNKNOWN = 0x000100
    NODATA = 0x000200
    SKIP = 0x000400
    RCPT_REJ = 0x000800
    NR_CONN = 0x001000
    NR_HELO = 0x002000
    NR_MAIL = 0x004000
    NR_RCPT = 0x008000
    NR_DATA = 0x010000
    NR_UNKN = 0x020000
    NR_EOH = 0x040000
    NR_BODY = 0x080000
    HDR_LEADSPC = 0x100000
    MDS_256K = 0x10000000
    MDS_1M = 0x20000000


class MacroStage(IntEnum):
    """Stages for which a filter may name the macros it wants (SMFIM_…)."""

    CONNECT = 0
    HELO = 1
    ENVFROM = 2
    ENVRCPT = 3
    DATA = 4
    EOM = 5
    EOH = 6


ALL_ACTIONS = Action(0x1FF)
ALL_STEPS = ProtocolStep(0x1FFFFF) | ProtocolStep.MDS_256K | ProtocolStep.MDS_1M

_BY_VERSION = {2: 0x7F, 3: 0x1FF, 4: 0x3FF, 5: 0x3FF}


def steps_of_version(version: int) -> ProtocolStep:
    """What can be agreed under a version: version 2 knows steps to leave out, 6 everything."""
    return ProtocolStep(_BY_VERSION.get(version, int(ALL_STEPS)))


UNWANTED = {
    Command.CONNECT: ProtocolStep.NOCONNECT,
    Command.HELO: ProtocolStep.NOHELO,
    Command.MAIL: ProtocolStep.NOMAIL,
    Command.RCPT: ProtocolStep.NORCPT,
    Command.DATA: ProtocolStep.NODATA,
    Command.HEADER: ProtocolStep.NOHDRS,
    Command.EOH: ProtocolStep.NOEOH,
    Command.BODY: ProtocolStep.NOBODY,
    Command.UNKNOWN: ProtocolStep.NOUNKNOWN,
}
UNANSWERED = {
    Command.CONNECT: ProtocolStep.NR_CONN,
    Command.HELO: ProtocolStep.NR_HELO,
    Command.MAIL: ProtocolStep.NR_MAIL,
    Command.RCPT: ProtocolStep.NR_RCPT,
    Command.DATA: ProtocolStep.NR_DATA,
    Command.HEADER: ProtocolStep.NR_HDR,
    Command.EOH: ProtocolStep.NR_EOH,
    Command.BODY: ProtocolStep.NR_BODY,
    Command.UNKNOWN: ProtocolStep.NR_UNKN,
}
SINCE = {Command.UNKNOWN: 3, Command.DATA: 4, Command.QUIT_NC: 6}
"""The version in which a command came; all others are older than any version spoken here."""
STAGES = {
    Command.CONNECT: MacroStage.CONNECT,
    Command.HELO: MacroStage.HELO,
    Command.MAIL: MacroStage.ENVFROM,
    Command.RCPT: MacroStage.ENVRCPT,
    Command.DATA: MacroStage.DATA,
    Command.EOH: MacroStage.EOH,
    Command.BODYEOB: MacroStage.EOM,
}
