"""The milter protocol, MTA side: what a mail filter is told of a transaction, and what it may answer and change.

A milter is a program beside the mail server. It hears the SMTP session step by step and answers each step; at the end
of a message it may also change it. There is no RFC: libmilter's protocol, version 6, is the standard, versions 2 to 5
are its subsets. Packets are a length of four octets, a command or reply of one octet, and its data.

    MTA → filter   O options · D macros · C connect · H helo · M mail · R rcpt · T data · L header · N end of header
                   B body · E end of message · A abort · Q quit · K quit, new connection · U unknown command
    filter → MTA   c continue · a accept · r reject · t temporary failure · d discard · y own reply · s skip
                   4 shut down · f connection failure · p still working, and at the end of a message:
                   h add · i insert · m change a field · e sender · + 2 - recipients · b body · q quarantine

First both sides agree (`open`, `Negotiated`): from what it is offered the filter chooses which steps it does not want,
which it will not answer, and what it may change. Then one question at a time:

    connection = MilterConnection(largest_packet=1 << 20, largest_total=64 << 20)
    connection.open(); …send connection.data_to_send(), feed connection.receive_data(…), take connection.next_event()
    if connection.mail(b"<a@b.example>", macros=macros): …an `Answer` is due: read until next_event() gives it

A step that the filter does not want, does not answer, or that comes after its last word on this message gives False.
`connection.ruling` is that last word. An answer to connect or helo holds for the connection, to rcpt for that recipient
(unless it accepts or discards), to anything else for the message. Nothing here waits or reads clocks; a filter that
breaks the protocol, changes what it did not ask to change, or says too much gives a `MilterError`.

Public names: `MilterConnection`, `NEED_DATA`, `Negotiated`, `Progress`; `Answer`, `Disposition`; `Action`,
`ProtocolStep`, `MacroStage`; `AddHeader`, `InsertHeader`, `ChangeHeader`, `ChangeSender`, `AddRecipient`,
`DeleteRecipient`, `ReplaceBody`, `Quarantine`, `Edit`; `FieldList`, `edited_header`, `field_octets`, `fields_of`;
`MilterError`.
"""

from danelaw.milter.answers import Answer, Disposition
from danelaw.milter.connection import NEED_DATA, MilterConnection, MilterEvent, Progress
from danelaw.milter.edits import (
    AddHeader,
    AddRecipient,
    ChangeHeader,
    ChangeSender,
    DeleteRecipient,
    Edit,
    InsertHeader,
    Quarantine,
    ReplaceBody,
)
from danelaw.milter.errors import MilterError
from danelaw.milter.fields import FieldList, edited_header, field_octets, fields_of
from danelaw.milter.negotiation import Negotiated
from danelaw.milter.vocabulary import Action, Command, MacroStage, ProtocolStep

__all__ = [
    "NEED_DATA",
    "Action",
    "AddHeader",
    "AddRecipient",
    "Answer",
    "ChangeHeader",
    "ChangeSender",
    "Command",
    "DeleteRecipient",
    "Disposition",
    "Edit",
    "FieldList",
    "InsertHeader",
    "MacroStage",
    "MilterConnection",
    "MilterError",
    "MilterEvent",
    "Negotiated",
    "Progress",
    "ProtocolStep",
    "Quarantine",
    "ReplaceBody",
    "edited_header",
    "field_octets",
    "fields_of",
]
