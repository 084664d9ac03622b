"""SMTP: how servers talk, and what the sender demands."""

from __future__ import annotations

from danelaw.lab.catalogue.base import OLD_KEY, clear, encrypted, sts, waits
from danelaw.lab.scenario import STS, Behaviour, Certificate, Fault, FaultKind, Host, Issuer, Scenario, StartTLS


def _talks(behaviour: Behaviour, tlsa: bool = True) -> tuple[Host, ...]:
    return (Host(behaviour=behaviour, tlsa=("3 1 1",) if tlsa else ()),)


def _no_tls(word: str, behaviour: Behaviour, why: str) -> tuple[Scenario, Scenario]:
    """The same broken TLS without and with a demand."""
    return (
        clear(word + ".lab", f"{why}; nobody asked for TLS", hosts=_talks(behaviour, False), rules=("opportunistic",)),
        waits(f"dane-{word}.lab", f"{why}; DNS demands TLS", hosts=_talks(behaviour), rules=("tls-missing",)),
    )


def _refuses(word: str, stage: str, reply: str, why: str) -> Scenario:
    behaviour = Behaviour(replies=((stage, reply),))
    if reply.startswith("4"):
        return waits(word + ".lab", why, level="dane", hosts=_talks(behaviour), rules=("smtp-reply",))
    return Scenario(
        domain=word + ".lab",
        outcome="returned",
        protection="nothing sent",
        why=why,
        hosts=_talks(behaviour),
        rules=("smtp-reply",),
    )


_TLS: tuple[Scenario, ...] = (
    *_no_tls("starttls-454", Behaviour(starttls=StartTLS.REFUSED), "STARTTLS was answered 454"),
    *_no_tls("starttls-554", Behaviour(starttls=StartTLS.REJECTED), "STARTTLS was answered 554"),
    *_no_tls("tls-garbage", Behaviour(starttls=StartTLS.GARBAGE), "after STARTTLS came no TLS"),
    *_no_tls("tls-closed", Behaviour(starttls=StartTLS.CLOSED), "after STARTTLS the connection was closed"),
    *_no_tls("helo-only", Behaviour(ehlo=False), "server knows only HELO"),
    *_no_tls("old-tls", Behaviour(old_tls=True), "server speaks TLS 1.0 only"),
    waits(
        "injected.lab",
        "bytes were slipped in before the handshake",
        attack=True,
        hosts=_talks(Behaviour(starttls=StartTLS.INJECTED)),
        rules=("tls-missing",),
        defects=("starttls-injection",),
    ),
)

_STAGES: tuple[Scenario, ...] = (
    _refuses("greylist", "RCPT", "451 4.7.1 greylisted, try again later", "recipient answered 451"),
    _refuses("no-such-user", "RCPT", "550 5.1.1 no such user", "recipient answered 550"),
    _refuses("sender-refused", "MAIL", "550 5.7.1 sender refused", "sender answered 550"),
    _refuses("mail-later", "MAIL", "452 4.3.1 no space", "sender answered 452"),
    _refuses("data-later", "DATA", "451 4.3.0 not now", "DATA answered 451"),
    _refuses("data-refused", "DATA", "554 5.5.1 not here", "DATA answered 554"),
    _refuses("content-refused", "DOT", "554 5.7.1 looks like spam", "message answered 554"),
    _refuses("content-later", "DOT", "451 4.3.0 filter is away", "message answered 451"),
    waits(
        "busy.lab",
        "server answers 421 at once",
        hosts=_talks(Behaviour(replies=(("GREETING", "421 4.3.2 too busy"),))),
        rules=("smtp-reply",),
    ),
    waits(
        "drops-after-dot.lab",
        "connection lost after the message was sent: it may arrive twice",
        level="dane",
        hosts=_talks(Behaviour(drop_at="DOT")),
        rules=("smtp-reply",),
    ),
    waits(
        "accepts-and-closes.lab",
        "server accepts connections and closes them",
        hosts=_talks(Behaviour(drop_at="CONNECT")),
        rules=("smtp-reach",),
    ),
    waits("dead.lab", "no server answers", hosts=(Host(v4="dead"),), rules=("smtp-reach",)),
    Scenario(
        domain="some-refused.lab",
        why="server's key is the one in signed DNS; nobody@ was refused",
        hosts=_talks(Behaviour(recipients=(("nobody", "550 5.1.1 no such user"), ("later", "451 4.7.1 later")))),
        rules=("smtp-reply",),
    ),
    Scenario(domain="slow.lab", hosts=_talks(Behaviour(greeting_delay=0.7)), rules=("smtp-reach",)),
    Scenario(domain="ipv6.lab", publishes="TLSA, IPv6 only", hosts=(Host(v4="", v6="up"),), rules=("smtp-reach",)),
    Scenario(
        domain="ipv6-broken.lab",
        publishes="TLSA, IPv6 dead",
        hosts=(Host(v4="up", v6="dead"),),
        rules=("smtp-reach",),
        defects=("one-mx-dead",),
    ),
    Scenario(
        domain="bare.lab",
        why="server's key is the one in signed DNS; no extension but STARTTLS",
        hosts=_talks(Behaviour(offers=())),
        rules=("smtp-extensions",),
    ),
    Scenario(
        domain="no-smtputf8.lab",
        hosts=_talks(Behaviour(offers=("PIPELINING", "8BITMIME", "SIZE 52428800", "DSN"))),
        rules=("smtp-extensions",),
    ),
    Scenario(
        domain="no-8bitmime.lab",
        hosts=_talks(Behaviour(offers=("PIPELINING", "SIZE 52428800", "DSN"))),
        rules=("smtp-extensions",),
    ),
)

_REQUIRETLS = Behaviour(requiretls=True)
_DEMANDS: tuple[Scenario, ...] = (
    Scenario(
        domain="requiretls.lab",
        publishes="TLSA, REQUIRETLS",
        demand="requiretls",
        hosts=_talks(_REQUIRETLS),
        rules=("requiretls",),
    ),
    sts(
        "requiretls-sts.lab",
        publishes="MTA-STS, REQUIRETLS",
        demand="requiretls",
        hosts=_talks(_REQUIRETLS, False),
        sts=STS(),
        rules=("requiretls",),
    ),
    Scenario(
        domain="requiretls-missing.lab",
        outcome="returned",
        protection="nothing sent",
        why="sender requires REQUIRETLS; the server does not offer it",
        demand="requiretls",
        rules=("requiretls",),
        defects=("requiretls-dropped",),
    ),
    Scenario(
        domain="requiretls-unverified.lab",
        publishes="REQUIRETLS, no TLSA",
        outcome="returned",
        protection="nothing sent",
        level="encrypted",
        why="sender requires a verified server; nothing is published to verify it by",
        demand="requiretls",
        hosts=(Host(tlsa=(), behaviour=_REQUIRETLS, certificate=Certificate(issuer=Issuer.SELF)),),
        rules=("requiretls",),
    ),
    Scenario(
        domain="requiretls-pkix.lab",
        publishes="REQUIRETLS, no TLSA",
        protection="public CA (your setting)",
        level="encrypted",
        why="the sender's demand is met by a signed MX and a public CA (RFC 8689 §4.2.1)",
        demand="requiretls",
        hosts=_talks(_REQUIRETLS, False),
        rules=("requiretls",),
    ),
    waits(
        "requiretls-txt-servfail.lab",
        "whether a policy covers the unsigned MX cannot be looked up",
        publishes="MTA-STS, TXT fails",
        level="encrypted",
        demand="requiretls",
        signed=False,
        hosts=_talks(_REQUIRETLS, False),
        sts=STS(),
        faults=(Fault(kind=FaultKind.SERVFAIL, name="_mta-sts", types=("TXT",)),),
        rules=("requiretls",),
    ),
    waits(
        "requiretls-dead.lab",
        "no server answers",
        demand="requiretls",
        hosts=(Host(v4="dead", behaviour=_REQUIRETLS),),
        rules=("requiretls",),
    ),
    encrypted(
        "tls-required-no.lab",
        "key is not the one in DNS, but the sender waived protection",
        publishes="TLSA 3 1 1, old",
        level="waits",
        demand="tls-required-no",
        hosts=(OLD_KEY,),
        rules=("tls-required-no",),
    ),
)

SMTP: tuple[Scenario, ...] = _TLS + _STAGES + _DEMANDS
