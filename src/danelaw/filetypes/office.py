"""What a container is by what is in it: office files, Java archives, packages; whether they hold macros."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.filetypes import ole
from danelaw.filetypes.contents import Contents, DamagedArchive
from danelaw.filetypes.signatures import OLE, ZIP, Kind

_OPEN = "application/vnd.openxmlformats-officedocument."
_WORD = Kind(_OPEN + "wordprocessingml.document", ("docx", "docm", "dotx", "dotm"))
_EXCEL = Kind(_OPEN + "spreadsheetml.sheet", ("xlsx", "xlsm", "xltx", "xltm", "xlam"))
_BINARY_EXCEL = Kind("application/vnd.ms-excel.sheet.binary.macroenabled.12", ("xlsb",))
_POWERPOINT = Kind(_OPEN + "presentationml.presentation", ("pptx", "pptm", "ppsx", "ppsm", "potx"))
_MACRO_ENABLED = {
    _WORD: Kind("application/vnd.ms-word.document.macroenabled.12", ("docm", "dotm")),
    _EXCEL: Kind("application/vnd.ms-excel.sheet.macroenabled.12", ("xlsm", "xltm", "xlam")),
    _POWERPOINT: Kind("application/vnd.ms-powerpoint.presentation.macroenabled.12", ("pptm", "ppsm")),
}
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_OPEN_DOCUMENTS = {"text": "odt", "spreadsheet": "ods", "presentation": "odp", "graphics": "odg"}
_LONGEST_MIMETYPE = 100
_LARGEST_MANIFEST = 1 << 20
_OLE_KINDS = (
    ("EncryptedPackage", Kind("application/x-encrypted-office", ("docx", "xlsx", "pptx", "docm", "xlsm", "pptm"))),
    ("WordDocument", Kind("application/msword", ("doc", "dot", "wbk"))),
    ("Workbook", Kind("application/vnd.ms-excel", ("xls", "xlt", "xla"))),
    ("Book", Kind("application/vnd.ms-excel", ("xls", "xlt", "xla"))),
    ("PowerPoint Document", Kind("application/vnd.ms-powerpoint", ("ppt", "pps", "pot"))),
    ("__properties_version1.0", Kind("application/vnd.ms-outlook", ("msg",))),
    ("VisioDocument", Kind("application/vnd.visio", ("vsd",))),
)
KINDS = (_WORD, _EXCEL, _BINARY_EXCEL, _POWERPOINT, *_MACRO_ENABLED.values(), *(kind for _, kind in _OLE_KINDS[1:]))
"""Those whose endings say what they are; what is encrypted may have any of them."""
_OLE_MACROS = frozenset({"VBA", "_VBA_PROJECT", "Macros", "_VBA_PROJECT_CUR"})


@dataclass(frozen=True, slots=True)
class Container:
    """What was found out."""

    kind: Kind
    macros: bool = False
    encrypted: bool = False


def in_ole(octets: bytes) -> Container:
    """What a compound file is."""
    names = ole.names(octets)
    kind = next((kind for name, kind in _OLE_KINDS if name in names), Kind(OLE, ("doc", "xls", "ppt", "msi", "msg")))
    return Container(kind, bool(names & _OLE_MACROS), "EncryptedPackage" in names)


def in_zip(contents: Contents) -> Container:
    """What a ZIP archive is by its members."""
    paths = [entry.path for entry in contents.entries]
    lower = {path.lower() for path in paths}
    if "[content_types].xml" in lower:
        return _open_xml(lower)
    if paths and paths[0] == "mimetype":
        return _open_document(contents)
    if "meta-inf/manifest.mf" in lower:
        if "androidmanifest.xml" in lower:
            return Container(Kind("application/vnd.android.package-archive", ("apk",), True))
        return Container(Kind("application/java-archive", ("jar", "war", "xpi"), True))
    return Container(Kind(ZIP, ("zip",)))


def _open_xml(lower: set[str]) -> Container:
    macros = any(path.endswith("vbaproject.bin") or "/macrosheets/" in path for path in lower)
    kind = Kind(ZIP, ("zip",))
    if any(path.startswith("word/") for path in lower):
        kind = _WORD
    elif "xl/workbook.bin" in lower:
        return Container(_BINARY_EXCEL, macros)
    elif any(path.startswith("xl/") for path in lower):
        kind = _EXCEL
    elif any(path.startswith("ppt/") for path in lower):
        kind = _POWERPOINT
    elif "appxmanifest.xml" in lower:
        kind = Kind("application/msix", ("msix", "appx"), True)
    return Container(_MACRO_ENABLED.get(kind, kind) if macros else kind, macros)


def _open_document(contents: Contents) -> Container:
    type = _read(contents, "mimetype", _LONGEST_MIMETYPE).decode("ascii", "replace").strip()
    if not type.startswith(_OPEN_DOCUMENT):
        return Container(Kind("application/epub+zip", ("epub",)) if "epub" in type else Kind(ZIP, ("zip",)))
    family = type.removeprefix(_OPEN_DOCUMENT).partition("-template")[0]
    kind = Kind(type, (_OPEN_DOCUMENTS.get(family, "odf"), "ott", "ots", "otp"))
    macros = any(entry.path.startswith(("Basic/", "Scripts/")) for entry in contents.entries)
    encrypted = b"encryption-data" in _read(contents, "META-INF/manifest.xml", _LARGEST_MANIFEST)
    return Container(kind, macros, encrypted)


def _read(contents: Contents, path: str, most: int) -> bytes:
    for entry in contents.entries:
        if entry.path == path and entry.read is not None:
            try:
                return entry.read(most)
            except DamagedArchive:
                return b""
    return b""
