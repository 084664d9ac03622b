"""Counters, gauges and histograms whose use costs an addition; no locks, since they belong to one thread."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import ClassVar

from danelaw.errors import DanelawError


class Cell:
    """One number of a metric; on a hot path keep the cell and write `cell.value += 1`."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0


class _Instrument:
    """What all metrics have: a name without unit suffix rules broken, a meaning, label names."""

    kind: ClassVar[str]

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        self.name = name
        self.meaning = meaning
        self.labels = labels

    def _checked(self, values: tuple[str, ...]) -> tuple[str, ...]:
        if len(values) != len(self.labels):
            raise DanelawError(f"metric {self.name} takes the labels {self.labels}, not {values}")
        return values


class _Cells(_Instrument):
    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        super().__init__(name, meaning, *labels)
        self._cells: dict[tuple[str, ...], Cell] = {}
        if not labels:
            self.cell()

    def cell(self, *labels: str) -> Cell:
        """The cell for these label values, made when new. Raises `DanelawError` for a wrong number of them."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[self._checked(labels)] = Cell()
        return cell

    def samples(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """Label values and number of every cell."""
        return ((labels, cell.value) for labels, cell in self._cells.items())


class Counter(_Cells):
    """A number that only grows."""

    kind = "counter"

    @property
    def total(self) -> float:
        """Over all label values."""
        return sum(cell.value for cell in self._cells.values())

    def add(self, *labels: str, by: float = 1) -> None:
        """Count `by` more for these label values."""
        self.cell(*labels).value += by


class Gauge(_Cells):
    """A number that goes up and down, set or read when somebody asks."""

    kind = "gauge"

    def __init__(self, name: str, meaning: str, *labels: str) -> None:
        super().__init__(name, meaning, *labels)
        self._source: Callable[[], float] | None = None

    def set(self, value: float, *labels: str) -> None:
        """Make it `value` for these label values."""
        self.cell(*labels).value = value

    def clear(self) -> None:
        """Forget every number: nothing was measured yet."""
        self._cells.clear()

    def read_from(self, source: Callable[[], float]) -> None:
        """Ask `source` whenever the number is wanted; only for gauges without labels."""
        self._checked(())
        self._source = source

    def samples(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """Label values and number of every cell."""
        if self._source is not None:
            self.cell().value = self._source()
        return super().samples()


class Histogram(_Instrument):
    """How often a value fell below each bound."""

    kind = "histogram"

    def __init__(self, name: str, meaning: str, bounds: tuple[float, ...]) -> None:
        """`bounds` ascend, without infinity, which is always there."""
        super().__init__(name, meaning)
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative counts with their upper bounds as text, "+Inf" last."""
        total, result = 0, []
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            total += count
            result.append((bound, float(total)))
        return result


Instrument = Counter | Gauge | Histogram
