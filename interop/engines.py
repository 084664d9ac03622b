"""Filter engines as children, each with a configuration of its own and no network beyond loopback."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from interop.daemons import ROOT, Daemon, until

# The test pattern of anti-virus software, written so that no scanner finds it in this file.
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-" + "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-" + "STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
RSPAMD, RSPAMD_MILTER, SPAMD, OPENDKIM = 11933, 11932, 11783, 11891


class Engine:
    """A started engine: its address as `[[filter]]` has it. `stop()` ends it."""

    def __init__(self, command: list[str], directory: Path, name: str, address: str) -> None:
        self.address = address
        self._daemon = Daemon(command, directory, name)
        host, _, port = address.rpartition(":")
        if address.startswith("unix:"):
            path = Path(address.removeprefix("unix:"))
            if not until(path.exists, 60):
                raise RuntimeError(f"{name} has not made its socket\n{self._daemon.log}")
        else:
            self._daemon.wait_for(host, int(port), 60)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._daemon.pid

    @property
    def log(self) -> str:
        """What it printed."""
        return self._daemon.log

    def stop(self) -> None:
        """End it."""
        self._daemon.stop()


def prepared(directory: Path) -> Path:
    """A directory for an engine, open to the account it changes to."""
    directory.mkdir(parents=True)
    directory.chmod(0o777)
    return directory


def rspamd(directory: Path) -> Engine:
    """rspamd with Debian's rules; what needs DNS or its own servers is off."""
    own = prepared(directory) / "local.d"
    own.mkdir()
    for name in ("db", "run", "log"):
        prepared(directory / name)
    (own / "options.inc").write_text(
        f'dns {{ nameserver = ["127.0.0.1:9:1"]; timeout = 0.02s; retransmits = 1; }}\n'
        f'tempdir = "{directory}/run";\nlocal_addrs = [];\n'
    )
    (own / "logging.inc").write_text('type = "console";\nlevel = "warning";\n')
    (own / "worker-normal.inc").write_text(f'bind_socket = "127.0.0.1:{RSPAMD}";\ncount = 1;\n')
    (own / "worker-proxy.inc").write_text(
        f'bind_socket = "127.0.0.1:{RSPAMD_MILTER}";\ncount = 1;\nupstream "local" {{ self_scan = yes; }}\n'
    )
    (own / "worker-controller.inc").write_text('bind_socket = "127.0.0.1:11934";\n')
    for module in ("fuzzy_check", "rbl", "surbl", "phishing", "asn", "spf", "dkim", "dmarc", "arc", "mx_check",
                   "hfilter", "once_received", "whitelist", "maillist", "multimap"):  # fmt: skip
        (own / f"{module}.conf").write_text("enabled = false;\n")
    command = ["rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", "/etc/rspamd/rspamd.conf",
               "--var", f"LOCAL_CONFDIR={directory}", "--var", f"DBDIR={directory}/db",
               "--var", f"RUNDIR={directory}/run", "--var", f"LOGDIR={directory}/log"]  # fmt: skip
    return Engine(command, directory, "rspamd", f"127.0.0.1:{RSPAMD}")


def clamd(directory: Path) -> Engine:
    """clamd with one signature of our own, and a small StreamMaxLength."""
    signatures = prepared(prepared(directory) / "signatures")
    (signatures / "local.ndb").write_text(f"Eicar-Local:0:*:{EICAR.encode().hex()}\n")
    (directory / "clamd.conf").write_text(
        f"LocalSocket {directory}/clamd.sock\nLocalSocketMode 666\nDatabaseDirectory {signatures}\nForeground yes\n"
        f"StreamMaxLength 30M\nTemporaryDirectory {directory}\nUser root\nMaxThreads 4\n"
    )
    return Engine(["clamd", "-c", str(directory / "clamd.conf")], directory, "clamd", f"unix:{directory}/clamd.sock")


def spamd(directory: Path) -> Engine:
    """spamd with Debian's rules, without the network."""
    prepared(directory)
    command = ["spamd", "-L", "-i", "127.0.0.1", "-p", str(SPAMD), "-x", "-m", "2", "-u", "debian-spamd",
               "-H", str(directory), "-s", "stderr"]  # fmt: skip
    return Engine(command, directory, "spamd", f"127.0.0.1:{SPAMD}")


def opendkim(directory: Path, key: Path, domain: str, selector: str) -> Engine:
    """opendkim that signs for a domain."""
    prepared(directory)
    copy = directory / "key.pem"
    shutil.copy(key, copy)
    shutil.chown(copy, "opendkim")
    copy.chmod(0o600)
    (directory / "opendkim.conf").write_text(
        f"Socket inet:{OPENDKIM}@127.0.0.1\nMode s\nDomain {domain}\nSelector {selector}\nKeyFile {copy}\n"
        "InternalHosts 0.0.0.0/0\nBackground no\nUserID opendkim\nCanonicalization relaxed/simple\nSyslog no\n"
        # Directories for temporary files are open to all.
        "RequireSafeKeys no\n"
    )
    command = ["opendkim", "-f", "-x", str(directory / "opendkim.conf")]
    return Engine(command, directory, "opendkim", f"127.0.0.1:{OPENDKIM}")


def every_callback(directory: Path) -> Engine:
    """The pymilter sample; its journal is `journal` in the directory."""
    prepared(directory)
    socket = directory / "milter.sock"
    command = ["/usr/bin/python3", str(ROOT / "interop" / "every_callback.py"), str(socket), str(directory / "journal")]
    return Engine(command, directory, "every-callback", f"unix:{socket}")


def has_pymilter() -> bool:
    """Whether Debian's Python has pymilter."""
    return any(Path(path).is_dir() for path in ("/usr/lib/python3/dist-packages/Milter",)) and bool(sys.executable)
