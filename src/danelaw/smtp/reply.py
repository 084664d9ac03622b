"""Replies: three digits, perhaps an enhanced code, and words (RFC 5321 §4.2, RFC 2034)."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.smtp.status import EnhancedStatusCode

# What must not reach the wire inside a reply line: anything that could end it or move a terminal's cursor.
_UNSAFE = dict.fromkeys((*range(32), *range(127, 160), 8232, 8233), "?")
_TEXT_OCTETS = 480  # RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets with code and CRLF


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's answer. `text` may hold several lines, separated by a line feed.

    `enhanced` is None where RFC 2034 §4 gives none: the greeting, HELO and EHLO, and 354.
    """

    code: int
    enhanced: EnhancedStatusCode | None
    text: str

    @classmethod
    def of(cls, code: int, enhanced: str | None, text: str) -> Reply:
        """Write a reply with its enhanced code as text: `Reply.of(250, "2.1.0", "Ok")`."""
        return cls(code, None if enhanced is None else EnhancedStatusCode.from_text(enhanced), text)

    @property
    def is_positive(self) -> bool:
        """2yz and 3yz."""
        return self.code < 400

    @property
    def is_temporary(self) -> bool:
        """4yz: the same may work later."""
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        """5yz: the same will not work later."""
        return self.code >= 500

    @property
    def lines(self) -> tuple[str, ...]:
        """The text, line by line; at least one."""
        return tuple(self.text.split("\n"))

    def to_wire(self) -> bytes:
        """All lines with code, enhanced code and CRLF.

        Control characters become `?`; text beyond the octets a reply line may have is cut. Non-ASCII text goes out as
        UTF-8, which RFC 6531 §3.7.4.1 permits only inside an SMTPUTF8 transaction: the caller's words decide.
        """
        prefix = "" if self.enhanced is None else f"{self.enhanced} "
        text = self.text
        if "\n" not in text and len(text) < 120 and text.isprintable():
            return f"{self.code} {prefix}{text}\r\n".encode()
        *first, last = [prefix.encode() + _safe(line) for line in text.split("\n")]
        return b"".join([*(b"%d-%b\r\n" % (self.code, line) for line in first), b"%d %b\r\n" % (self.code, last)])

    def to_text(self) -> str:
        """One line for logs and people: `550 5.1.1 No such user`."""
        words = " ".join(self.text.split())
        return f"{self.code} {words}" if self.enhanced is None else f"{self.code} {self.enhanced} {words}"

    def __str__(self) -> str:
        return self.to_text()


def _safe(line: str) -> bytes:
    octets = line.translate(_UNSAFE).encode("utf-8", "replace")
    if len(octets) > _TEXT_OCTETS:
        octets = octets[:_TEXT_OCTETS].decode("utf-8", "ignore").encode()
    return octets
