"""What is odd about the name of a file, whatever the file is."""

from __future__ import annotations

from danelaw.filetypes import office
from danelaw.filetypes.signatures import OCTETS, OLE, TEXT, Kind, kinds

_PROGRAMS = """
ade adp appref-ms application bat chm cmd com cpl diagcab dll exe gadget hta inf ins iso img isp jar jnlp js jse lib lnk
mde msc msi msix msp mst one osd pif ps1 psm1 reg rgs scf scr sct search-ms settingcontent-ms sh shb shs sys url vb vbe
vbs vbscript vhd vhdx vxd wsc wsf wsh xll
"""
_PAPERS = """
pdf doc docx docm dot dotx xls xlsx xlsm xlsb ppt pptx pptm odt ods odp rtf txt csv jpg jpeg png gif bmp tif tiff mp3
mp4 avi mov zip rar 7z html htm eml msg
"""
_RUNS = frozenset(_PROGRAMS.split())
_DOCUMENTS = frozenset(_PAPERS.split())
_TURNING = "\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u200f\u061c"
_INVISIBLE = "\u200b\u200c\u200d\u2060\ufeff\u00ad"
_LONGEST = 255
_BY_EXTENSION = {extension: kind.type for kind in reversed((*kinds(), *office.KINDS)) for extension in kind.extensions}
_SPEAKS_FOR_MANY = frozenset({OCTETS, TEXT, OLE, "application/xml", "application/zip", "application/gzip"})


def extension_of(filename: str) -> str:
    """The last extension, in lower case, empty where there is none."""
    _, dot, extension = filename.strip(" .").rpartition(".")
    return extension.lower() if dot else ""


def oddities(filename: str, kind: Kind | None = None) -> tuple[str, ...]:
    """Reasons for doubt in a name, and in a name that stands for something of this kind."""
    found = []
    shown = "".join(char for char in filename if char not in _TURNING + _INVISIBLE)
    if any(char in filename for char in _TURNING):
        found.append("the name has characters that turn its direction, so that its end seems to be another")
    if any(char in filename for char in _INVISIBLE):
        found.append("the name has characters that cannot be seen")
    if "\x00" in filename or "/" in filename or "\\" in filename:
        found.append("the name is a path")
    if shown != shown.rstrip(" .") or "   " in shown:
        found.append("the name is padded, so that its end may not be seen")
    if len(filename) > _LONGEST:
        found.append(f"the name has {len(filename)} characters")
    parts = shown.strip(" .").lower().split(".")
    if len(parts) > 2 and parts[-1].strip() in _RUNS and parts[-2].strip() in _DOCUMENTS:
        found.append(f"the name has two extensions, and what looks like .{parts[-2].strip()} is .{parts[-1].strip()}")
    extension = extension_of(shown)
    if kind is not None and not _fits(extension, kind):
        found.append(f"the name ends in .{extension}, and the octets are {kind.type}")
    return tuple(found)


def runs(filename: str, kind: Kind) -> bool:
    """Whether a double click would carry something out."""
    return kind.runs or extension_of(filename) in _RUNS


def _fits(extension: str, kind: Kind) -> bool:
    """Unknown endings, and types that stand for many formats, contradict nobody."""
    expected = _BY_EXTENSION.get(extension)
    return expected is None or extension in kind.extensions or (kind.type in _SPEAKS_FOR_MANY and not kind.runs)
