"""The DKIM-Signature field (RFC 6376 §3.5, RFC 8463 §4.1, RFC 8616 §5)."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.dkim.canonical import Canonicalization
from danelaw.dkim.errors import DKIMError, TagListError
from danelaw.dkim.result import DKIMResult
from danelaw.dkim.taglist import TagList, fold

MAX_FIELD = 32768
MAX_HEADERS = 500

FIELD_NAME = b"DKIM-Signature"
REQUIRED = ("v", "a", "b", "bh", "d", "h", "s")

_ALGORITHM = re.compile(r"[A-Za-z][A-Za-z0-9]*-[A-Za-z][A-Za-z0-9]*\Z")
# ftext without the semicolon, which would have to be quoted.
_HEADER_NAMES = re.compile(r"[!-9<-~]+(?::[!-9<-~]+)*\Z")
_QUOTED = re.compile(r"=([0-9A-F]{2})")
_SAFE = re.compile(r"[^!-:<>-~\x80-\U0010ffff]")
_WSP = re.compile(r"[ \t]+")


class SignatureError(DKIMError):
    """A signature field cannot be used. `result` says how to report it; `domain` and `selector` as far as known."""

    def __init__(self, reason: str, result: DKIMResult = DKIMResult.PERMERROR) -> None:
        super().__init__(reason)
        self.result = result
        self.domain = ""
        self.selector = ""


@dataclass(frozen=True, slots=True)
class DKIMSignature:
    """What a signature field says. `algorithm` is a= as it stands; `headers` the names of h= in their order.

    `domain` is d= (SDID), `selector` s= in lower-case A-labels, `identity` i= decoded (AUID), None when left out.
    `length` is l= in octets; `timestamp` (t=) and `expiration` (x=) in POSIX seconds.
    """

    algorithm: str
    domain: Domain
    selector: str
    headers: tuple[str, ...]
    body_hash: bytes
    signature: bytes
    header_canonicalization: Canonicalization = Canonicalization.SIMPLE
    body_canonicalization: Canonicalization = Canonicalization.SIMPLE
    identity: str | None = None
    length: int | None = None
    query: tuple[str, ...] = ("dns/txt",)
    timestamp: int | None = None
    expiration: int | None = None

    @classmethod
    def from_bytes(cls, value: bytes) -> DKIMSignature:
        """Read the body of a DKIM-Signature field (what follows the colon), folded or not. Raises `SignatureError`."""
        try:
            tags = TagList.from_bytes(value, max_octets=MAX_FIELD)
        except TagListError as error:
            raise SignatureError(error.reason) from None
        try:
            require(tags, REQUIRED)
            if tags["v"] != "1":
                raise SignatureError(f"v= is {tags['v'][:20]!r}, and this implements version 1")
            found = cls.from_tags(tags)
            if not any(name.lower() == "from" for name in found.headers):
                raise SignatureError("h= does not name From, so the author is not signed")
            return found
        except DKIMError as error:
            raise _claimed(error, tags) from None

    @classmethod
    def from_tags(cls, tags: TagList, *, auid: bool = True) -> DKIMSignature:
        """Read all tags but v=; without `auid` i= is something else, as in ARC (RFC 8617 §4.1.2).

        Raises `SignatureError` or `TagListError`.
        """
        algorithm = _algorithm(tags)
        domain = signing_domain(tags)
        header_way, body_way = _canonicalizations(tags)
        timestamp = tags.number("t", 12) if "t" in tags else None
        expiration = tags.number("x", 12) if "x" in tags else None
        if timestamp is not None and expiration is not None and expiration <= timestamp:
            raise SignatureError("x=, the end of its validity, is not later than t=, the time of signing")
        body_hash = tags.octets("bh")
        if algorithm.endswith("-sha256") and len(body_hash) != 32:
            raise SignatureError(f"bh= holds {len(body_hash)} octets, and a SHA-256 hash has 32")
        return cls(
            algorithm=algorithm,
            domain=domain,
            selector=selector_of(tags),
            headers=_headers(tags),
            body_hash=body_hash,
            signature=tags.octets("b"),
            header_canonicalization=header_way,
            body_canonicalization=body_way,
            identity=_identity(tags["i"], domain) if auid and "i" in tags else None,
            length=tags.number("l", 76) if "l" in tags else None,
            query=_query(tags),
            timestamp=timestamp,
            expiration=expiration,
        )

    @property
    def identity_domain(self) -> Domain:
        """The domain of i=, that of d= when i= is left out (RFC 6376 §3.5)."""
        return self.domain if self.identity is None else Domain.from_text(self.identity.rpartition("@")[2])

    def to_text(self, first: str = "v=1", *, name: str = "DKIM-Signature", identity_tag: bool = True) -> str:
        """The field's body, folded into lines of at most 76 characters; b= comes last. `first` begins it."""
        tags = [first, f"a={self.algorithm}"]
        tags.append(f"c={self.header_canonicalization.value}/{self.body_canonicalization.value}")
        tags += [f"d={self.domain.ascii}", f"s={self.selector}"]
        if identity_tag and self.identity is not None:
            tags.append(f"i={_quoted(self.identity)}")
        if self.query != ("dns/txt",):
            tags.append("q=" + ":".join(self.query))
        for tag, number in (("t", self.timestamp), ("x", self.expiration), ("l", self.length)):
            if number is not None:
                tags.append(f"{tag}={number}")
        parts = [f" {tag};" for tag in tags]
        names = [*(f"{header}:" for header in self.headers[:-1]), f"{self.headers[-1]};"]
        parts += [f" h={names[0]}", *names[1:]]
        parts.append(f" bh={base64.b64encode(self.body_hash).decode('ascii')};")
        parts += [" b=", *_pieces(base64.b64encode(self.signature).decode("ascii"))]
        return fold(parts, first=len(name) + 1)


def require(tags: TagList, names: tuple[str, ...]) -> None:
    """Raises `SignatureError` when one of the tags is missing (RFC 6376 §6.1.1)."""
    missing = [f"{name}=" for name in names if name not in tags]
    if missing:
        raise SignatureError(f"the signature lacks {' and '.join(missing)}")


def signing_domain(tags: TagList) -> Domain:
    """d= (RFC 6376 §3.5): a domain name of two labels or more; U-labels are taken too (RFC 8616 §5).

    Raises `SignatureError`.
    """
    text = tags["d"]
    if "." not in text or text.endswith("."):
        raise SignatureError(f"d= is {text[:60]!r}, no domain name of two parts or more")
    try:
        return Domain.from_text(text)
    except DomainError as error:
        raise SignatureError(f"d=: {error.reason}") from None


def selector_of(tags: TagList) -> str:
    """s= in lower-case A-labels. Raises `SignatureError`."""
    text = tags["s"]
    if text.endswith("."):
        raise SignatureError("s= ends with a dot")
    try:
        return Domain.from_text(text).ascii
    except DomainError as error:
        raise SignatureError(f"s=: {error.reason}") from None


def _claimed(error: DKIMError, tags: TagList) -> SignatureError:
    found = error if isinstance(error, SignatureError) else SignatureError(error.reason)
    try:
        found.domain, found.selector = signing_domain(tags).ascii, selector_of(tags)
    except (KeyError, SignatureError):
        found.selector = ""
    return found


def _algorithm(tags: TagList) -> str:
    if not _ALGORITHM.match(tags["a"]):
        raise SignatureError(f"a= is {tags['a'][:40]!r}, no name of an algorithm")
    return tags["a"]


def _canonicalizations(tags: TagList) -> tuple[Canonicalization, Canonicalization]:
    """c=, with "simple" for what is left out (RFC 6376 §3.5)."""
    if "c" not in tags:
        return Canonicalization.SIMPLE, Canonicalization.SIMPLE
    header, slash, body = tags["c"].partition("/")
    try:
        return Canonicalization(header), Canonicalization(body) if slash else Canonicalization.SIMPLE
    except ValueError:
        pass
    reason = f"c= is {tags['c'][:40]!r}, and only simple and relaxed are known"
    # RFC 6376 §3.4: what is not known is ignored, what is no word at all is a mistake.
    words = re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*(?:/[A-Za-z][A-Za-z0-9-]*)?", tags["c"])
    raise SignatureError(reason, DKIMResult.NEUTRAL if words else DKIMResult.PERMERROR)


def _headers(tags: TagList) -> tuple[str, ...]:
    text = tags["h"]
    if " " in text or "\t" in text:
        text = ":".join([name.strip(" \t") for name in text.split(":")])
    names = tuple(text.split(":"))
    if len(names) > MAX_HEADERS:
        raise SignatureError(f"h= names more than {MAX_HEADERS} fields")
    if not _HEADER_NAMES.match(text):
        wrong = next(name for name in names if not _HEADER_NAMES.match(name))
        raise SignatureError(f"h= has {wrong[:40]!r} where the name of a field is expected")
    return names


def _query(tags: TagList) -> tuple[str, ...]:
    if "q" not in tags:
        return ("dns/txt",)
    methods = tuple(_WSP.sub("", method) for method in tags["q"].split(":"))
    if not all(methods):
        raise SignatureError("q= has nothing where a query method is expected")
    if "dns/txt" not in methods:
        raise SignatureError(f"q= is {tags['q'][:40]!r}, and keys are looked up by dns/txt only", DKIMResult.NEUTRAL)
    return methods


def _identity(text: str, domain: Domain) -> str:
    """i= decoded (RFC 6376 §2.11); its domain is d= or below it (§6.1.1)."""
    packed = _WSP.sub("", text)
    if "=" in _QUOTED.sub("", packed):
        raise SignatureError("i= has an equals sign that begins no quoted octet")
    try:
        octets = re.sub(rb"=([0-9A-F]{2})", lambda match: bytes.fromhex(match[1].decode()), packed.encode("utf-8"))
        decoded = octets.decode("utf-8")
    except UnicodeDecodeError:
        raise SignatureError("i= holds octets that are no UTF-8") from None
    if any(ord(character) < 32 or ord(character) == 127 for character in decoded):
        raise SignatureError("i= holds a control character")
    _, at, host = decoded.rpartition("@")
    if not at:
        raise SignatureError("i= has no @")
    try:
        found = Domain.from_text(host)
    except DomainError as error:
        raise SignatureError(f"i=: {error.reason}") from None
    if found != domain and not found.ascii.endswith("." + domain.ascii):
        raise SignatureError(f"i= is at {found}, which is neither {domain} (d=) nor below it")
    return decoded


def _quoted(identity: str) -> str:
    """dkim-quoted-printable (RFC 6376 §2.11); letters beyond ASCII stay (RFC 8616 §5)."""
    return _SAFE.sub(lambda match: f"={ord(match[0]):02X}", identity)


def _pieces(text: str) -> list[str]:
    return [text[start : start + 72] for start in range(0, len(text), 72)]
