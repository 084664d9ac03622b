"""The configured steps, in their order: what costs least and refuses most comes first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.address import Domain
from danelaw.frontdoor.clientnames import ClientNameStep
from danelaw.frontdoor.dnslists import DNSListStep
from danelaw.inbound.relay import RelayPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.config import Config
    from danelaw.frontdoor.lookalikes import CorrespondentStep
    from danelaw.frontdoor.mapfiles import MapFiles
    from danelaw.frontdoor.premises import Premises
    from danelaw.frontdoor.recipients import Verifier
    from danelaw.frontdoor.rewriting import RewritingStep
    from danelaw.inbound.steps import Step
    from danelaw.outbound.callahead import CallAhead
    from danelaw.telemetry import Log


@dataclass(frozen=True, slots=True)
class FrontSteps:
    """`early` steps judge strangers; `late` ones change recipients and the reverse-path, after whoever else judges by
    them (SPF, filters), and before what holds mail. `names` knows the clients' names for all of them, whether it is a
    step or not.
    """

    early: tuple[Step, ...]
    late: tuple[Step, ...]
    names: ClientNameStep


def front_steps(premises: Premises, ahead: CallAhead | None = None) -> FrontSteps:
    """Every step the configuration asks for; `ahead` asks next hops. Raises `DanelawError` for files it cannot use."""
    config = premises.config
    steps: list[Step] = []
    names = ClientNameStep(premises)
    lists = DNSListStep(premises, names) if config.dns_list else None
    if config.tarpit.greeting_delay or config.tarpit.refusal_delay:
        from danelaw.frontdoor.tarpit import TarpitStep

        steps.append(TarpitStep(premises, lists))
    if config.client_names.enabled:
        steps.append(names)
    if lists is not None:
        steps.append(lists)
    rewriting = _rewriting(premises)
    late: list[Step] = []
    if config.aliases.files or any(item.recipients is not None or item.verify != "none" for item in config.domain):
        from danelaw.frontdoor.expansion import ExpansionStep

        maps = map_files(config, premises.log)
        steps.append(_recipients(premises, ahead, rewriting, maps))
        late.append(ExpansionStep(premises, maps))
    if rewriting is not None:
        late.append(rewriting)
    correspondents = _correspondents(premises) if config.correspondents.enabled else None
    if config.greylisting.enabled:
        steps.append(_greylist(premises, names, lists, correspondents))
    if config.look_alikes.enabled:
        from danelaw.frontdoor.lookalikes import LookAlikeStep

        steps.append(LookAlikeStep(premises))
    if correspondents is not None:
        steps.append(correspondents)
    return FrontSteps(tuple(steps), tuple(late), names)


def _rewriting(premises: Premises) -> RewritingStep | None:
    if premises.config.srs.domain is None:
        return None
    from danelaw.frontdoor.rewriting import RewritingStep, rewriter_of

    rewriter = rewriter_of(premises.config.srs)
    return None if rewriter is None else RewritingStep(premises, rewriter)


def map_files(config: Config, log: Log | None = None) -> MapFiles:
    """The map files of a configuration; what is wrong with a changed one is logged. Raises `DanelawError`."""
    from danelaw.frontdoor.mapfiles import MapFiles

    files: list[tuple[Path, Domain | None]] = [(path, None) for path in config.aliases.files]
    files += [(item.recipients, _named(item.name)) for item in config.domain if item.recipients is not None]
    if log is None:
        return MapFiles(files, config.aliases.separator)
    return MapFiles(
        files,
        config.aliases.separator,
        lambda error: log.error("reload-failed", reason=error.reason, advice=error.advice),
    )


def _recipients(premises: Premises, ahead: CallAhead | None, rewriting: RewritingStep | None, maps: MapFiles) -> Step:
    from danelaw.frontdoor.recipients import RecipientStep

    if rewriting is None:
        return RecipientStep(premises, maps, _verifiers(premises, ahead))
    return RecipientStep(premises, maps, _verifiers(premises, ahead), also_known=rewriting.knows)


def _named(pattern: str) -> Domain | None:
    return None if pattern.startswith(".") else Domain(pattern)


def _verifiers(premises: Premises, ahead: CallAhead | None) -> dict[str, Verifier]:
    from danelaw.frontdoor.recipients import Verifier

    config, found = premises.config, {}
    words = {item.verify for item in config.domain}
    if "call-ahead" in words and ahead is not None:
        settings, relay = config.call_ahead, RelayPolicy(config)
        found["call-ahead"] = Verifier(
            lambda mailbox: ahead.ask(relay.next_hop(mailbox.domain), mailbox, settings.timeout.total_seconds()),
            settings.remember_known.total_seconds(),
            settings.remember_unknown.total_seconds(),
            settings.unsure == "accept",
        )
    if "ldap" in words:
        from danelaw.frontdoor.directory import Directory

        seconds = config.ldap.remember.total_seconds()
        directory = Directory(config.ldap)
        accepts = config.ldap.unsure == "accept"
        found["ldap"] = Verifier(directory.ask, seconds, seconds, accepts, directory.close)
    return found


def _correspondents(premises: Premises) -> CorrespondentStep:
    from danelaw.frontdoor.lookalikes import CorrespondentStep
    from danelaw.state import CorrespondentStore
    from danelaw.state.correspondents import FILE_NAME

    settings = premises.config.correspondents
    path = premises.config.spool.directory / FILE_NAME
    lifetime = settings.remember.total_seconds()
    return CorrespondentStep(premises, CorrespondentStore(path, lifetime=lifetime, entries=settings.entries))


def _greylist(
    premises: Premises, names: ClientNameStep, lists: DNSListStep | None, correspondents: CorrespondentStep | None
) -> Step:
    from danelaw.frontdoor.greylisting import GreylistStep, rules_of
    from danelaw.state import GreylistStore
    from danelaw.state.greylist import FILE_NAME

    settings = premises.config.greylisting
    path = premises.config.spool.directory / FILE_NAME
    store = GreylistStore(path, rules_of(settings), auto_allow=settings.auto_allow, entries=settings.entries)
    return GreylistStep(premises, store, names, lists, correspondents)
