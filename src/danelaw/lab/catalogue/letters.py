"""Letters: every result of SPF with every one of DKIM under every kind of policy, and what forgers try."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import get_args

from danelaw.lab.letter import ORGANIZATIONS, SPF_RECORDS, STRANGER, ZONE, Act, DKIMWord, DMARCWord, Letter
from danelaw.lab.lettersigning import LetterKeys, sealed, signed
from danelaw.lab.sender import SPFWord

_HEADERS = "from:to:subject"
_OVERSIGNED = "from:from:to:to:subject:subject"
_LONG_AGO = "1500000000"
_AUTHOR = f"joe@reject.{ZONE}"
_FORGER = f"x@stranger.{ZONE}"

# Tags for the result of RFC 8601 §2.7.1; None: no signature.
_SIGNATURES: Mapping[DKIMWord, Mapping[str, str] | None] = {
    "none": None,
    "pass": {},
    "fail": {"bh": "A" * 43 + "="},
    "policy": {"t": _LONG_AGO, "x": "1500086400"},
    "neutral": {"q": "carrier/pigeon"},
    "temperror": {"s": "down"},
    "permerror": {"s": "absent"},
}
_ACTS: Mapping[str, Act] = {"reject": "refuse", "strict": "refuse", "quarantine": "quarantine", "tests": "quarantine"}


def text(*fields: str, body: str = "Tea at five?\r\n") -> bytes:
    """A message; `fields` come first."""
    return "\r\n".join([*fields, "To: anna@inside.lab", "Subject: tea", "", body]).encode()


def _combination(spf: SPFWord, dkim: DKIMWord, organization: str) -> Letter:
    domain = f"{organization}.{ZONE}"
    tags = _SIGNATURES[dkim]

    def write(keys: LetterKeys) -> bytes:
        octets = text(f"From: Joe <joe@{domain}>")
        return octets if tags is None else signed(octets, keys, "rsa", {"d": domain, "s": "rsa", "h": _HEADERS, **tags})

    dmarc = _dmarc(spf if organization != "strict" else "none", dkim, organization)
    return Letter(
        name=f"{organization}-spf-{spf}-dkim-{dkim}",
        trick="",
        write=write,
        mail_from=f"joe@{spf}.{domain}",
        spf=spf,
        dkim=() if tags is None else (dkim,),
        dmarc=dmarc,
        policy=_policy(organization),
        act=_ACTS.get(organization, "accept") if dmarc == "fail" else "accept",
    )


def _dmarc(spf: SPFWord, dkim: DKIMWord, organization: str) -> DMARCWord:
    """RFC 9989 §5.3: one aligned pass is enough, and what DNS left open might have been one."""
    fixed: dict[str, DMARCWord] = {"broken": "permerror", "silent": "none", "failing": "temperror"}
    if organization in fixed:
        return fixed[organization]
    if "pass" in (spf, dkim):
        return "pass"
    return "temperror" if "temperror" in (spf, dkim) else "fail"


def _policy(organization: str) -> str | None:
    published = {"watch": "none", "quarantine": "quarantine"}
    return None if organization in ("broken", "silent", "failing") else published.get(organization, "reject")


COMBINATIONS = tuple(
    _combination(spf, dkim, organization)
    for spf, dkim, organization in itertools.product(SPF_RECORDS, get_args(DKIMWord), ORGANIZATIONS)
)


def _forgery(name: str, trick: str, *fields: str, act: Act = "refuse", dmarc: DMARCWord = "fail") -> Letter:
    """A stranger, whose own SPF passes, writes in the name of an author who rejects forgeries."""
    return Letter(
        name=name,
        trick=trick,
        write=lambda keys: text(*fields),
        mail_from=_FORGER,
        client=STRANGER,
        dmarc=dmarc,
        policy="reject" if dmarc == "fail" else None,
        act=act,
        attack=True,
    )


def _unclear(name: str, trick: str, *fields: str) -> Letter:
    """The same, and readers may see different authors: no domain can stand behind it (RFC 9989 §5.3.1)."""
    return _forgery(name, trick, *fields, act="quarantine", dmarc="permerror")


_HEADERS_OF_FORGERS = (
    _forgery("forged-plain", "nothing but a name in From", f"From: Joe <{_AUTHOR}>"),
    _forgery("forged-group", "the author in a group", f"From: friends: {_AUTHOR};"),
    _forgery("forged-comment", "a comment within the domain", f"From: joe@reject(x).{ZONE}"),
    _forgery("forged-folding", "the address folded", f"From: <joe@\r\n reject.{ZONE}>"),
    _forgery("forged-route", "a source route in front", f"From: <@stranger.{ZONE}:{_AUTHOR}>"),
    _forgery("forged-second-author", "a second author of his own", f"From: {_FORGER}, {_AUTHOR}"),
    _forgery("forged-quoted-name", "his own address as display name", f'From: "{_FORGER}" <{_AUTHOR}>'),
    _forgery("forged-dot", "a final dot", f"From: {_AUTHOR}."),
    _forgery("forged-space", "white space before the colon", f"From : {_AUTHOR}"),
    _forgery("forged-behind-text", "behind a line that is no field", "X-A: b", "no field", f"From: {_AUTHOR}"),
    _forgery("forged-capitals", "capitals", f"FROM: JOE@REJECT.{ZONE.upper()}"),
    _unclear("forged-two-fields", "two From fields", f"From: {_FORGER}", f"From: {_AUTHOR}"),
    _unclear("forged-two-around-text", "two, a line between", f"From: {_FORGER}", "no field", f"From: {_AUTHOR}"),
    _unclear("forged-encoded-word", "the address in an encoded word", f"From: =?utf-8?q?joe=40reject=2E{ZONE}?="),
    _unclear("forged-two-brackets", "two addresses in brackets", f"From: <{_FORGER}> <{_AUTHOR}>"),
    _unclear("forged-two-at", "an address within an address", f"From: {_FORGER}@reject.{ZONE}"),
    _unclear("forged-open-comment", "a comment that never ends", f"From: {_FORGER} (<{_AUTHOR}>"),
    replace(
        _forgery("forged-list", "the traits of a list", f"From: {_AUTHOR}", f"List-Id: <tea.list.{ZONE}>"),
        act="quarantine",
    ),
    replace(
        _forgery("forged-subdomain", "a name that exists below the author's", f"From: joe@there.reject.{ZONE}"),
        policy="quarantine",
        act="quarantine",
    ),
    _forgery("forged-no-such-name", "a name that does not exist", f"From: joe@gone.reject.{ZONE}"),
)


def _signed(*, of: str = f"reject.{ZONE}", algorithm: str = "rsa", **tags: str) -> Callable[[LetterKeys], bytes]:
    chosen = {"d": of, "s": algorithm, "h": _HEADERS} | tags
    return lambda keys: signed(text(f"From: Joe <{_AUTHOR}>"), keys, algorithm, chosen)


def _changed(write: Callable[[LetterKeys], bytes], change: Callable[[bytes], bytes]) -> Callable[[LetterKeys], bytes]:
    return lambda keys: change(write(keys))


def _replayed(name: str, trick: str, write: Callable[[LetterKeys], bytes], dkim: DKIMWord, **more: object) -> Letter:
    """A letter with a signature, sent on by a stranger."""
    found = Letter(
        name=name,
        trick=trick,
        write=write,
        mail_from=_FORGER,
        client=STRANGER,
        dkim=(dkim,),
        dmarc="fail",
        act="refuse",
        attack=True,
    )
    return replace(found, **more)  # type: ignore[arg-type]


_REPLAYS = (
    _replayed(
        "sent-on", "unchanged: the signature still stands", _signed(), "pass", dmarc="pass", act="accept", attack=False
    ),
    _replayed(
        "sent-on-ed25519",
        "the same by Ed25519",
        _signed(algorithm="ed25519"),
        "pass",
        dmarc="pass",
        act="accept",
        attack=False,
    ),
    _replayed("replay-body", "another body", _changed(_signed(), lambda octets: octets + b"Bring money.\r\n"), "fail"),
    _replayed(
        "replay-length",
        "text behind what l= covers",
        _changed(_signed(l="14"), lambda octets: octets + b"Bring money.\r\n"),
        "pass",
    ),
    _replayed(
        "replay-subject",
        "a second Subject above an oversigned one",
        _changed(_signed(h=_OVERSIGNED), lambda octets: b"Subject: money\r\n" + octets),
        "fail",
    ),
    _replayed(
        "replay-author",
        "a second From above the signed one",
        _changed(_signed(), lambda octets: f"From: {_FORGER}\r\n".encode() + octets),
        "policy",
        dmarc="permerror",
        policy=None,
        act="quarantine",
    ),
    _replayed("replay-expired", "after its time", _signed(t=_LONG_AGO, x="1500086400"), "policy"),
    _replayed("replay-revoked", "the key is revoked", _signed(s="revoked"), "permerror"),
    _replayed("replay-testing", "the key is for tests only", _signed(s="testing"), "pass"),
    _replayed("signed-by-stranger", "signed by another domain", _signed(of=f"stranger.{ZONE}"), "pass"),
    _replayed("unsigned-author", "a signature that leaves From out", _signed(h="to:subject"), "permerror"),
)


def _list(name: str, trick: str, change: Callable[[bytes], bytes], count: int, **more: object) -> Letter:
    """A letter that went through lists, which changed its subject and sealed it."""

    def write(keys: LetterKeys) -> bytes:
        octets = _signed()(keys).replace(b"Subject: tea", b"Subject: [list] tea")
        for number in range(count):
            sealer = f"{('list', 'forwarder')[number % 2]}.{ZONE}"
            octets = sealed(octets, keys, sealer, f"dmarc=pass header.from=reject.{ZONE}", "pass" if number else "none")
        return change(octets)

    return _replayed(name, trick, write, "fail", **({"arc": "pass", "attack": False} | more))


_CHAINS = (
    _list("sealed", "changed by a list that seals, whom nobody trusts yet", lambda octets: octets, 1),
    _list("sealed-twice", "two sealers", lambda octets: octets, 2),
    _list(
        "sealed-broken", "the body changed after the seal", lambda octets: octets + b"x\r\n", 2, arc="fail", attack=True
    ),
    _list(
        "sealed-gap",
        "the first set taken out",
        lambda octets: octets.replace(b" i=1;", b" i=3;"),
        2,
        arc="fail",
        attack=True,
    ),
)

LETTERS: tuple[Letter, ...] = COMBINATIONS + _HEADERS_OF_FORGERS + _REPLAYS + _CHAINS
