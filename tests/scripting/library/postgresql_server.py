"""A PostgreSQL server for tests, from the wheel `pgserver`; only its programs are used."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "hunter2"
_NOBODY = 65534
_PATIENCE = 60.0


@contextmanager
def postgresql() -> Iterator[str]:
    """Its URL without the password. Runs as somebody else where we are root, which it refuses to be."""
    found = importlib.util.find_spec("pgserver")
    assert found is not None
    assert found.submodule_search_locations is not None
    home = Path(tempfile.mkdtemp(prefix="danelaw-pg-"))
    user = _NOBODY if os.geteuid() == 0 else None
    try:
        # A copy: that somebody else may not be allowed to read our environment.
        package = Path(found.submodule_search_locations[0])
        shutil.copytree(package / "pginstall", home / "pgserver" / "pginstall", symlinks=True)
        shutil.copytree(package.with_name("pgserver.libs"), home / "pgserver.libs", symlinks=True)
        (home / "password").write_text(PASSWORD)
        if user is not None:
            os.chown(home, user, user)
            os.chown(home / "password", user, user)
        programs, data = home / "pgserver" / "pginstall" / "bin", home / "data"
        words = ["-D", str(data), "-U", "postgres", "-A", "scram-sha-256", "--pwfile", str(home / "password")]
        subprocess.run(
            [str(programs / "initdb"), *words, "--no-sync"], user=user, check=True, stdout=subprocess.DEVNULL
        )
        settings = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={home}", "-c", "fsync=off"]
        log = (home / "log").open("wb")
        server = subprocess.Popen(
            [str(programs / "postgres"), "-D", str(data), *settings], user=user, stdout=log, stderr=log, cwd=home
        )
        try:
            _wait(server, home, programs)
            yield f"postgresql://postgres@/postgres?host={home}"
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(_PATIENCE)
            log.close()
    finally:
        shutil.rmtree(home)


def _wait(server: subprocess.Popen[bytes], home: Path, programs: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while subprocess.run([str(programs / "pg_isready"), "-q", "-h", str(home)], check=False).returncode:
        assert server.poll() is None, (home / "log").read_text()
        assert time.monotonic() < until, (home / "log").read_text()
        time.sleep(0.05)
