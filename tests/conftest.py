"""What all tests share: where conformance data lies, and how hypothesis behaves."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# No deadline: how long an example takes says something about the machine, not about the code.
settings.register_profile("danelaw", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("danelaw")


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top of the source tree."""
    return ROOT


@pytest.fixture(scope="module", autouse=True)
def _nobody_guards() -> Iterator[None]:
    """A file's tests close what they open: the timer of a policy's guard would go on in all tests after them."""
    yield
    guard = sys.modules.get("danelaw.scripting.guard")
    assert guard is None or not guard.GUARD.is_installed, "a gateway or PolicyLab with scripts was not closed"


@pytest.fixture(scope="session")
def corpus() -> Callable[[str], Path]:
    """A directory of conformance data by name, such as "dane"; skips the test where it is absent."""
    corpora = Path(os.environ.get("DANELAW_CORPORA", ROOT.parent / "shared" / "corpora"))

    def directory(name: str) -> Path:
        path = corpora / name
        if not path.is_dir():
            pytest.skip(f"no conformance data {name!r}: set DANELAW_CORPORA")
        return path

    return directory


TAKES_LONG = ("reliability", "scenarios", "simulation", "scripting", "recipes", "lab", "dnssec", "rules")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Rooms that take long come first: a file is one process's, and the last one would be waited for alone."""
    items.sort(key=lambda item: item.path.parent.name not in TAKES_LONG)


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Long values give no name: keys made anew by each worker would make their tests differ."""
    return argname if isinstance(val, bytes | str) and len(val) > 40 else None
