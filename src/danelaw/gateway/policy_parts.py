"""The parts of a gateway that run an operator's policy, made only where there is one."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.gateway.parts import Parts
    from danelaw.gateway.shards import Workshop
    from danelaw.inbound.steps import Steps
    from danelaw.pkix import Roots
    from danelaw.resolver import Resolver
    from danelaw.rules import Rule
    from danelaw.scripting import Scripts
    from danelaw.scripting.library import OpenLibrary
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.timers import Timers


def rules_of(config: Config) -> list[Rule]:
    """The rules of the configuration that are switched on."""
    return [table.rule() for table in config.rule if table.enabled]


def library_of(workshop: Workshop, resolver: Resolver, roots: Roots) -> OpenLibrary | None:
    """What policy scripts may use."""
    section = workshop.config.policy
    if section.directory is None and not section.http_hook and not rules_of(workshop.config):
        return None
    from danelaw.scripting.library import Means, open_library

    return open_library(
        Means(
            config=workshop.config,
            resolver=resolver,
            log=workshop.log,
            metrics=workshop.metrics,
            surveyor=workshop.surveyor,
            door=workshop.door,
            roots=roots,
            clock=workshop.clock,
            shared=workshop.shared,
            caches=workshop.caches,
        )
    )


def scripts_of(workshop: Workshop, library: OpenLibrary | None, resolver: Resolver) -> Scripts | None:
    """Rules and policy, where the configuration has any. Raises `DanelawError` for a policy that cannot be used."""
    if library is None:
        return None
    from danelaw.gateway.carrying import addresses_by
    from danelaw.gateway.policy_carriers import PolicyCarriers
    from danelaw.scripting import Scripts

    config, directory = workshop.config, workshop.config.spool.directory
    return Scripts(
        config.policy,
        rules_of(config),
        directory,
        library.library,
        workshop.log,
        workshop.metrics,
        workshop.clock,
        PolicyCarriers(str(config.hostname), addresses_by(resolver), workshop.roots, workshop.clock),
        workshop.caches,
    )


def connect(scripts: Scripts | None, steps: Steps, workshop: Workshop) -> None:
    """Let connections and deliveries that begin later ask the scripts and rules as they are then."""
    if scripts is None:
        return

    def changed() -> None:
        steps.replace(scripts.step)
        workshop.steps.install(scripts.delivery_steps)

    scripts.changed = changed
    scripts.know_names(steps.known_name)


def timers_of(parts: Parts) -> Timers:
    """What asks the policy's timers, one for each process of the gateway."""
    from danelaw.scripting.timers import Timers

    scripts, workshop = parts.scripts, parts.workshop
    assert scripts is not None

    def active() -> LoadedPolicy:
        return scripts.versions.active

    return Timers(active, scripts.runner, scripts.library, workshop.shared, workshop.clock, workshop.log)
