"""The note to the postmaster of a destination that cannot be verified: what its DNS promises, what its servers showed.

Pure: facts in, a message out (RFC 5322). It asks that it may travel unprotected (`TLS-Required: No`, RFC 8689 §4.2.2),
since it is about what keeps protected mail from arriving. It never gives a key that was only seen from here as advice.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.dsn import Cause, shipped
from danelaw.message import format_date, text_entity, text_field
from danelaw.outbound.contacts import Contacts

_WIDTH = 72


@dataclass(frozen=True, slots=True)
class Seen:
    """One address of one server as it was just now: `cause` None when mail would be delivered there, `detail` why."""

    host: str
    address: str
    tls: str
    cause: Cause | None
    detail: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the queue knows: `messages` wait, the oldest since `oldest`; the destination fails since `since`, its
    servers took mail until `worked`; times in POSIX seconds.
    """

    messages: int = 0
    oldest: float | None = None
    since: float | None = None
    worked: float | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything a note rests on. `domain` is an A-label; `promises` and `remarks` are lines in words; `trouble` is
    what keeps the whole domain from being reached, None when hosts could be asked; `at` POSIX seconds.
    """

    domain: str
    at: float
    promises: tuple[str, ...]
    seen: tuple[Seen, ...]
    trouble: tuple[Cause, str] | None = None
    remarks: tuple[str, ...] = ()
    waiting: Waiting = Waiting()

    @property
    def problems(self) -> tuple[tuple[Cause, str], ...]:
        """Each cause with the host it is about, those of the whole domain first.

        A server that does not answer is worth a note only beside others, or while mail waits: it may be our network.
        """
        found = [(self.trouble[0], self.domain)] if self.trouble is not None else []
        found += [(one.cause, one.host) for one in self.seen if one.cause is not None]
        told = dict.fromkeys(found)
        if any(cause not in _MAYBE_OURS for cause, _ in told) or self.waiting.messages:
            return tuple(told)
        return ()

    @property
    def calls_for_note(self) -> bool:
        """False for a destination whose postmaster has nothing to repair."""
        return bool(self.problems or self.remarks)


_MAYBE_OURS = frozenset({Cause.NO_CONNECTION, Cause.BROKE_OFF})


def subject(evidence: Evidence) -> str:
    """The answer in one line."""
    domain = evidence.domain
    if not evidence.problems:
        return f"Mail to {domain}: a name server does not answer as it should"
    cause, host = evidence.problems[0]
    what = shipped("en").of_cause(cause, "what", destination=domain, host=host)
    stopped = "waits" if all(one.cause is not None for one in evidence.seen) else "is at risk"
    return f"Mail to {domain} {stopped}: {host}: {what}"


def note(evidence: Evidence, contacts: Contacts, *, sender: str, hostname: str, token: str) -> bytes:
    """The whole message, CRLF line ends. `sender` is the mailbox it comes from, `hostname` this gateway's name and
    `token` random characters for its Message-ID.
    """
    fields = (
        ("From", sender),
        ("To", ", ".join(contacts.of_people)),
        ("Subject", subject(evidence)),
        ("Date", format_date(evidence.at)),
        ("Message-ID", f"<{token}@{hostname}>"),
        ("TLS-Required", "No"),
        ("MIME-Version", "1.0"),
    )
    head = b"".join(text_field(name, value) for name, value in fields)
    return head + text_entity("\n\n".join(_paragraphs(evidence, hostname)) + "\n")


def _paragraphs(evidence: Evidence, hostname: str) -> Iterable[str]:
    texts = shipped("en")
    yield f"Dear postmaster of {evidence.domain},"
    yield _wrap(_opening(evidence))
    yield "What your DNS promises\n" + "\n".join(map(_item, evidence.promises))
    if evidence.seen or evidence.trouble is not None:
        lines = [_item(evidence.trouble[1])] if evidence.trouble is not None else []
        yield f"What we saw, {texts.date(evidence.at)}\n" + "\n".join(
            lines + [_item(_seen(one)) for one in evidence.seen]
        )
    if evidence.waiting.since is not None:
        yield _wrap(_since(evidence.waiting))
    advice = [
        words
        for cause, host in evidence.problems
        if (words := texts.of_cause(cause, "operator", destination=evidence.domain, host=host))
    ]
    if advice or evidence.remarks:
        yield "What helps\n" + "\n".join(
            _item(one[0].upper() + one[1:]) for one in (*dict.fromkeys(advice), *evidence.remarks)
        )
    yield _wrap(
        "An attacker on the way looks just like a mistake, from here. So please look on your own servers, and take no "
        "key or certificate from this note or from anybody who only saw it over the network."
    )
    yield _wrap(
        "This note asks to be delivered even without protection (TLS-Required: No, RFC 8689): it could not reach you "
        "otherwise. It may have been read or changed on the way."
    )
    yield f"The postmaster of {hostname}"


def _opening(evidence: Evidence) -> str:
    count = evidence.waiting.messages
    if not evidence.problems:
        return f"mail to {evidence.domain} is delivered, but something in its DNS makes it late now and then."
    if all(one.cause is not None for one in evidence.seen):
        words = f"mail from here to {evidence.domain} cannot be delivered under the protection that {_whose(evidence)}."
    else:
        words = (
            f"mail from here to {evidence.domain} is still delivered over other servers of yours. Those named below "
            "are left out, and when the others are down it waits."
        )
    if count:
        oldest = evidence.waiting.oldest
        since = f" since {shipped('en').date(oldest)}" if oldest is not None else ""
        many = count > 1
        words += f" {count} message{'s wait' if many else ' waits'} here{since}"
        words += f"; nothing of {'them' if many else 'it'} was sent."
    return words


def _whose(evidence: Evidence) -> str:
    named = {Cause.DEMAND_UNMET, Cause.NOT_PINNED, Cause.NO_REQUIRETLS}
    ours = all(cause in named for cause, _ in evidence.problems)
    return "was demanded for it" if ours else "your own DNS demands"


def _seen(one: Seen) -> str:
    tls = one.tls.replace("TLSv", "TLS ")
    where = ", ".join(part for part in (f"{one.host} {one.address}".strip(), tls) if part)
    return f"{where}: {one.detail}" if one.cause is not None else f"{where}: as it should be ({one.detail})"


def _since(waiting: Waiting) -> str:
    texts = shipped("en")
    assert waiting.since is not None
    words = f"Nothing could be sent since {texts.date(waiting.since)}"
    if waiting.worked is not None:
        words += f"; until {texts.date(waiting.worked)} these servers took mail from here"
    return words + "."


def _item(text: str) -> str:
    words = " ".join(text.split())
    return textwrap.fill(
        words, _WIDTH, initial_indent="  - ", subsequent_indent="    ", break_long_words=False, break_on_hyphens=False
    )


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)
