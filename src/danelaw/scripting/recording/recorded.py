"""Messages that came some time ago, to be judged once more: those a gateway has stored, and files.

    message = from_file("mail.eml", octets, given)
    context = message.context(policy_version, library)

Replays, `danelaw rules explain`, `danelaw policy shell` and `danelaw explain` all begin here. What is no longer known
is said in `unknown`, so that nobody takes a guess for a fact.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.message import Header
from danelaw.policy import (
    TLS,
    Address,
    Client,
    Finding,
    Library,
    Mail,
    MessageContext,
    Notes,
    Origin,
    RecipientContext,
)
from danelaw.rules.asking import NAME as RULES
from danelaw.scripting.outcome import NAME
from danelaw.scripting.recording.recorded_fields import author, origin_in, origin_of, received, recipients, sender

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage

_NOWHERE = "192.0.2.0"
"""Stands for a client that is not known (RFC 5737)."""
_OWN = frozenset({NAME, RULES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What somebody says about a recorded message, in place of what its header says; None leaves that as it is.

    `authserv_ids` are names under which our gateway writes Authentication-Results, `trusts` says which clients may
    relay, by their address.
    """

    client: str | None = None
    helo: str | None = None
    sender: str | None = None
    recipients: tuple[str, ...] | None = None
    user: str | None = None
    listener: str | None = None
    now: float | None = None
    authserv_ids: tuple[str, ...] = ()
    trusts: Callable[[str], bool] = lambda address: False


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """A message that can be judged once more. `name` is its queue id or its file; `octets` are as it came, as far as
    that is known. `said` are findings of the policy and rules that judged it, `version` that policy, `notes` and `tags`
    what they left.
    """

    name: str
    octets: bytes
    received_at: float
    client: Client
    reverse_path: Address
    recipients: tuple[Address, ...]
    smtputf8: bool = False
    requiretls: bool = False
    origin: Origin | None = None
    findings: tuple[Finding, ...] = ()
    said: tuple[Finding, ...] = ()
    version: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    unknown: tuple[str, ...] = ()

    def mail(self) -> Mail:
        """The message, to be read and changed."""
        octets = self.octets
        return Mail(lambda: octets)

    def context(self, policy: str, library: Library, *, remembers: bool = True) -> MessageContext:
        """As an end_of_data hook is given it. With `remembers` notes and tags are those it had in the end, otherwise
        there are none.
        """
        return MessageContext(
            **self._common(policy, library, remembers=remembers),
            id=self.name,
            mail=self.mail(),
            recipients=list(self.recipients),
            size=len(self.octets),
            origin=self.origin,
            findings=self.findings,
        )

    def recipient_context(
        self, recipient: Address, policy: str, library: Library, *, remembers: bool = True
    ) -> RecipientContext:
        """As an rcpt_to hook is given it, for one of the recipients."""
        before = self.recipients[: self.recipients.index(recipient)]
        common = self._common(policy, library, remembers=remembers)
        return RecipientContext(**common, recipient=recipient, recipients=before)

    def _common(self, policy: str, library: Library, *, remembers: bool) -> dict[str, Any]:
        return {
            "now": self.received_at,
            "policy": policy,
            "library": library,
            "notes": Notes(self.notes if remembers else None),
            "tags": set(self.tags if remembers else ()),
            "client": self.client,
            "reverse_path": self.reverse_path,
            "smtputf8": self.smtputf8,
            "requiretls": self.requiretls,
        }


def from_stored(message: QueuedMessage, octets: bytes, given: Given) -> Recorded:
    """A message of the spool (`danelaw.spool.whole`). Raises `DanelawError` where its octets are gone."""
    if not octets:
        raise DanelawError(
            f"the text of {message.id_text} is gone: it is kept until a message is delivered or returned",
            advice="judge a message that waits, or a file",
        )
    header = Header.from_bytes(octets)
    ours = received(header.first("Received"))
    findings = tuple(Finding(*one) for one in json.loads(message.findings or "[]"))
    kept = _object(message.context)
    version, _, cipher = message.client_tls.partition(" ")
    client = Client(
        message.client_address or _NOWHERE,
        0,
        message.client_helo,
        ours.extended,
        TLS(version, cipher) if version else None,
        given.trusts(message.client_address or _NOWHERE) or bool(message.client_user),
        "",
        message.client_user,
    )
    unknown = [
        "the text is as it was stored: what policy and rules changed then is in it",
        "recipients are those it has now, and the sender is as it was stored",
        "which listener and port it came to",
        "whether the client may relay is what the configuration says now",
    ]
    origin = origin_in(header, given.authserv_ids) or origin_of(findings, header)
    found = Recorded(
        name=message.id_text,
        octets=_without_ours(octets, header, examined=origin is not None),
        received_at=message.received_at,
        client=client,
        reverse_path=Address(message.reverse_path),
        recipients=tuple(Address(one.forward_path) for one in message.recipients),
        smtputf8=message.smtputf8,
        requiretls=message.requiretls,
        origin=origin,
        findings=tuple(one for one in findings if one.step not in _OWN),
        said=tuple(one for one in findings if one.step in _OWN),
        version=str(kept.get("policy", "")),
        notes=dict(kept.get("notes", {})),
        tags=frozenset(kept.get("tags", ())),
        unknown=tuple(unknown),
    )
    return _as_given(found, given)


def from_file(name: str, octets: bytes, given: Given, *, now: float) -> Recorded:
    """A message in a file, with whatever line ends; `now` stands for its time where nothing says one. The topmost
    Received field says who sent it, Return-Path, X-Envelope-To and their like the envelope.
    """
    octets = _on_the_wire(octets)
    header = Header.from_bytes(octets)
    seen = received(header.first("Received"))
    unknown = []
    found_sender, (to, is_envelope) = sender(header), recipients(header)
    if not seen.address and given.client is None:
        unknown.append(f"the client's address: no Received field names it ({_NOWHERE} stands for it)")
    if found_sender is None and given.sender is None:
        unknown.append("the envelope sender: taken from From")
    if not is_envelope and given.recipients is None:
        unknown.append("the envelope recipients: taken from To and Cc")
    if seen.at is None and given.now is None:
        unknown.append("when it came")
    origin = origin_in(header, given.authserv_ids)
    if origin is None:
        unknown.append("SPF, DKIM, DMARC and ARC: it has no Authentication-Results field of ours")
    recorded = Recorded(
        name=name,
        octets=octets,
        received_at=seen.at if seen.at is not None else now,
        client=Client(
            seen.address or _NOWHERE,
            0,
            seen.helo,
            seen.extended,
            None if seen.tls is None else TLS(*seen.tls),
            given.trusts(seen.address or _NOWHERE),
        ),
        reverse_path=author(header) if found_sender is None else found_sender,
        recipients=to,
        origin=origin,
        unknown=tuple(unknown),
    )
    return _as_given(recorded, given)


def _as_given(found: Recorded, given: Given) -> Recorded:
    client = found.client
    if given.client is not None:
        client = replace(client, address=given.client, trusted=given.trusts(given.client))
    if given.helo is not None:
        client = replace(client, helo=given.helo)
    if given.listener is not None:
        client = replace(client, listener=given.listener)
    if given.user is not None:
        client = replace(client, user=given.user, trusted=client.trusted or bool(given.user))
    return replace(
        found,
        client=client,
        reverse_path=found.reverse_path if given.sender is None else Address(given.sender),
        recipients=found.recipients if given.recipients is None else tuple(map(Address, given.recipients)),
        received_at=found.received_at if given.now is None else given.now,
    )


def _object(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _without_ours(octets: bytes, header: Header, *, examined: bool) -> bytes:
    """Without what this gateway put on top: its Received field, and behind it its Authentication-Results."""
    fields = header.fields
    if not fields or fields[0].key != b"received":
        return octets
    end = len(fields[0].raw)
    if examined and len(fields) > 1 and fields[1].key == b"authentication-results":
        end += len(fields[1].raw)
    return octets[end:]


def _on_the_wire(octets: bytes) -> bytes:
    """With CRLF, and without the first line of an mbox."""
    if octets.startswith((b"From ", b">From ")):
        octets = octets.partition(b"\n")[2]
    return octets if b"\r\n" in octets[:4096] else octets.replace(b"\n", b"\r\n")
