"""The step that looks at the names of clients: reverse DNS and HELO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.clientname import HELO, ClientName, HELOResult, ReverseResult, generic, look_up_client_name, look_up_helo
from danelaw.frontdoor.premises import Premises, address_of, is_postmaster
from danelaw.frontdoor.remembered import Remembered
from danelaw.inbound.arrival import Finding
from danelaw.inbound.steps import Stage, Step
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from danelaw.address import Domain, ReversePath
    from danelaw.config.front import Deed
    from danelaw.inbound.arrival import Arrival, Client, Ruling
    from danelaw.smtp import Recipient

_MOST = 10_000
_SECONDS = 300.0
_UNKNOWN = ClientName(ReverseResult.TEMPERROR, reason="DNS did not answer in time")
_REVERSE_DEEDS = {ReverseResult.PERMERROR: "no_name", ReverseResult.FAIL: "unconfirmed"}
_HELO_DEEDS = {
    HELOResult.SYNTAX: "helo_syntax",
    HELOResult.OWN_NAME: "helo_own_name",
    HELOResult.OTHER_LITERAL: "helo_other_literal",
    HELOResult.UNRESOLVABLE: "helo_unresolvable",
    HELOResult.MISMATCH: "helo_mismatch",
}


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is so, and what the configuration makes of it."""

    finding: Finding
    deed: Deed


class ClientNameStep(Step):
    """Looks names up once per client and HELO; refuses recipients where the configuration says so."""

    name = "client-name"
    stages = Stage.RECIPIENT | Stage.MESSAGE

    def __init__(self, premises: Premises) -> None:
        self.premises = premises
        self._settings = premises.config.client_names
        self._own = own_names(premises)
        self._names: Remembered[str, ClientName] = Remembered(_MOST)
        self._helos: Remembered[tuple[str, str], HELO] = Remembered(_MOST)

    async def client_name(self, client: Client) -> ClientName:
        """The client's names; never raises for what DNS does."""
        now = self.premises.clock()
        known = self._names.get(client.address, now)
        if known is None:
            lookup = look_up_client_name(address_of(client.address))
            known = await self.premises.look_up(lookup, self._settings.timeout.total_seconds()) or _UNKNOWN
            self._names.put(client.address, known, now + _SECONDS)
            self.premises.metrics.client_names.add("reverse", known.result.value)
        return known

    def known_name(self, address: str) -> str | None:
        """A name that leads back to this address, where it was looked up lately; asks nobody."""
        if not self._names:
            return None
        known = self._names.get(address, self.premises.clock())
        return known.names[0].ascii if known is not None and known.names else None

    async def helo_worth(self, client: Client) -> HELO:
        """What its HELO name is worth."""
        now = self.premises.clock()
        key = (client.address, client.helo)
        known = self._helos.get(key, now)
        if known is None:
            lookup = look_up_helo(client.helo, address_of(client.address), own=self._own)
            known = await self.premises.look_up(lookup, self._settings.timeout.total_seconds())
            known = known or HELO(HELOResult.TEMPERROR, "DNS did not answer in time")
            self._helos.put(key, known, now + _SECONDS)
            self.premises.metrics.client_names.add("helo", known.result.value)
        return known

    async def facts(self, client: Client) -> tuple[Fact, ...]:
        """All there is to say."""
        name = await self.client_name(client)
        reverse = Finding(self.name, name.result.value, f"{name.reason} (DNSSEC: {name.dnssec.value})")
        found = [Fact(reverse, self._deed(_REVERSE_DEEDS.get(name.result)))]
        address = address_of(client.address)
        looks = [words for one in name.names if (words := generic(one, address)) is not None]
        if looks and len(looks) == len(name.names):
            found.append(Fact(Finding(self.name, "generic", looks[0]), self._settings.generic))
        helo = await self.helo_worth(client)
        said = Finding("helo", helo.result.value, f"{helo.reason} (DNSSEC: {helo.dnssec.value})")
        found.append(Fact(said, self._deed(_HELO_DEEDS.get(helo.result))))
        return tuple(fact for fact in found if fact.deed != "nothing")

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        """Refuse or defer for the first fact that asks for it."""
        if is_postmaster(recipient):
            return None
        facts = await self.facts(client)
        for deed, code, enhanced, words in (
            ("refuse", 550, "5.7.25", "not taken from your address"),
            ("defer", 450, "4.7.25", "not taken from your address for now"),
        ):
            for fact in facts:
                if fact.deed == deed:
                    helo = fact.finding.step == "helo"
                    status = enhanced.replace("25", "1") if helo else enhanced
                    return Reply.of(code, status, f"{words}: {'HELO: ' if helo else ''}{_plain(fact.finding)}")
        return None

    async def message(self, arrival: Arrival) -> Ruling | None:
        """Keep the facts with the message."""
        arrival.findings += [fact.finding for fact in await self.facts(arrival.client)]
        return None

    def _deed(self, setting: str | None) -> Deed:
        if setting is None:
            return "tag"
        deed: Deed = getattr(self._settings, setting)
        return deed


def _plain(finding: Finding) -> str:
    return finding.reason.partition(" (DNSSEC")[0].encode("ascii", "replace").decode()


def own_names(premises: Premises) -> tuple[Domain, ...]:
    """Our hostname and the recipient domains that are single names."""
    from danelaw.address import Domain

    config = premises.config
    return (config.hostname, *(Domain(item.name) for item in config.domain if not item.name.startswith(".")))
