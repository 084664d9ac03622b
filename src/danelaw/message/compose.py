"""New entities, and text added to one (RFC 2045, RFC 2046 §4.1, RFC 2183)."""

from __future__ import annotations

import re

from danelaw.message.charsets import codec_of
from danelaw.message.contenttype import ContentType
from danelaw.message.draft import Draft
from danelaw.message.encodedwords import encode_words
from danelaw.message.errors import FieldError, MessageError
from danelaw.message.parameters import write_parameter
from danelaw.message.part import Part
from danelaw.message.transfer import ENCODERS, TransferEncoding, to_base64, to_quoted_printable

# Charsets whose ASCII characters are ASCII octets, so that text can be put behind text.
_NOT_APPENDABLE = frozenset({"utf_16", "utf_16_le", "utf_16_be", "utf_32", "utf_32_le", "utf_32_be", "utf_7"})
_FIELD_NAME = re.compile(r"[!-9;-~]{1,75}\Z")
_TOKEN = r"[A-Za-z0-9!#$&^_.+-]{1,127}"
_TYPE = re.compile(rf"{_TOKEN}/{_TOKEN}\Z")
_ATTRIBUTE = re.compile(r"[A-Za-z0-9._-]+\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LARGEST_TEXT = 8 << 20


def text_entity(text: str, subtype: str = "plain", *, disposition: str | None = None) -> bytes:
    """A text part in UTF-8: as it is where ASCII in short lines allows it, else quoted-printable or base64.

    `disposition` is "inline" or "attachment". Raises `FieldError` for what is no subtype or disposition.
    """
    _check_type(f"text/{subtype}")
    _check_type(f"{disposition or 'inline'}/x")
    octets = _crlf(text).encode("utf-8", "replace")
    encoding, body = _encoded(octets)
    charset = "us-ascii" if octets.isascii() else "utf-8"
    lines = [f"Content-Type: text/{subtype}; charset={charset}"]
    if disposition is not None:
        lines.append(f"Content-Disposition: {disposition}")
    lines.append(f"Content-Transfer-Encoding: {encoding}")
    return "\r\n".join(lines).encode("ascii") + b"\r\n\r\n" + body


def attachment(octets: bytes, filename: str, content_type: str = "application/octet-stream") -> bytes:
    """A file as a part, in base64; its name in the form of RFC 2231 where it needs that.

    Raises `FieldError` for what is no content type.
    """
    _check_type(content_type)
    header = (
        f"Content-Type: {content_type}\r\n"
        f"Content-Disposition: attachment{write_parameter('filename', filename)}\r\n"
        "Content-Transfer-Encoding: base64\r\n\r\n"
    )
    return header.encode("ascii") + to_base64(octets)


def _check_type(text: str) -> None:
    if not _TYPE.match(text):
        raise FieldError(f"{text[:60]!r} cannot stand in a field of MIME")


def text_field(name: str, text: str) -> bytes:
    """An unstructured field with CRLF at its end: words folded at 78 characters, encoded where they are not ASCII.

    Raises `FieldError` for a name that is none, and for control characters.
    """
    if not _FIELD_NAME.match(name):
        raise FieldError(f"{name[:60]!r} is not a field name")
    if _CONTROL.search(text):
        raise FieldError(f"the value of {name} contains control characters")
    if len(name) + len(text) < 76 and text.isascii() and "=?" not in text and text.strip() == text:
        return f"{name}: {text}\r\n".encode("ascii")
    encoded = encode_words(text, first_room=76 - len(name))
    lines = [f"{name}:"]
    for word in encoded.replace("\r\n", "").split(" "):
        if len(lines[-1]) + 1 + len(word) > 78 and lines[-1].strip() and word and lines[-1] != f"{name}:":
            lines.append("")
        lines[-1] += f" {word}"
    raw = ("\r\n".join(lines) + "\r\n").encode("ascii")
    if len(max(lines, key=len)) > 998:
        raise FieldError(f"the value of {name} is longer than a line may be (RFC 5322 §2.1.1)")
    return raw


def append_text(draft: Draft, part: Part, text: str, *, max_octets: int = _LARGEST_TEXT) -> None:
    """Put text on new lines behind a text part's own, in HTML before the end of its body; `text` is then HTML too.

    The part keeps its charset and encoding where they can hold the text, else it becomes UTF-8. Signatures over it
    break: whoever adds a footer signs anew. Raises `MessageError` for a part that is no text, cannot be decoded, or has
    been replaced, `MessageLimit` for one of more than `max_octets`.
    """
    kind = part.content_type
    if kind.type != "text" or not kind.subtype.isascii() or part.encoding is TransferEncoding.UNKNOWN:
        raise MessageError(f"no text can be added to {kind.value}")
    if draft.is_replaced(part):
        raise MessageError("the part has been replaced already")
    content = part.content(max_octets=max_octets)
    charset = kind.charset or "us-ascii"
    codec = codec_of(charset)
    if codec is None:
        raise MessageError(f"no text can be added to a text in the charset {charset[:40]!r}")
    try:
        added = _crlf(text).encode(codec) if codec not in _NOT_APPENDABLE else None
    except UnicodeEncodeError:
        added = None
    if added is not None:
        place, added = _place(content, added, kind)
        if not part.encoding.encodes and (added.isascii() or part.encoding is not TransferEncoding.SEVEN_BIT):
            draft.replace(part.body_start + place, part.body_start + place, added)
            return
        whole = content[:place] + added + content[place:]
        if part.encoding.encodes:
            draft.replace_body(ENCODERS[part.encoding](whole), part)
        else:
            _recode(draft, part, whole, charset)
        return
    try:
        decoded = content.decode(codec)
    except UnicodeError:
        raise MessageError(f"the text is not in its charset {charset[:40]!r}") from None
    content = decoded.encode("utf-8", "replace")
    place, added = _place(content, _crlf(text).encode("utf-8", "replace"), kind)
    _recode(draft, part, content[:place] + added + content[place:], "utf-8")


def _place(content: bytes, added: bytes, kind: ContentType) -> tuple[int, bytes]:
    """Where to put it, and what: on a new line behind the content, or before the end of an HTML body."""
    place = content.lower().rfind(b"</body") if kind.subtype == "html" else -1
    if place >= 0:
        return place, added
    return len(content), added if not content or content.endswith(b"\n") else b"\r\n" + added


def _recode(draft: Draft, part: Part, content: bytes, charset: str) -> None:
    encoding, body = _encoded(content)
    kind = part.content_type
    parameters = {**kind.parameters, "charset": charset}
    written = "".join(write_parameter(name, value) for name, value in parameters.items() if _ATTRIBUTE.match(name))
    draft.set_field(part, f"Content-Type: {kind.value}{written}\r\n".encode("ascii"))
    draft.set_field(part, f"Content-Transfer-Encoding: {encoding}\r\n".encode("ascii"))
    draft.replace_body(body, part)


def _encoded(octets: bytes) -> tuple[TransferEncoding, bytes]:
    if octets.isascii() and b"\0" not in octets and _short_lines(octets):
        return TransferEncoding.SEVEN_BIT, octets
    if sum(octet > 126 for octet in octets[:10_000]) * 4 > len(octets[:10_000]):
        return TransferEncoding.BASE64, to_base64(octets)
    return TransferEncoding.QUOTED_PRINTABLE, to_quoted_printable(octets)


def _short_lines(octets: bytes) -> bool:
    lines = octets.split(b"\r\n")
    return all(len(line) <= 998 and b"\n" not in line and b"\r" not in line for line in lines)


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
