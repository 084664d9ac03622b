"""The step that rewrites the reverse-path of forwarded mail (SRS), and leads notices about it back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.address import Domain, ForwardPath, ReversePath
from danelaw.config.ways import Ways
from danelaw.errors import DanelawError
from danelaw.frontdoor.premises import Premises
from danelaw.inbound.arrival import Finding
from danelaw.inbound.steps import Stage, Step
from danelaw.smtp import Reply
from danelaw.srs import Rewriter, SRSError
from danelaw.srs.rewriter import SECONDS_PER_DAY

if TYPE_CHECKING:
    from danelaw.address import AddressLiteral, Mailbox
    from danelaw.config.recipients import SRS
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.smtp import Recipient

_NOT_OURS = Reply.of(550, "5.1.1", "this rewritten address is not ours, or has expired")
_LARGEST_KEY = 4096


def rewriter_of(settings: SRS) -> Rewriter | None:
    """The rewriter of the configuration, None without `[srs]`. Raises `DanelawError` for unusable keys."""
    if settings.domain is None:
        return None
    return Rewriter(settings.domain, [_key(path) for path in settings.keys], max_age=settings.max_age.days)


def _key(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_LARGEST_KEY).strip()
    except OSError as error:
        raise DanelawError(
            f"the SRS key {path} cannot be read: {error.strerror}", advice="openssl rand -hex 24 > " + str(path)
        ) from None


class RewritingStep(Step):
    """At RCPT: is a rewritten address good? At the message's end: back to whom it stands for, and forward what aliases
    send to domains that are not ours. Recipients beside those keep the reverse-path: what leaves is then a copy.
    """

    name = "srs"
    stages = Stage.RECIPIENT | Stage.MESSAGE
    for_trusted = True

    def __init__(self, premises: Premises, rewriter: Rewriter) -> None:
        self.premises = premises
        self.rewriter = rewriter
        self._ways = Ways(premises.config)

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """Refuse rewritten addresses that are forged or have expired."""
        mailbox = recipient.forward_path.mailbox
        if not self.rewriter.claims(mailbox):
            return None
        try:
            self.rewriter.reverse(mailbox, self._day())
        except SRSError as error:
            self.premises.log.event("srs", to=mailbox.to_text(), reason=error.reason)
            return self._counted("refused", _NOT_OURS)
        return None

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Lead back, and rewrite."""
        arrival.recipients = [self._led_back(recipient, arrival) for recipient in arrival.recipients]
        sender = arrival.reverse_path.mailbox
        if sender is None or self._is_ours(sender.domain):
            return None
        given = {recipient.forward_path.mailbox for recipient in arrival.envelope.recipients}
        leaving: list[Recipient] = []
        staying: list[Recipient] = []
        for recipient in arrival.recipients:
            mailbox = recipient.forward_path.mailbox
            stays = mailbox in given or self._is_ours(mailbox.domain)
            (staying if stays else leaving).append(recipient)
        if leaving:
            self._forward(arrival, sender, leaving, staying)
        return None

    def _forward(self, arrival: Arrival, sender: Mailbox, leaving: list[Recipient], staying: list[Recipient]) -> None:
        try:
            rewritten = self.rewriter.forward(sender, self._day())
        except SRSError as error:
            arrival.findings.append(Finding(self.name, "not-rewritten", error.reason))
            self._counted("not-rewritten")
            return
        forwarded = arrival
        if staying:
            forwarded = arrival.copy(self.name, leaving)
            arrival.recipients = staying
        forwarded.reverse_path = ReversePath(rewritten)
        forwarded.findings.append(Finding(self.name, "rewritten", f"{sender} leaves as {rewritten}"))
        self._counted("rewritten")

    def _led_back(self, recipient: Recipient, arrival: Arrival) -> Recipient:
        mailbox = recipient.forward_path.mailbox
        if not self.rewriter.claims(mailbox):
            return recipient
        back = self.rewriter.reverse(mailbox, self._day())
        arrival.findings.append(Finding(self.name, "led-back", f"{mailbox} stands for {back}"))
        self._counted("led-back")
        return replace(recipient, forward_path=ForwardPath(back))

    def _is_ours(self, domain: Domain | AddressLiteral) -> bool:
        return isinstance(domain, Domain) and (
            domain == self.rewriter.domain or self._ways.own(domain.ascii) is not None
        )

    def _day(self) -> int:
        return int(self.premises.clock()) // SECONDS_PER_DAY

    def _counted(self, result: str, reply: Reply | None = None) -> Reply | None:
        self.premises.metrics.rewritten.add(result)
        return reply

    def knows(self, mailbox: Mailbox) -> bool:
        """True for rewritten addresses, which no map file has."""
        return self.rewriter.claims(mailbox)
