"""Where reports are wanted (RFC 9989 §4.6, §4.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote

# RFC 3986 §3, §2: a scheme, a colon, and characters that may stand in a URI; commas and exclamation points have to be
# encoded in a record (RFC 9989 §4.8).
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):((?:[A-Za-z0-9\-._~:/?#\[\]@$&'()*+;=]|%[0-9A-Fa-f]{2})+)\Z")
_SIZE = re.compile(r"!([0-9]+)([KMGTkmgt]?)\Z")
_ADDRESS = re.compile(r"[^@\s]+@[^@\s]+\Z")


@dataclass(frozen=True, slots=True)
class ReportURI:
    """One address for reports; `text` is the URI without the obsolete limit on sizes."""

    text: str

    @property
    def scheme(self) -> str:
        """Lower case; only `mailto` has to be supported (RFC 9989 §4.7, `rua`)."""
        return self.text.partition(":")[0].lower()

    @property
    def mailbox(self) -> str | None:
        """The address of a mailto URI, decoded (RFC 6068 §2); None for other schemes and what is no address."""
        if self.scheme != "mailto":
            return None
        address = unquote(self.text.partition(":")[2].partition("?")[0])
        return address if _ADDRESS.match(address) and address.isprintable() else None


def read_uri(text: str) -> ReportURI | str:
    """The URI, or what is wrong with it. A size limit behind an exclamation point is ignored (RFC 9989 §4.8)."""
    bare = _SIZE.sub("", text)
    if not _URI.match(bare):
        return f"{text[:60]!r} is no URI"
    uri = ReportURI(bare)
    if uri.scheme == "mailto" and uri.mailbox is None:
        return f"{text[:60]!r} holds no mail address"
    return uri
