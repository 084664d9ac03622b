"""From the configuration to filters that can be asked, with their numbers and log lines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.filters import (
    BreakerState,
    Clamd,
    Engine,
    Filter,
    FilterResult,
    Milter,
    MilterFilter,
    Rspamd,
    Rule,
    ServerAddress,
    Servers,
    Spamd,
    Thresholds,
)

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.config import Filter as FilterSection
    from danelaw.telemetry import Log, Metrics

_METHODS = {"symbols": "SYMBOLS", "check": "CHECK", "headers": "HEADERS", "process": "PROCESS"}


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The configured filters by name, with the section of each, the rules for their results, and thresholds."""

    filters: Mapping[str, Filter]
    sections: Mapping[str, FilterSection]
    rules: Mapping[str, Rule]
    thresholds: Thresholds

    def scanners(self, *, trusted: bool) -> tuple[Filter, ...]:
        """Those that look at such a client's whole messages, all at once."""
        return tuple(one for one in self._for(trusted) if not isinstance(one, MilterFilter))

    def milters(self, *, trusted: bool) -> tuple[MilterFilter, ...]:
        """Those that are asked step by step, in order."""
        return tuple(one for one in self._for(trusted) if isinstance(one, MilterFilter))

    def _for(self, trusted: bool) -> list[Filter]:
        kinds = ("all", "trusted" if trusted else "strangers")
        return [one for name, one in self.filters.items() if self.sections[name].clients in kinds]


class Meter:
    """Counts what filters do; log lines when a server is left alone or comes back. Without log and metrics: silent."""

    def __init__(self, log: Log | None = None, metrics: Metrics | None = None) -> None:
        self._log = log
        self._metrics = metrics

    def asked(self, filter: Filter, result: FilterResult) -> None:
        """A filter gave a result, or failed."""
        if self._metrics is not None:
            self._metrics.filter_requests.add(filter.name, result.verdict.value)
            self._metrics.filter_seconds.add(filter.name, by=result.seconds)
            self.breakers(filter)

    def changed(self, name: str, server: ServerAddress, state: BreakerState, reason: str) -> None:
        """A breaker opened or closed."""
        if self._log is not None:
            event = "filter-left-alone" if state is BreakerState.OPEN else "filter-back"
            self._log.warning(event, filter=name, server=str(server), reason=reason)

    def breakers(self, filter: Filter) -> None:
        """Say how many servers of a filter are left alone."""
        if self._metrics is not None:
            states = filter.servers.states().values()
            self._metrics.filter_breakers.set(sum(state is not BreakerState.CLOSED for state in states), filter.name)


def filter_set(config: Config, meter: Meter | None = None) -> FilterSet:
    """Everything `[[filter]]` and `[filtering]` say. Wants a running event loop."""
    told = meter or Meter()
    filters = {section.name: filter_of(section, told) for section in config.filter}
    rules = {
        section.name: Rule(section.found, section.on_greylist, section.on_failure, section.on_too_large, section.weight)
        for section in config.filter
    }
    sums = config.filtering
    return FilterSet(
        filters, {section.name: section for section in config.filter}, rules,
        Thresholds(sums.tag, sums.hold, sums.refuse),
    )  # fmt: skip


def filter_of(section: FilterSection, meter: Meter) -> Filter:
    """One filter."""
    seconds = section.timeout.total_seconds()

    def changed(server: ServerAddress, state: BreakerState, reason: str) -> None:
        meter.changed(section.name, server, state, reason)

    servers = Servers(section.servers, changed=changed)
    if section.kind == "milter":
        milter = Milter(step_seconds=seconds, largest=section.largest)
        return MilterFilter(
            section.name, milter, servers, seconds=seconds, largest=section.largest, at_once=section.at_once
        )
    return Filter(
        section.name, _engine(section), servers, seconds=seconds, largest=section.largest, at_once=section.at_once
    )


def _engine(section: FilterSection) -> Engine:
    if section.kind == "rspamd":
        return Rspamd()
    if section.kind == "clamd":
        return Clamd()
    return Spamd(_METHODS[section.method], section.user)  # type: ignore[arg-type]
