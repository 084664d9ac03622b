"""Made-up notices, one for each cause, for `danelaw notices show`: hosts, times and words as they occur."""

from __future__ import annotations

from danelaw.dsn import DSN, Action, Cause, Demander, DSNRecipient, HostTry

_KEYS = "key 7be1407c…9909 shown, 0d6f88a1…03c2 published"
# What a try found, the TLS version, who demanded protection.
_ON_THE_WAY: dict[Cause, tuple[str, str, Demander]] = {
    Cause.NO_TLS: ("server offers no STARTTLS", "", Demander.TLSA),
    Cause.BROKEN_TLS: ("TLS handshake failed: handshake failure", "", Demander.TLSA),
    Cause.OLD_TLS: ("TLSv1 is too old to prove anything (RFC 8996)", "TLSv1", Demander.STS),
    Cause.WRONG_KEY: (_KEYS, "TLSv1.3", Demander.TLSA),
    Cause.EXPIRED: ("the certificate expired 3 days ago", "TLSv1.3", Demander.STS),
    Cause.WRONG_NAME: ("the certificate names www.example.org", "TLSv1.3", Demander.STS),
    Cause.UNTRUSTED: ("no public CA vouches for the certificate", "TLSv1.3", Demander.STS),
    Cause.NOT_PINNED: ("key 7be1407c…9909 shown, which is not pinned", "TLSv1.3", Demander.OVERRIDE),
    Cause.BOGUS_DNS: ("MX answer lacks a valid signature", "", Demander.UNKNOWN),
    Cause.DNS_FAILED: ("MX look-up: no answer in 10 s", "", Demander.UNKNOWN),
    Cause.NOT_LISTED: ("mx1.example.org is not among the MX hosts of the policy", "", Demander.STS),
    Cause.DEMAND_UNMET: ("no signed TLSA record", "", Demander.DANE),
    Cause.NO_REQUIRETLS: ("server does not offer REQUIRETLS", "TLSv1.3", Demander.REQUIRETLS),
    Cause.NO_CONNECTION: ("no answer in 30 s", "", Demander.NOBODY),
    Cause.BROKE_OFF: ("the connection broke off: connection reset", "TLSv1.3", Demander.NOBODY),
    Cause.TURNED_AWAY: ("", "", Demander.NOBODY),
}
_REPLIES = {
    Cause.TURNED_AWAY: "554 5.7.1 no SMTP service for you",
    Cause.BAD_MAILBOX: "550 5.1.1 no such user",
    Cause.CLOSED_MAILBOX: "550 5.2.1 mailbox disabled",
    Cause.BAD_SENDER: "550 5.1.8 sender domain does not exist",
    Cause.QUOTA: "452 4.2.2 mailbox full",
    Cause.SPAM: "550 5.7.1 message looks like spam",
    Cause.REPUTATION: "550 5.7.1 your address is on a block list",
    Cause.POLICY: "550 5.7.1 not allowed by policy",
    Cause.AUTHENTICATION: "550 5.7.26 DMARC check failed",
    Cause.RATE: "421 4.7.0 too many messages, slow down",
    Cause.GREYLISTED: "451 4.7.1 greylisted, come again in 5 minutes",
    Cause.TLS_WANTED: "530 5.7.0 must issue a STARTTLS command first",
    Cause.TOO_LARGE: "552 5.3.4 message too large",
    Cause.CONTENT: "554 5.7.1 attachments of this type are not accepted",
    Cause.ROUTING: "550 5.7.1 relaying denied",
    Cause.TROUBLE: "451 4.3.0 local error",
    Cause.PROTOCOL: "500 5.5.1 command not recognised",
    Cause.LATER: "450 4.0.0 try again later",
    Cause.REFUSED: "550 5.0.0 no",
}
_DAY = 86_400.0
_LOOK_UPS = (Cause.BOGUS_DNS, Cause.DNS_FAILED)
_AT_ONCE = frozenset({Cause.DEMAND_UNMET, Cause.NO_REQUIRETLS})


def example_of(cause: Cause, now: float, *, delayed: bool) -> DSN:
    """A notice about a failure of this cause, of a delay or of the end; `now` in POSIX seconds."""
    on_the_way = cause in _ON_THE_WAY
    reply = "" if on_the_way else _REPLIES.get(cause, "")
    detail, _, demander = _ON_THE_WAY.get(cause, ("", "", Demander.NOBODY))
    since = now - 5 * _DAY + 600 if not delayed else now - 4.5 * 3600
    recipient = DSNRecipient(
        address="anna@example.org",
        action=Action.DELAYED if delayed else Action.FAILED,
        status="4.4.7" if delayed else "5.4.7" if on_the_way else "5.0.0",
        reason=detail or (f"mx1.example.org refused it: {reply}" if reply else "it was given up"),
        remote_mta="mx1.example.org" if reply else None,
        diagnostic=reply or None,
        last_attempt=now - 300 if reply else None,
        will_retry_until=now + 4.8 * _DAY if delayed else None,
        destination="example.org",
        cause=cause,
        demander=demander,
        tries=_tries(cause, now - 300),
        failing_since=since if on_the_way and cause not in _AT_ONCE else None,
        worked_until=since - 720 if on_the_way and cause not in _LOOK_UPS and cause not in _AT_ONCE else None,
        over=5 * _DAY if on_the_way and not delayed and cause not in _AT_ONCE else None,
    )
    return DSN(
        reporting_mta="mx.here.example",
        to="billing@shop.example",
        recipients=(recipient,),
        original=b"Message-ID: <42@shop.example>\r\nSubject: invoice\r\n\r\n",
        arrival=now - (5 * _DAY if not delayed else 4.2 * 3600),
        requiretls=cause is Cause.NO_REQUIRETLS,
    )


def _tries(cause: Cause, when: float) -> tuple[HostTry, ...]:
    if cause not in _ON_THE_WAY:
        return ()
    detail, tls, _ = _ON_THE_WAY[cause]
    if cause in _LOOK_UPS:
        return (HostTry(host="", when=when, cause=cause, detail=detail),)
    reply = _REPLIES.get(cause, "")
    address = "" if cause is Cause.NOT_LISTED else "192.0.2.10"
    return (
        HostTry(host="mx1.example.org", address=address, when=when, cause=cause, tls=tls, detail=detail, reply=reply),
        HostTry(
            host="mx2.example.org", address="192.0.2.20", when=when + 30, cause=Cause.NO_CONNECTION,
            detail="no answer in 30 s",
        ),
    )  # fmt: skip
