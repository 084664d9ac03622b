"""`danelaw auth` and DMARC: every form of record, the walk up the tree, alignment, and DNS that fails (RFC 9989)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.authentication.plain_dns import SERVFAIL, SILENT, Zone, judged, serving

# The record of <name>.dm; result and policy when nothing authenticates the message; what is done by default.
RECORDS: dict[str, tuple[str, str, str | None, str]] = {
    "none": ("v=DMARC1; p=none", "fail", "none", "accept"),
    "quarantine": ("v=DMARC1; p=quarantine", "fail", "quarantine", "quarantine"),
    "reject": ("v=DMARC1; p=reject", "fail", "reject", "refuse"),
    # §4.7: t=y leaves one level less, and the policy is as published
    "reject-t": ("v=DMARC1; p=reject; t=y", "fail", "reject", "quarantine"),
    "quarantine-t": ("v=DMARC1; p=quarantine; t=y", "fail", "quarantine", "accept"),
    "t-wrong": ("v=DMARC1; p=reject; t=x", "fail", "reject", "refuse"),
    # §9.3, appendix A.6: historic tags have no effect
    "pct": ("v=DMARC1; p=reject; pct=0; ri=1; rf=x", "fail", "reject", "refuse"),
    "unknown": ("v=DMARC1; p=reject; foo=bar", "fail", "reject", "refuse"),
    "fo": ("v=DMARC1; p=reject; fo=1:d:s; ruf=mailto:a@b.test", "fail", "reject", "refuse"),
    "alignment-wrong": ("v=DMARC1; p=reject; adkim=x; aspf=q", "fail", "reject", "refuse"),
    "psd-wrong": ("v=DMARC1; p=reject; psd=x", "fail", "reject", "refuse"),
    # §4.8: white space, order, capitals
    "spaced": ("v = DMARC1 ; p = reject ;", "fail", "reject", "refuse"),
    "p-last": ("v=DMARC1; rua=mailto:a@b.test; p=reject", "fail", "reject", "refuse"),
    "capitals": ("v=DMARC1; P=REJECT", "fail", "reject", "refuse"),
    "two-semicolons": ("v=DMARC1; p=reject;;", "fail", "reject", "refuse"),
    # §4.10.1, step 7 and what follows it: a broken policy with rua= counts as p=none, without it nothing is done
    "broken-rua": ("v=DMARC1; p=foo; rua=mailto:a@b.test", "fail", "none", "accept"),
    "absent-rua": ("v=DMARC1; rua=mailto:a@b.test", "fail", "none", "accept"),
    "sp-broken-rua": ("v=DMARC1; p=reject; sp=foo; rua=mailto:a@b.test", "fail", "none", "accept"),
    "broken": ("v=DMARC1; p=foo", "permerror", None, "accept"),
    "sp-broken": ("v=DMARC1; p=reject; sp=foo", "permerror", None, "accept"),
    "empty": ("v=DMARC1; p=", "permerror", None, "accept"),
    "twice": ("v=DMARC1; p=reject; p=none", "permerror", None, "accept"),
    "version-only": ("v=DMARC1", "none", None, "accept"),
    "sp-only": ("v=DMARC1; sp=reject", "none", None, "accept"),
    # §4.10: what does not begin with the version is no record
    "version-small": ("v=dmarc1; p=reject", "none", None, "accept"),
    "version-two": ("v=DMARC2; p=reject", "none", None, "accept"),
    "no-semicolon": ("v=DMARC1 p=reject", "none", None, "accept"),
    "comma": ("v=DMARC1, p=reject", "none", None, "accept"),
    "space-first": (" v=DMARC1; p=reject", "none", None, "accept"),
    "spf": ("v=spf1 -all", "none", None, "accept"),
}
MORE = """
_dmarc.two.dm TXT "v=DMARC1; p=reject"
_dmarc.two.dm TXT "v=DMARC1; p=none"
_dmarc.among.dm TXT "v=DMARC1; p=reject"
_dmarc.among.dm TXT "something else"
_dmarc.alias.dm CNAME _dmarc.reject.dm.
_dmarc.split.dm TXT "v=DMARC1; p=re" "ject"
strict.dm TXT "v=spf1 ip4:192.0.2.0/24 -all"
sub.strict.dm TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.strict.dm TXT "v=DMARC1; p=reject; aspf=s"
relaxed.dm TXT "v=spf1 ip4:192.0.2.0/24 -all"
sub.relaxed.dm TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.relaxed.dm TXT "v=DMARC1; p=none; sp=quarantine; np=reject"
suffix TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.suffix TXT "v=DMARC1; p=reject; psd=y; sp=quarantine"
one.suffix TXT "v=spf1 ip4:192.0.2.0/24 -all"
a.one.suffix TXT "v=spf1 ip4:192.0.2.0/24 -all"
two.suffix TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.own.suffix TXT "v=DMARC1; p=reject; psd=n"
a.own.suffix TXT "v=spf1 ip4:192.0.2.0/24 -all"
own.suffix TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc.deep.dm TXT "v=DMARC1; p=reject; sp=quarantine"
a.deep.dm TXT "v=spf1 ip4:192.0.2.0/24 -all"
down.dm TXT "v=spf1 ip4:192.0.2.0/24 -all"
"""


@pytest.fixture(scope="module")
def zone() -> Zone:
    lines = [f'_dmarc.{name}.dm TXT "{record}"' for name, (record, *_) in RECORDS.items()]
    broken = {("_dmarc.down.dm", "*"): SERVFAIL, ("_dmarc.mute.dm", "*"): SILENT}
    return Zone("\n".join([MORE, *lines]), broken)


@pytest.fixture(scope="module")
def server(zone: Zone) -> Iterator[str]:
    with serving(zone) as address:
        yield address


def message(author: str) -> bytes:
    return f"From: Joe <joe@{author}>\r\nTo: a@b.example\r\n\r\nHello\r\n".encode()


def dmarc(server: str, author: str, mail_from: str = "x@nobody.example") -> tuple[str, str | None, str, str]:
    """Result, policy, domain, and what would be done."""
    said = judged(message(author), server, mail_from=mail_from)
    found = said["dmarc"]
    return found["result"], found["policy"], found["domain"], said["decision"]["action"]


@pytest.mark.parametrize("name", list(RECORDS))
def test_records(server: str, name: str) -> None:
    _, result, policy, action = RECORDS[name]
    assert dmarc(server, f"{name}.dm") == (result, policy, f"{name}.dm", action)


@pytest.mark.parametrize(
    ("author", "result", "policy"),
    [
        ("two.dm", "none", None),  # §4.10, step 6: of several none counts
        ("among.dm", "fail", "reject"),
        ("alias.dm", "fail", "reject"),
        ("split.dm", "fail", "reject"),  # §4.5
        # §4.7: sp= for those that exist below, np= for those that do not
        ("sub.relaxed.dm", "fail", "quarantine"),
        ("gone.relaxed.dm", "fail", "reject"),
        ("a.b.sub.relaxed.dm", "fail", "reject"),
        # §4.10.1: psd=y speaks for what lies below where that has no record
        ("suffix", "fail", "reject"),
        ("one.suffix", "fail", "quarantine"),
        ("a.b.c.suffix", "fail", "quarantine"),
        ("own.suffix", "fail", "reject"),
        ("a.own.suffix", "fail", "reject"),
        ("a.deep.dm", "fail", "quarantine"),
        ("1.2.3.4.5.6.7.8.9.deep.dm", "fail", "quarantine"),
        ("nobody.example", "none", None),
        # §5.3.6 and §4.10: no answer is not no record
        ("down.dm", "temperror", None),
        ("a.down.dm", "temperror", None),
        ("mute.dm", "temperror", None),
    ],
)
def test_discovery(server: str, author: str, result: str, policy: str | None) -> None:
    assert dmarc(server, author)[:3] == (result, policy, author)


@pytest.mark.parametrize(
    ("author", "mail_from", "result"),
    [
        # §4.4: strict is the same name, relaxed the same Organizational Domain
        ("strict.dm", "a@strict.dm", "pass"),
        ("strict.dm", "a@sub.strict.dm", "fail"),
        ("sub.strict.dm", "a@strict.dm", "fail"),
        ("sub.strict.dm", "a@sub.strict.dm", "pass"),
        ("relaxed.dm", "a@sub.relaxed.dm", "pass"),
        ("sub.relaxed.dm", "a@relaxed.dm", "pass"),
        ("sub.relaxed.dm", "a@strict.dm", "fail"),
        # §4.10.2: below a public suffix each name is an organization of its own, with all below it
        ("one.suffix", "a@a.one.suffix", "pass"),
        ("a.one.suffix", "a@one.suffix", "pass"),
        ("one.suffix", "a@two.suffix", "fail"),
        ("suffix", "a@one.suffix", "fail"),
        ("one.suffix", "a@suffix", "fail"),
        ("suffix", "a@suffix", "fail"),  # SPF knows no name of one label (RFC 7208 §4.3)
        ("own.suffix", "a@a.own.suffix", "pass"),
        ("a.own.suffix", "a@own.suffix", "pass"),
        ("own.suffix", "a@one.suffix", "fail"),
        ("down.dm", "a@down.dm", "temperror"),
        # the HELO identity counts only through the null reverse-path (§4.4.2)
        ("relaxed.dm", "", "fail"),
    ],
)
def test_alignment(server: str, author: str, mail_from: str, result: str) -> None:
    assert dmarc(server, author, mail_from)[0] == result


def test_a_walk_asks_eight_questions_at_most(server: str, zone: Zone) -> None:
    """§4.10: a long name is asked about itself, then about its last seven labels."""
    zone.asked.clear()
    dmarc(server, "a.b.c.d.e.f.g.h.i.j.k.l.m.deep.dm")
    asked = {one.removesuffix(" TXT") for one in zone.asked if one.startswith("_dmarc.") and "nobody" not in one}
    below = ("i.j.k.l.m", "j.k.l.m", "k.l.m", "l.m", "m")
    names = {f"_dmarc.{name}.deep.dm" for name in ("a.b.c.d.e.f.g.h.i.j.k.l.m", *below)}
    assert asked == names | {"_dmarc.deep.dm", "_dmarc.dm"}
