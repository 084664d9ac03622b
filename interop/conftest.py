"""Programs that may be absent, the directory to work in, the daemons, and the report."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop.daemons import ROOT
from interop.exported import Exported
from interop.gateway import Gateway
from interop.mail import Receiver
from interop.report import Report

_PAGE = ROOT / "docs" / "interop.md"
_report = pytest.StashKey[Report]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write docs/interop.md")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "needs(*programs): skipped where one of these programs is absent")
    config.addinivalue_line("markers", "namespace: wants ports 25 and 53 and a resolv.conf of its own (interop/run)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what is skipped and why, before anything starts."""
    for item in items:
        wanted = [str(name) for mark in item.iter_markers("needs") for name in mark.args]
        absent = [name for name in wanted if shutil.which(name, path=_path()) is None]
        if absent:
            item.add_marker(pytest.mark.skip(reason=f"not installed: {', '.join(absent)}"))
        elif item.get_closest_marker("namespace") and not os.environ.get("DANELAW_INTEROP_NAMESPACE"):
            item.add_marker(pytest.mark.skip(reason="wants root and interop/run: ports 25 and 53, resolv.conf"))


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def pytest_unconfigure(config: pytest.Config) -> None:
    """The page when asked for and whole, and the last line."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        return
    count = {name: len(reporter.stats.get(name, [])) for name in ("passed", "failed", "error", "skipped")}
    failed = count["failed"] + count["error"]
    if config.getoption("--record") and _report in config.stash:
        if failed or count["skipped"]:
            reporter.write_line("docs/interop.md is left as it is: not everything passed")
        else:
            config.stash[_report].write(_PAGE)
            reporter.write_line("docs/interop.md is written")
    reporter.write_line(f"{count['passed']} passed, {failed} failed, {count['skipped']} skipped")


@pytest.fixture(scope="session")
def report(request: pytest.FixtureRequest) -> Report:
    """Where figures go."""
    capture = request.config.pluginmanager.get_plugin("capturemanager")
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    assert capture is not None
    assert reporter is not None

    def show(line: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.write_line(line)

    request.config.stash[_report] = Report(show)
    return request.config.stash[_report]


@pytest.fixture(scope="session")
def workplace() -> Iterator[Path]:
    """A directory other accounts may enter (Postfix drops its rights)."""
    parent = Path(os.environ.get("DANELAW_INTEROP", tempfile.gettempdir()))
    # Short, since Postfix makes sockets far below, whose paths may have 107 octets.
    directory = Path(tempfile.mkdtemp(prefix="w", dir=parent))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module")
def place(request: pytest.FixtureRequest, workplace: Path) -> Path:
    """A directory for the daemons of one test file."""
    directory: Path = workplace / request.module.__name__.rpartition("_")[2]
    directory.mkdir()
    directory.chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def exported(place: Path) -> Iterator[Exported]:
    """The exported lab behind nsd and unbound; one at a time, since port 53 is wanted by others too."""
    exported = Exported(place / "export")
    try:
        exported.start()
        yield exported
    finally:
        exported.stop()


@pytest.fixture(scope="module")
def gateway(place: Path, exported: Exported) -> Iterator[Gateway]:
    """danelaw as the mail host of provider.lab."""
    gateway = Gateway(place / "gateway", exported, exported.host("provider.lab"))
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture(scope="module")
def receiver(place: Path, exported: Exported) -> Iterator[Receiver]:
    """A Postfix as the mail host of dane.lab."""
    receiver = Receiver(place / "receiver", exported, exported.host("dane.lab"), {"message_size_limit": "0"})
    try:
        receiver.start()
        yield receiver
    finally:
        receiver.stop()
