"""The message as a hook sees and changes it. What it does not change goes out octet by octet as it came.

Every change is carried out at once on a draft and written down as an `Edit`, a value that goes into JSON: a script in a
process of its own, or behind HTTP, changes a message by sending its edits. A change that cannot be made raises
`danelaw.message.MessageError` and leaves the message as it was.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from danelaw.message import (
    Draft,
    MessageError,
    Part,
    append_text,
    attachment,
    author_addresses,
    mailboxes,
    text_entity,
    text_field,
)
from danelaw.policy.facts import Address

if TYPE_CHECKING:
    from danelaw.message import Field, Octets, Snapshot

Edit: TypeAlias = tuple[str, ...]
"""The name of a method of `Mail` that changes it, and its arguments; octets in base64."""

_MOST_EDITS = 1000
_LONG_LINE = re.compile(rb"[^\n]{1000}")


class Mail:
    """A message in a hook. Names of fields are compared without regard to case, texts are decoded (RFC 2047)."""

    __slots__ = ("_draft", "_edits", "_octets", "_open", "_part")

    def __init__(self, open_octets: Callable[[], Octets]) -> None:
        """`open_octets` gives the octets when they are first looked at."""
        self._open = open_octets
        self._octets: Octets | None = None
        self._part: Part | None = None
        self._draft: Draft | None = None
        self._edits: list[Edit] = []

    @property
    def draft(self) -> Draft:
        """The draft behind it (`danelaw.message.Draft`), for what this class does not offer. What is changed there
        is not written down as an edit: it does not reach a script's own process, nor the record.
        """
        if self._draft is None:
            self._draft = Draft(self.message)
        return self._draft

    @property
    def message(self) -> Part:
        """The message as it came, to be read."""
        if self._part is None:
            self._octets = self._open()
            self._part = Part.from_octets(self._octets)
        return self._part

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What has been changed so far, in order."""
        return tuple(self._edits)

    @property
    def is_changed(self) -> bool:
        """Whether anything differs from the message as it came."""
        return self._draft is not None and self._draft.is_changed

    @property
    def size(self) -> int:
        """Octets of the message as it is now."""
        return len(self.as_it_came()) if self._draft is None else self._draft.size

    def copy(self) -> Mail:
        """The same message with the same changes so far, to be changed apart."""
        twin = Mail(self._open)
        twin._octets, twin._part = self._octets, self._part
        if self._draft is not None:
            twin._draft = Draft(self._draft.message)
            twin._draft.restore(self._draft.snapshot())
        twin._edits = list(self._edits)
        return twin

    def is_of(self, other: Mail) -> bool:
        """Whether both are of the same message as it came."""
        return self._open is other._open

    def as_it_came(self) -> Octets:
        """The octets before any change; they are opened when they have not been."""
        return self._open() if self._octets is None else self._octets

    def to_bytes(self) -> bytes:
        """The whole message as it is now."""
        return self.draft.to_bytes()

    # reading

    def fields(self, name: str | None = None) -> list[tuple[str, str]]:
        """Names as written and texts of all fields, or of those with that name."""
        return [(one.name.decode("ascii", "replace"), one.decoded) for one in self._named(name)]

    def first(self, name: str, default: str = "") -> str:
        """The text of the first field of that name."""
        for field in self._named(name):
            return field.decoded
        return default

    def all(self, name: str) -> list[str]:
        """The texts of all fields of that name, topmost first."""
        return [one.decoded for one in self._named(name)]

    def has(self, name: str) -> bool:
        """Whether there is such a field."""
        return any(True for _ in self._named(name))

    def addresses(self, name: str) -> tuple[Address, ...]:
        """The addresses in all fields of that name (`To`, `Cc`)."""
        found = (mailboxes(one.body) for one in self._named(name))
        return tuple(Address(box.address) for one in found for box in one.mailboxes)

    @property
    def subject(self) -> str:
        """The text of Subject."""
        return self.first("Subject")

    @property
    def message_id(self) -> str:
        """Message-ID, with its brackets."""
        return self.first("Message-ID")

    @property
    def authors(self) -> tuple[Address, ...]:
        """The addresses of From as DMARC reads them; none where it cannot be read in one way only."""
        authors = author_addresses((one.name, one.raw) for one in self._named("From"))
        if authors.ambiguous:
            return ()
        return tuple(Address(one.address) for one in authors.mailboxes)

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part of the message as it came, the whole first, in the order of the text."""
        return tuple(self.message.walk())

    @property
    def attachments(self) -> tuple[Part, ...]:
        """The parts that are files."""
        return tuple(part for part in self.parts if part.is_attachment)

    def text(self, subtype: str = "plain", *, max_octets: int = 1 << 20) -> str:
        """The text of the first text part of that kind that is no attachment; empty where there is none."""
        part = self._text_part(subtype)
        return "" if part is None else part.text(max_octets=max_octets)

    def part(self, number: str) -> Part:
        """A part by its number (`2.1`). Raises `MessageError`."""
        for part in self.parts:
            if part.number == number:
                return part
        raise MessageError(f"the message has no part {number}")

    # changing

    def add(self, name: str, text: str) -> None:
        """Put a field on top of the header."""
        self.draft.add_field(text_field(name, text))
        self._note("add", name, text)

    def append(self, name: str, text: str) -> None:
        """Put a field below all others."""
        self.draft.add_field(text_field(name, text), len(self.draft.fields))
        self._note("append", name, text)

    def set(self, name: str, text: str) -> None:
        """Put a text in the place of the first field of that name, and take the others away; a new one comes on top."""
        raw = text_field(name, text)
        at = self.draft.position(name)
        if at is None:
            self.draft.add_field(raw)
        else:
            self.draft.replace_field(at, raw)
            while (more := self.draft.position(name, 1)) is not None:
                self.draft.remove_field(more)
        self._note("set", name, text)

    def remove(self, name: str, containing: str = "") -> int:
        """Take all fields of that name away, or those whose text contains something. Gives how many."""
        count, keep = 0, 0
        while (at := self.draft.position(name, keep)) is not None:
            if containing and containing not in self.draft.fields[at].decoded:
                keep += 1
                continue
            self.draft.remove_field(at)
            count += 1
        if count:
            self._note("remove", name, containing)
        return count

    def add_text(self, text: str, html: str = "") -> None:
        """Put text behind the message's own, a footer or a disclaimer; `html` behind its HTML, where it has that.

        A message whose text cannot be added to (encrypted, signed, none) gets it as a part of its own.
        """
        self._as_one(lambda: self._add_text(text, html))
        self._note("add_text", text, html)

    def _add_text(self, text: str, html: str) -> None:
        plain, rich = self._text_part("plain"), self._text_part("html")
        whole = self.draft.message.content_type
        if (whole.type, whole.subtype) in {("multipart", "signed"), ("multipart", "encrypted")}:
            plain = rich = None  # what is signed or sealed would be so no more
        if plain is None and rich is None:
            self._attach(text_entity(text, disposition="inline"))
            return
        if plain is not None:
            append_text(self.draft, plain, text)
        if rich is not None:
            append_text(self.draft, rich, html or "<p>" + "<br>".join(_escaped(line) for line in text.split("\n")))

    def attach(self, octets: bytes, filename: str, content_type: str = "application/octet-stream") -> None:
        """Add a file."""
        self._as_one(lambda: self._attach(attachment(octets, filename, content_type)))
        self._note("attach", _encoded(octets), filename, content_type)

    def _attach(self, entity: bytes) -> None:
        whole = self.draft.message
        if whole.content_type.type == "multipart" and whole.content_type.subtype == "mixed" and whole.parts:
            self.draft.add_part(whole, entity)
        else:
            seed = hashlib.blake2b(whole.header.raw + entity, digest_size=15).hexdigest()
            self.draft.wrap(f"=_danelaw_{seed}".encode("ascii"), entity)

    def remove_part(self, number: str) -> None:
        """Take a part of a multipart away, by its number."""
        self.draft.remove_part(self.part(number))
        self._note("remove_part", number)

    def replace_part(self, number: str, octets: bytes) -> None:
        """Put a whole entity (header, empty line, body) in the place of a part."""
        _check_lines(octets)
        self.draft.replace_part(self.part(number), octets)
        self._note("replace_part", number, _encoded(octets))

    def replace_part_by_text(self, number: str, text: str) -> None:
        """Put a text in the place of a part, a word about what was taken away."""
        self.draft.replace_part(self.part(number), text_entity(text, disposition="inline"))
        self._note("replace_part_by_text", number, text)

    def replace_body(self, octets: bytes) -> None:
        """Put other octets in the place of the whole body."""
        _check_lines(octets)
        self.draft.replace_body(octets)
        self._note("replace_body", _encoded(octets))

    # for whoever runs hooks

    def apply(self, edits: Iterable[Sequence[str]]) -> None:
        """Carry out edits that were made elsewhere. Raises `MessageError` for one there is not, or that cannot be."""
        for edit in edits:
            kind, *arguments = edit
            change = _CHANGES.get(kind)
            if change is None or not all(isinstance(one, str) for one in arguments):
                raise MessageError(f"there is no change {kind!r} with such arguments")
            try:
                change(self, *arguments)
            except TypeError:
                raise MessageError(f"the change {kind!r} has other arguments") from None
            except ValueError as error:
                raise MessageError(str(error)) from None

    def state(self) -> tuple[Snapshot, int] | None:
        """Where it stands, for `back_to`; None when nobody has looked at it."""
        return None if self._draft is None else (self._draft.snapshot(), len(self._edits))

    def back_to(self, state: tuple[Snapshot, int] | None) -> None:
        """Take back what was changed since."""
        if state is None:
            self._draft, self._edits = None, []
        else:
            snapshot, edits = state
            self.draft.restore(snapshot)
            del self._edits[edits:]

    def _as_one(self, change: Callable[[], None]) -> None:
        snapshot = self.draft.snapshot()
        try:
            change()
        except BaseException:
            self.draft.restore(snapshot)
            raise

    def _note(self, *edit: str) -> None:
        if len(self._edits) >= _MOST_EDITS:
            raise MessageError(f"more than {_MOST_EDITS} changes of one message")
        self._edits.append(edit)

    def _named(self, name: str | None) -> Iterator[Field]:
        draft = self._draft
        if draft is None or not draft.is_changed:
            header = self.message.header
            yield from header.fields if name is None else header.all(name)
        elif name is None:
            yield from draft.fields
        else:
            key = name.lower().encode("ascii", "replace")
            yield from (one for one in draft.fields if one.key == key)

    def _text_part(self, subtype: str) -> Part | None:
        for part in self.parts:
            kind = part.content_type
            if kind.type == "text" and kind.subtype == subtype and not part.is_attachment:
                return part
        return None


_CHANGES: dict[str, Callable[..., object]] = {
    "add": Mail.add,
    "append": Mail.append,
    "set": Mail.set,
    "remove": Mail.remove,
    "add_text": Mail.add_text,
    "attach": lambda mail, octets, *more: mail.attach(_decoded(octets), *more),
    "remove_part": Mail.remove_part,
    "replace_part": lambda mail, number, octets: mail.replace_part(number, _decoded(octets)),
    "replace_part_by_text": Mail.replace_part_by_text,
    "replace_body": lambda mail, octets: mail.replace_body(_decoded(octets)),
}


def _check_lines(octets: bytes) -> None:
    """What a client must not send us (RFC 5321 §2.3.8, §4.5.3.1.6) a script must not put in either."""
    if octets.count(b"\n") != octets.count(b"\r\n") or octets.count(b"\r") != octets.count(b"\r\n"):
        raise MessageError("lines end with CR LF; there is a bare one of the two")
    if b"\0" in octets:
        raise MessageError("a message cannot contain NUL")
    if _LONG_LINE.search(octets):
        raise MessageError("a line has more than 998 octets (RFC 5321 §4.5.3.1.6)")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _encoded(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
