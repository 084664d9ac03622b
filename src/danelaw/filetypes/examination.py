"""Looking at octets: their type, what they hold, and what is odd."""

from __future__ import annotations

from danelaw.filetypes import office, rar, tar
from danelaw.filetypes import zip as zip_archive
from danelaw.filetypes.contents import Contents, DamagedArchive, Entry
from danelaw.filetypes.facts import FileFacts, Member
from danelaw.filetypes.limits import RATIO, Budget, Limits
from danelaw.filetypes.names import oddities, runs
from danelaw.filetypes.signatures import OCTETS, OLE, ZIP, Kind, kind_of

_PEEK = 64 << 10
_FROM = 1 << 20
"""Octets below which nobody minds how well something was packed."""
_ARCHIVES = frozenset(
    {
        ZIP,
        "application/vnd.rar",
        "application/x-7z-compressed",
        "application/x-tar",
        "application/java-archive",
        *tar.SINGLE,
    }
)
_PDF_ACTIONS = (b"/JavaScript", b"/Launch", b"/EmbeddedFile")


def examine(octets: bytes, filename: str = "", limits: Limits | None = None) -> FileFacts:
    """The facts about a file, whatever it is. Never raises for what stands in it."""
    return _examine(octets, filename, Budget(limits or Limits()), 1)


def _examine(octets: bytes, filename: str, budget: Budget, depth: int) -> FileFacts:
    kind = kind_of(octets)
    odd: list[str] = []
    macros = encrypted = False
    contents = Contents()
    try:
        contents = _contents(octets, kind.type, filename, budget.limits.members)
    except DamagedArchive as error:
        odd.append(str(error))
    odd += contents.odd
    encrypted = contents.encrypted
    if kind.type in (ZIP, OLE):
        container = office.in_zip(contents) if kind.type == ZIP else office.in_ole(octets)
        kind, macros = container.kind, container.macros
        encrypted |= container.encrypted
    elif kind.type == "application/pdf":
        encrypted = b"/Encrypt" in octets
        odd += [f"the PDF has {action[1:].decode()}" for action in _PDF_ACTIONS if action in octets]
    members = _members(contents, kind, len(octets), budget, depth, odd)
    if filename:
        odd = [*oddities(filename, kind), *odd]
    return FileFacts(
        kind.type, kind.extensions, tuple(members), macros, encrypted or any(one.encrypted for one in members),
        tuple(dict.fromkeys(odd)),
    )  # fmt: skip


def _contents(octets: bytes, type: str, filename: str, most: int) -> Contents:
    if type == ZIP:
        return zip_archive.contents(octets, most)
    if type == "application/vnd.rar":
        return rar.contents(octets, most)
    if type == "application/x-7z-compressed":
        return rar.seven_zip(octets)
    if type == "application/x-tar":
        return tar.contents(octets, most)
    if type in tar.SINGLE:
        return tar.single(octets, type, filename)
    return Contents()


def _members(contents: Contents, kind: Kind, packed: int, budget: Budget, depth: int, odd: list[str]) -> list[Member]:
    found: list[Member] = []
    said = 0
    for entry in contents.entries:
        if not budget.take_member():
            odd.append(f"there are more than {budget.limits.members} members")
            break
        said += entry.size
        found += _member(entry, kind.type in _ARCHIVES, budget, depth, odd)
    if said > max(packed * RATIO, _FROM):
        odd.append(f"the archive unpacks to {said} octets, {said // max(packed, 1)} times its size")
    return found


def _member(entry: Entry, is_archive: bool, budget: Budget, depth: int, odd: list[str]) -> list[Member]:
    """A member, and what it holds where it is an archive in an archive. Parts of documents are listed, no more."""
    if entry.path.endswith("/") or not is_archive or entry.read is None:
        return [Member(entry.path, entry.size, OCTETS, entry.encrypted, depth)]
    start = _unpacked(entry, min(_PEEK, budget.room()), odd)
    budget.octets -= len(start)
    kind = kind_of(start)
    odd += [f"{entry.path}: {words}" for words in oddities(entry.path.rpartition("/")[2], kind)]
    if runs(entry.path, kind):
        odd.append(f"{entry.path} would be carried out by a double click")
    if kind.type not in (*_ARCHIVES, OLE):
        return [Member(entry.path, entry.size or len(start), kind.type, False, depth)]
    if depth >= budget.limits.depth:
        odd.append(f"archives are nested more than {budget.limits.depth} deep")
        return [Member(entry.path, entry.size, kind.type, False, depth)]
    whole = _unpacked(entry, budget.room(), odd)
    budget.octets -= len(whole)
    if len(whole) >= budget.limits.member or not budget.octets:
        odd.append(f"{entry.path} is too large to be looked into")
    inner = _examine(whole, entry.path, budget, depth + 1)
    odd += [f"{entry.path}: {words}" for words in inner.odd]
    if inner.macros:
        odd.append(f"{entry.path} has macros")
    return [Member(entry.path, entry.size or len(whole), inner.type, inner.encrypted, depth), *inner.members]


def _unpacked(entry: Entry, most: int, odd: list[str]) -> bytes:
    assert entry.read is not None
    try:
        return entry.read(most)
    except DamagedArchive as error:
        odd.append(f"{entry.path}: {error}")
        return b""
