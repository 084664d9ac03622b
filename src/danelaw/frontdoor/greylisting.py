"""The step that greylists strangers (RFC 6647)."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from danelaw.clientname import ReverseResult, generic
from danelaw.frontdoor.premises import Premises, address_of, is_postmaster, within
from danelaw.frontdoor.remembered import Remembered
from danelaw.greylist import Rules, Triplet, network_of
from danelaw.inbound.arrival import Finding
from danelaw.inbound.steps import Stage, Step
from danelaw.smtp import Reply
from danelaw.spf import Request, SPFResult, evaluate
from danelaw.state import GreylistStore, StateError

if TYPE_CHECKING:
    from danelaw.address import Mailbox, ReversePath
    from danelaw.config.front import Greylisting
    from danelaw.frontdoor.clientnames import ClientNameStep
    from danelaw.frontdoor.dnslists import DNSListStep
    from danelaw.frontdoor.lookalikes import CorrespondentStep
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.smtp import Recipient

_MOST = 10_000
_SPF_SECONDS = 10.0
_REMEMBER_SECONDS = 600.0


def rules_of(settings: Greylisting) -> Rules:
    """The rules as the configuration has them."""
    return Rules(
        settings.delay.total_seconds(), settings.retry_window.total_seconds(), settings.lifetime.total_seconds()
    )


class GreylistStep(Step):
    """Defers recipients of unknown triplets. What is remembered is in `greylist.db`; where that cannot be used, mail
    goes on.
    """

    name = "greylist"
    stages = Stage.RECIPIENT | Stage.MESSAGE

    def __init__(
        self,
        premises: Premises,
        store: GreylistStore,
        names: ClientNameStep,
        lists: DNSListStep | None = None,
        correspondents: CorrespondentStep | None = None,
    ) -> None:
        self.premises = premises
        self.store = store
        self._settings = premises.config.greylisting
        self._names = names
        self._lists = lists
        self._correspondents = correspondents
        self._outcomes: Remembered[tuple[str, str], Finding] = Remembered(_MOST)

    def close(self) -> None:
        """Close the file."""
        self.store.close()

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """Defer the first try of a triplet."""
        if is_postmaster(recipient):
            return None
        now = self.premises.clock()
        exempt = await self._exempt(client, reverse_path, recipient.forward_path.mailbox)
        if exempt is not None:
            self._noted(client, reverse_path, "exempt", exempt, now)
            return None
        network = network_of(
            address_of(client.address),
            ipv4_prefix=self._settings.ipv4_prefix,
            ipv6_prefix=self._settings.ipv6_prefix,
        )
        try:
            if self.store.allows(network, now):
                self._noted(client, reverse_path, "allowed", f"{network} has proved itself, or was allowed", now)
                return None
            judgement = self.store.judge(Triplet.of(network, reverse_path, recipient.forward_path.mailbox), now)
        except StateError as error:
            self.premises.log.warning("greylist", reason=error.reason, advice=error.advice)
            self._noted(client, reverse_path, "failed", "what was remembered cannot be read", now)
            return None
        waited = judgement.record.last - judgement.record.first
        self._noted(client, reverse_path, judgement.verdict.value, f"{network}, known for {waited:.0f} s", now)
        if judgement.verdict.lets_in:
            return None
        seconds = max(1, ceil(judgement.wait))
        return Reply.of(451, "4.7.1", f"greylisted: you are not known here yet; try again in {seconds} seconds")

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Keep with the message why it came through."""
        key = _key(arrival.client, arrival.envelope.reverse_path)
        found = self._outcomes.get(key, self.premises.clock())
        if found is not None:
            arrival.findings.append(found)
        return None

    def _noted(self, client: Client, reverse_path: ReversePath, result: str, reason: str, now: float) -> None:
        self.premises.metrics.greylisted.add(result)
        self._outcomes.put(_key(client, reverse_path), Finding(self.name, result, reason), now + _REMEMBER_SECONDS)

    async def _exempt(self, client: Client, reverse_path: ReversePath, recipient: Mailbox) -> str | None:
        """Why this client need not come again, in words; None when it must."""
        settings = self._settings
        address = address_of(client.address)
        if within(address, settings.exempt_clients):
            return "[greylisting] exempt_clients"
        for word in settings.exempt:
            if word == "null-sender" and reverse_path.is_null:
                return "null reverse-path"
            if word == "allow-listed" and self._lists is not None:
                if (await self._lists.opinion(client, reverse_path)).allowed:
                    return "a [[dns_list]] allows it"
            elif word == "spf-pass" and not reverse_path.is_null:
                if await self._spf_passes(client, reverse_path):
                    return f"SPF pass for {reverse_path}"
            elif word == "known" and self._correspondents is not None and reverse_path.mailbox is not None:
                if self._correspondents.knows(reverse_path.mailbox.to_text(), recipient.to_text()):
                    return f"{reverse_path} has exchanged mail with {recipient} before"
            elif word == "confirmed-name":
                name = await self._names.client_name(client)
                if name.result is ReverseResult.PASS and generic(name.names[0], address) is None:
                    return f"its name is {name.names[0]}"
        return None

    async def _spf_passes(self, client: Client, reverse_path: ReversePath) -> bool:
        assert reverse_path.mailbox is not None
        request = Request.mail_from(address_of(client.address), reverse_path.mailbox.to_text(), client.helo)
        evaluation = await self.premises.look_up(evaluate(request, now=self.premises.clock()), _SPF_SECONDS)
        return evaluation is not None and evaluation.result is SPFResult.PASS


def _key(client: Client, reverse_path: ReversePath) -> tuple[str, str]:
    return client.address, reverse_path.to_text()
