"""The little of HTTP/1.1 that a filter's answer needs: one reply on one connection (RFC 9112 §4, §6, §7.1)."""

from __future__ import annotations

import re

from danelaw.filters.result import FilterError, plain

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: (.*))?\Z", re.ASCII)
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\Z", re.ASCII)
_UNSENDABLE = re.compile(r"[^\x20-\x7e\x80-\U0010ffff]")
LARGEST_HEAD = 32 * 1024
_MOST_FIELDS = 100


def field_line(name: str, value: str) -> bytes:
    """A field of a request; no value can break out of its line."""
    return f"{name}: {_UNSENDABLE.sub('?', value)}\r\n".encode("utf-8", "replace")


def reply_body(octets: bytes) -> bytes:
    """The body of a complete reply with status 200. Raises `FilterError` for anything else."""
    head, separator, rest = octets.partition(b"\r\n\r\n")
    if not separator:
        raise FilterError("it hangs up in the middle of an answer" if octets else "it hangs up without an answer")
    lines = head.split(b"\r\n")
    status = _STATUS.match(lines[0])
    if status is None or len(head) > LARGEST_HEAD or len(lines) > _MOST_FIELDS:
        raise FilterError(f"it answers {plain(lines[0].decode('utf-8', 'replace'), 60)!r}, which is no HTTP reply")
    if status[1] != b"200":
        words = plain((status[2] or b"").decode("utf-8", "replace"), 100)
        raise FilterError(f"it answers {status[1].decode()} {words}".rstrip())
    fields = _fields(lines[1:])
    if "content-encoding" in fields:
        raise FilterError("its answer is compressed, which nobody asked for")
    if fields.get("transfer-encoding", "").lower() == "chunked":
        return _dechunked(rest)
    length = fields.get("content-length")
    if length is None:
        return rest
    if not (length.isascii() and length.isdecimal() and len(length) < 12):
        raise FilterError("its answer has no usable length")
    if len(rest) < int(length):
        raise FilterError("it hangs up in the middle of an answer")
    return rest[: int(length)]


def is_whole(octets: bytes) -> bool:
    """Whether a reply that tells its length has come in full, so that nobody waits for the connection's end."""
    head, separator, _ = octets[: LARGEST_HEAD + 4].partition(b"\r\n\r\n")
    if not separator:
        return False
    fields = _fields(head.split(b"\r\n")[1:_MOST_FIELDS])
    length = fields.get("content-length", "")
    if length.isascii() and length.isdecimal() and len(length) < 12:
        return len(octets) - len(head) - 4 >= int(length)
    return False


def _fields(lines: list[bytes]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, _, value = line.partition(b":")
        found[name.strip().lower().decode("ascii", "replace")] = value.strip().decode("utf-8", "replace")
    return found


def _dechunked(rest: bytes) -> bytes:
    parts: list[bytes] = []
    position = 0
    while True:
        end = rest.find(b"\r\n", position, position + 1024)
        size = _CHUNK.match(rest[position:end]) if end >= 0 else None
        if size is None:
            raise FilterError("it hangs up in the middle of an answer")
        length = int(size[1], 16)
        start = end + 2
        if length == 0:
            return b"".join(parts)
        if rest[start + length : start + length + 2] != b"\r\n":
            raise FilterError("it hangs up in the middle of an answer")
        parts.append(rest[start : start + length])
        position = start + length + 2
