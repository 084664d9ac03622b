"""All destinations of the lab."""

from danelaw.lab.catalogue.demo import DEMO
from danelaw.lab.scenario import Scenario

SCENARIOS: tuple[Scenario, ...] = DEMO

__all__ = ["SCENARIOS"]
