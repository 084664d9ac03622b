"""Reads structured field bodies as they come: words, quoted strings, comments, folding (RFC 5322 §3.2).

Never fails: what is broken is named in `defects`, and reading goes on behind it. Each character is looked at a bounded
number of times.
"""

from __future__ import annotations

import re

_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SPACE = re.compile(r"[ \t\r\n]*")
_IN_QUOTES = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_IN_COMMENT = re.compile(r"[^()\\]*(?:\\.[^()\\]*)*", re.DOTALL)
_PLAIN = {stops: re.compile(rf"[^ \t\r\n(\"{re.escape(stops)}]+") for stops in (";", ";=", ";=.", ";=/")}


class Scanner:
    """A place in a text, and what was noticed on the way there."""

    __slots__ = ("comments", "defects", "place", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.comments: list[str] = []
        self.defects: list[str] = []

    @property
    def ahead(self) -> str:
        """The next character, "" at the end."""
        return self.text[self.place : self.place + 1]

    def skip(self) -> None:
        """Pass over white space and comments (CFWS)."""
        while True:
            self.place = _SPACE.match(self.text, self.place).end()  # type: ignore[union-attr]
            if self.ahead != "(":
                return
            self._comment()

    def take(self, character: str) -> bool:
        """Pass over white space, comments and the character, if that is what comes."""
        self.skip()
        if self.ahead != character:
            return False
        self.place += 1
        return True

    def word(self, stops: str) -> str:
        """Everything up to white space, a comment or one of `stops`.

        One quoted string alone gives its content; quoted strings among other characters stay as they are, so that
        `"a b"@example.org` is the mailbox it was.
        """
        pieces: list[str] = []
        content: str | None = None
        while (character := self.ahead) and character not in stops and character not in " \t\r\n(":
            if character == '"':
                raw, content = self._quoted()
                pieces.append(raw)
            else:
                match = _PLAIN[stops].match(self.text, self.place)
                assert match is not None
                pieces.append(match[0])
                self.place = match.end()
        return content if content is not None and len(pieces) == 1 else "".join(pieces)

    def pass_to(self, character: str) -> None:
        """Pass over everything before the character, comments and quoted strings as wholes."""
        while self.ahead and self.ahead != character:
            if not self.word(";"):
                self.skip()

    def _quoted(self) -> tuple[str, str]:
        """(as written, content)."""
        begin = self.place
        end = _IN_QUOTES.match(self.text, begin + 1).end()  # type: ignore[union-attr]
        if self.text[end : end + 1] != '"':
            self.defects.append("a quoted string has no end")
            self.place = len(self.text)
            return self.text[begin:], self.text[begin + 1 :]
        self.place = end + 1
        return self.text[begin : self.place], _PAIR.sub(r"\1", self.text[begin + 1 : end])

    def _comment(self) -> None:
        begin = self.place + 1
        depth, place = 1, begin
        while depth:
            place = _IN_COMMENT.match(self.text, place).end()  # type: ignore[union-attr]
            character = self.text[place : place + 1]
            if character not in ("(", ")"):
                self.defects.append("a comment has no end")
                self.place = len(self.text)
                return
            depth += 1 if character == "(" else -1
            place += 1
        self.place = place
        self.comments.append(_PAIR.sub(r"\1", self.text[begin : place - 1]).strip())
