"""A separate, tuned Postfix instance as the peer of benchmarks and interoperability tests.

It never touches the system's own instance: configuration, queue and data live in a directory of the caller.
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

MASTER = """\
{address}:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsproxy unix - - n - 0 tlsproxy
postlog unix-dgram n - n - 1 postlogd
"""

# What peers are given so that the comparison is fair: no artificial delay at intake, many delivery
# processes for the one destination, connections kept between messages.
TUNED = {
    "compatibility_level": "3.6",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "command_directory": "/usr/sbin",
    "daemon_directory": "/usr/lib/postfix/sbin",
    "myhostname": "postfix.bench.test",
    "mydestination": "",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "mynetworks": "127.0.0.0/8",
    "local_transport": "error:no local mail",
    "local_recipient_maps": "",
    "alias_maps": "",
    "alias_database": "",
    "default_process_limit": "200",
    "in_flow_delay": "0",
    "default_destination_concurrency_limit": "50",
    "initial_destination_concurrency": "50",
    "smtp_destination_concurrency_limit": "50",
    "relay_destination_concurrency_limit": "50",
    "smtp_connection_cache_on_demand": "yes",
    "smtpd_client_connection_count_limit": "0",
}


class Postfix:
    """One instance: `start()` it, use `port`, and `stop()` it; `master_pid` roots its process tree."""

    def __init__(self, directory: Path, port: int, settings: dict[str, str], *, address: str = "127.0.0.1") -> None:
        self.directory = directory
        self.address = address
        self.port = port
        self.settings = TUNED | settings

    def start(self, *, resolv_conf: Path | None = None, services: str = "") -> None:
        """Write the configuration and start; `resolv_conf` replaces /etc/resolv.conf in a mount namespace, `services`
        are further lines of master.cf.
        """
        etc, spool, data = (self.directory / name for name in ("etc", "spool", "data"))
        for path in (etc, spool, data):
            path.mkdir(parents=True, exist_ok=True)
            path.chmod(0o755)
        for parent in (self.directory, *self.directory.parents):
            if str(parent).startswith("/tmp/") or str(parent).startswith("/var/tmp/"):
                parent.chmod(parent.stat().st_mode | 0o055)
        shutil.chown(data, "postfix")
        settings = self.settings | {
            "queue_directory": str(spool),
            "data_directory": str(data),
            "maillog_file": self._log_file,
        }
        (etc / "main.cf").write_text("".join(f"{k} = {v}\n" for k, v in settings.items()))
        (etc / "master.cf").write_text(MASTER.format(address=self.address, port=self.port) + services)
        command = ["postfix", "-c", str(etc), "start"]
        if resolv_conf is not None:
            mount = f"mount --bind {resolv_conf} /etc/resolv.conf && exec postfix -c {etc} start"
            command = ["unshare", "-m", "sh", "-c", mount]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30, check=False)
        if done.returncode:
            log = self.log if Path(self._log_file).exists() else ""
            raise RuntimeError(f"Postfix does not start: {done.stdout}{done.stderr}{log}")
        time.sleep(1)

    @property
    def master_pid(self) -> int:
        """The process id of its master daemon."""
        return int((self.directory / "spool/pid/master.pid").read_text())

    @property
    def _log_file(self) -> str:
        return self.settings.get("maillog_file", f"/var/log/{self.directory.name}-{self.port}.log")

    @property
    def log(self) -> str:
        """Its log so far."""
        return Path(self._log_file).read_text(errors="replace")

    def stop(self) -> None:
        """Stop it; its files stay."""
        subprocess.run(
            ["postfix", "-c", str(self.directory / "etc"), "stop"], capture_output=True, timeout=30, check=False
        )
