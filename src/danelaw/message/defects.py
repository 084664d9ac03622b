"""What real mail does that RFC 5322 and MIME do not foresee, each oddity by its name.

A defect never stops reading: what is broken is named, once, and the octets stay as they are.
"""

from __future__ import annotations

from enum import StrEnum


class Defect(StrEnum):
    """One kind of oddity; the value is the sentence for people."""

    # Addresses (RFC 5322 §3.4)
    NO_ADDRESS = "something stands where an address should and is none"
    NO_DOMAIN = "an address has no domain"
    EMPTY_FIELD = "a field of addresses is empty"
    EMPTY_GROUP = "a group has no members"
    SPECIALS_IN_PHRASE = "a display name contains characters that only a quoted string may"
    ADDRESS_IN_PHRASE = "an unquoted display name contains an @"
    TEXT_AFTER_ADDRESS = "text follows an address in angle brackets"
    ADDRESSES_WITHOUT_COMMA = "two addresses stand without a comma between them"
    ANGLE_NOT_CLOSED = "an angle bracket is not closed"
    ANGLE_TWICE = "angle brackets stand twice or without partner"
    GROUP_NOT_CLOSED = "a group is not closed by a semicolon"
    SEMICOLON_AS_COMMA = "a semicolon separates addresses"
    DOTS_IN_LOCALPART = "a local-part has dots in a row or at an end"
    DOT_AFTER_DOMAIN = "a domain ends with a dot"
    ENCODED_WORD_IN_QUOTES = "an encoded word stands in a quoted string"
    ENCODED_SPECIALS = "an encoded word contains characters that would have to be encoded"
    TOO_MANY_ADDRESSES = "a field has more addresses than are read"
    FIELD_TOO_LONG = "a field is longer than is read"
    NO_FROM = "the message has no From field"
    SEVERAL_FROM = "the message has more than one From field"

    # Obsolete syntax, which RFC 5322 §4 tells receivers to accept
    ROUTE = "an address has a source route"
    SPACE_IN_ADDRESS = "white space or a comment stands between the parts of an address"
    DOT_IN_PHRASE = "a display name contains a dot outside a quoted string"
    EMPTY_ELEMENT = "a list of addresses has an empty element"
    WORDS_IN_LOCALPART = "a local-part mixes quoted strings and atoms"
    CONTROL_IN_TEXT = "a control character stands in a comment or a quoted string"

    # Words and characters
    COMMENT_NOT_CLOSED = "a comment is not closed"
    QUOTE_NOT_CLOSED = "a quoted string is not closed"
    CONTROL = "a control character stands where none may"
    LINE_END_IN_FIELD = "a line end inside a field is no folding"
    NOT_UTF8 = "octets above 127 are not UTF-8"

    # Headers and lines (RFC 5322 §2)
    MBOX_LINE = "a line of an mbox file stands on top"
    FIELD_WITHOUT_COLON = "a line among the fields has no colon"
    NO_EMPTY_LINE = "no empty line stands between header and body"
    SPACE_BEFORE_COLON = "white space stands before a field's colon"
    UTF8_IN_HEADER = "the header contains UTF-8"
    NUL = "an octet is zero"
    BARE_CR = "a CR is not followed by LF"
    BARE_LF = "an LF does not follow a CR"
    LONG_LINE = "a line is longer than 998 octets"
    HEADER_TOO_LONG = "the header is longer than is read"
    TOO_MANY_FIELDS = "the header has more fields than are read"

    # MIME (RFC 2045, 2046, 2183, 2231)
    BAD_CONTENT_TYPE = "Content-Type is not type/subtype"
    REPEATED_FIELD = "a field of MIME stands more than once"
    BAD_PARAMETER = "a parameter is not name=value"
    REPEATED_PARAMETER = "a parameter stands more than once"
    SPACE_IN_PARAMETER = "an unquoted parameter value contains white space or specials"
    NO_SEMICOLON = "no semicolon stands between two parameters"
    EMPTY_PARAMETER = "a semicolon separates nothing"
    BAD_EXTENDED_VALUE = "a value in the form of RFC 2231 is broken"
    MISSING_SECTION = "a continued parameter misses a section"
    ENCODED_WORD_IN_PARAMETER = "a parameter value is an encoded word"
    TOO_MANY_PARAMETERS = "a field has more parameters than are read"
    NO_BOUNDARY = "a multipart has no boundary parameter"
    BAD_BOUNDARY = "a boundary is longer than 70 characters or has characters it may not have"
    NO_DELIMITER = "a multipart's boundary occurs nowhere"
    NO_CLOSE_DELIMITER = "a multipart is not closed"
    TEXT_AFTER_BOUNDARY = "a line begins with the boundary and goes on"
    ENCODED_COMPOSITE = "a multipart or message is encoded, which it may not be"
    UNKNOWN_ENCODING = "the content transfer encoding is not known"
    UNKNOWN_CHARSET = "the charset is not known, or the octets are not of it"
    BAD_BASE64 = "base64 has strange characters, padding within, or no whole number of octets"
    BAD_QUOTED_PRINTABLE = "quoted-printable has an equals sign that encodes nothing"
    TOO_DEEP = "parts are nested deeper than is read"
    TOO_MANY_PARTS = "the message has more parts than are read"

    @property
    def obsolete(self) -> bool:
        """True for syntax that nobody may write and everybody must accept (RFC 5322 §4)."""
        return self in _OBSOLETE

    @property
    def ambiguous(self) -> bool:
        """True where two readers of the same field may see two different addresses."""
        return self in _AMBIGUOUS


_OBSOLETE = frozenset(
    {
        Defect.ROUTE,
        Defect.SPACE_IN_ADDRESS,
        Defect.DOT_IN_PHRASE,
        Defect.EMPTY_ELEMENT,
        Defect.WORDS_IN_LOCALPART,
        Defect.CONTROL_IN_TEXT,
        Defect.SPACE_BEFORE_COLON,
    }
)
_AMBIGUOUS = frozenset(
    {
        Defect.NO_ADDRESS,
        Defect.ADDRESS_IN_PHRASE,
        Defect.TEXT_AFTER_ADDRESS,
        Defect.ADDRESSES_WITHOUT_COMMA,
        Defect.ANGLE_NOT_CLOSED,
        Defect.ANGLE_TWICE,
        Defect.ENCODED_SPECIALS,
        Defect.TOO_MANY_ADDRESSES,
        Defect.FIELD_TOO_LONG,
        Defect.SEVERAL_FROM,
        Defect.ROUTE,
        Defect.COMMENT_NOT_CLOSED,
        Defect.QUOTE_NOT_CLOSED,
        Defect.CONTROL,
        Defect.LINE_END_IN_FIELD,
    }
)


class Defects(dict[Defect, None]):
    """The defects met so far, each once, in the order they were met."""

    def note(self, defect: Defect) -> None:
        """Add one."""
        self[defect] = None

    def seen(self) -> tuple[Defect, ...]:
        """What was noted."""
        return tuple(self)
