"""A trust group in the lab: Trusted Email Services with its root, masters, members good and bad, and their letters.

Outcomes are those of a gateway with `[[trust_group]] profile = "tes"`. They are no part of the usual catalogue, whose
destinations are declared for a gateway without groups: `Lab(trust_members(keys), senders=TRUST_MASTERS)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from danelaw.lab.lettersigning import LetterKeys, signed
from danelaw.lab.scenario import Attack, Behaviour, Fault, FaultKind, Host, Scenario, StartTLS
from danelaw.lab.sender import Sender

TES_ROOT = "trusted-email-services.com"
TRUST_SECTION = '[[trust_group]]\nname = "tes"\nprofile = "tes"\n'
"""The group as a configuration has it; it needs `[authentication] enabled = true`."""
_LISTED = '"member"'
_HEADERS = "from:to:subject"

TRUST_MASTERS: tuple[Sender, ...] = (
    Sender(domain=TES_ROOT, publishes="the list of masters", records=(f"vouch.lab.tes-member TXT {_LISTED}",
           f"cracked.lab.tes-member TXT {_LISTED}", f"naked.unsigned.tes-member TXT {_LISTED}")),
    Sender(
        domain="vouch.lab",
        publishes="a master's list of members",
        records=tuple(
            f"{name}.tes-member TXT {_LISTED}"
            for name in ("good.lab", "bare.lab", "stripped-member.lab", "plain-member.unsigned", "deaf.unsigned")
        ),
    ),
    Sender(domain="rogue.lab", publishes="a master the root does not know",
           records=(f"friend.lab.tes-member TXT {_LISTED}",)),
    Sender(domain="naked.unsigned", signed=False, publishes="a master whose zone is not signed",
           records=(f"believer.lab.tes-member TXT {_LISTED}",)),
    Sender(
        domain="cracked.lab",
        publishes="a master whose signatures do not verify",
        records=(f"victim.lab.tes-member TXT {_LISTED}",),
        faults=(Fault(kind=FaultKind.CORRUPT_SIGNATURES, name="victim.lab.tes-member", types=("TXT",)),),
    ),
)  # fmt: skip


def _member(domain: str, master: str, keys: LetterKeys, **path: object) -> Scenario:
    alias = () if not master else (f"tes-master CNAME {master}.",)
    records = (*alias, *_published(keys))
    return Scenario(**{"domain": domain, "records": records, "why": "server's key is the one in signed DNS"} | path)  # type: ignore[arg-type]


def _published(keys: LetterKeys) -> tuple[str, ...]:
    """What a domain needs to be an author: DKIM key, DMARC record, SPF for the lab's clients."""
    text = f"v=DKIM1; {keys.records()['rsa']}"
    strings = " ".join(f'"{text[start : start + 200]}"' for start in range(0, len(text), 200))
    return (
        f"rsa._domainkey TXT {strings}",
        '_dmarc TXT "v=DMARC1; p=none"',
        '@ TXT "v=spf1 ip4:127.0.0.0/8 -all"',
    )


def trust_members(keys: LetterKeys) -> tuple[Scenario, ...]:
    """The destinations; `keys` sign their letters."""
    waiting = {"outcome": "waiting", "protection": "nothing sent", "level": "waits"}
    encrypted = {"protection": "encrypted only", "level": "encrypted", "publishes": "no TLSA"}
    without = Host(tlsa=())
    return (
        _member("good.lab", "vouch.lab", keys, publishes="TLSA 3 1 1, member"),
        _member("bare.lab", "vouch.lab", keys, hosts=(without,), **waiting, publishes="no TLSA, member",
                why="mx.bare.lab publishes no TLSA record in signed DNS"),
        _member("stripped-member.lab", "vouch.lab", keys, hosts=(Host(attack=Attack.STRIP),), attack=True, **waiting,
                publishes="TLSA 3 1 1, member", why="server offers no STARTTLS"),
        _member("lapsed.lab", "vouch.lab", keys, hosts=(without,), **encrypted,
                why="its master lists it no more: not a member"),
        _member("friend.lab", "rogue.lab", keys, hosts=(without,), **encrypted,
                why="the root does not list its master: not a member"),
        _member("believer.lab", "naked.unsigned", keys, hosts=(without,), **encrypted,
                why="its master is not signed, which proves nothing: not a member"),
        _member("victim.lab", "cracked.lab", keys, **waiting, publishes="TLSA 3 1 1",
                why="whether it is a member cannot be known now"),
        _member("silent.lab", "", keys, **waiting, publishes="TLSA 3 1 1",
                faults=(Fault(kind=FaultKind.SERVFAIL, name="tes-master"),),
                why="whether it is a member cannot be known now"),
        _member("plain-member.unsigned", "vouch.lab", keys, signed=False, hosts=(without,), **encrypted,
                why="its own zone is not signed, which proves nothing: not a member"),
        _member("deaf.unsigned", "vouch.lab", keys, signed=False, hosts=(without,), **encrypted,
                faults=(Fault(kind=FaultKind.SERVFAIL, name="tes-master"),),
                why="its own zone is not signed, whatever its servers fail to say: not a member"),
        _member("stranger.lab", "", keys, hosts=(Host(tlsa=(), behaviour=Behaviour(starttls=StartTLS.ABSENT)),),
                publishes="nothing", protection="clear text", level="clear", why="not a member"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustLetter:
    """A message from outside by an author in `author`. `tls` says whether it comes inside TLS; `reply` is what the
    client is told to its end, and `status` what X-TES-Status says of it then, "" for what was not taken.
    """

    name: str
    author: str
    write: Callable[[LetterKeys], bytes]
    tls: bool = True
    reply: int = 250
    status: str = "member"


def _letter(author: str, *fields: str) -> bytes:
    lines = [*fields, f"From: Joe <joe@{author}>", "To: anna@inside.lab", "Subject: tea", "", "Tea at five?", ""]
    return "\r\n".join(lines).encode()


def _signed(author: str, *fields: str, by: str = "") -> Callable[[LetterKeys], bytes]:
    tags = {"d": by or author, "s": "rsa", "h": _HEADERS}
    return lambda keys: signed(_letter(author, *fields), keys, "rsa", tags)


def _spoiled(author: str) -> Callable[[LetterKeys], bytes]:
    write = _signed(author)
    return lambda keys: write(keys).replace(b"Tea at five?", b"Pay at five!")


def _two_authors(first: str, second: str) -> Callable[[LetterKeys], bytes]:
    tags = {"d": second, "s": "rsa", "h": _HEADERS}
    octets = _letter(first).replace(b"From: ", f"From: Eve <eve@{second}>, ".encode())
    return lambda keys: signed(octets, keys, "rsa", tags)


_BEHIND = b"\r\nno field\r\nX-TES-Status: member\r\n\r\n"

TRUST_LETTERS: tuple[TrustLetter, ...] = (
    TrustLetter(name="genuine", author="good.lab", write=_signed("good.lab")),
    TrustLetter(name="member-says-so-itself", author="good.lab", write=_signed("good.lab", "X-TES-Status: member")),
    TrustLetter(name="without-tls", author="good.lab", write=_signed("good.lab"), tls=False, reply=550, status=""),
    TrustLetter(name="unsigned", author="good.lab", write=lambda keys: _letter("good.lab"), reply=550, status=""),
    TrustLetter(name="spoiled", author="good.lab", write=_spoiled("good.lab"), reply=550, status=""),
    TrustLetter(name="signed-by-another", author="good.lab", write=_signed("good.lab", by="stranger.lab"),
                reply=550, status=""),
    TrustLetter(name="second-author", author="good.lab", write=_two_authors("good.lab", "stranger.lab"),
                reply=550, status=""),
    TrustLetter(name="stranger", author="stranger.lab", write=_signed("stranger.lab"), status="non-member"),
    TrustLetter(name="stranger-in-clear", author="stranger.lab", write=_signed("stranger.lab"), tls=False,
                status="non-member"),
    TrustLetter(name="stranger-poses", author="stranger.lab", status="non-member",
                write=_signed("stranger.lab", "X-TES-Status: member", "x-tes-STATUS :\r\n member")),
    TrustLetter(name="stranger-poses-behind-text", author="stranger.lab", status="non-member",
                write=lambda keys: _letter("stranger.lab").replace(b"\r\n\r\n", _BEHIND, 1)),
    TrustLetter(name="lapsed", author="lapsed.lab", write=_signed("lapsed.lab"), status="non-member"),
    TrustLetter(name="friend-of-a-rogue", author="friend.lab", write=_signed("friend.lab"), status="non-member"),
    TrustLetter(name="unsigned-zone", author="plain-member.unsigned", write=_signed("plain-member.unsigned"),
                status="non-member"),
    TrustLetter(name="bogus-membership", author="victim.lab", write=_signed("victim.lab"), reply=451, status=""),
    TrustLetter(name="silent-membership", author="silent.lab", write=_signed("silent.lab"), reply=451, status=""),
)  # fmt: skip
