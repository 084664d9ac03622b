"""A signed zone on nsd with a validating unbound in front: what a Postfix with DANE needs, and what danelaw asks too.

nsd listens on 127.0.0.1:5354, unbound on 127.0.0.53:53 (Postfix reads resolv.conf, which knows no ports).
"""

from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

NSD = """\
server:
  ip-address: 127.0.0.1@5354
  username: ""
  zonesdir: "{d}"
  pidfile: "{d}/nsd.pid"
  database: ""
  xfrdfile: "{d}/xfrd.state"
  zonelistfile: "{d}/zone.list"
  xfrdir: "{d}"
  logfile: "{d}/nsd.log"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: dane.test
  zonefile: dane.test.signed
"""

UNBOUND = """\
server:
  interface: 127.0.0.53
  port: 53
  do-not-query-localhost: no
  username: ""
  chroot: ""
  directory: "{d}"
  pidfile: "{d}/unbound.pid"
  logfile: "{d}/unbound.log"
  use-syslog: no
  access-control: 127.0.0.0/8 allow
  local-zone: "test." nodefault
  trust-anchor-file: "{d}/anchor.key"
  num-threads: 1
stub-zone:
  name: dane.test
  stub-addr: 127.0.0.1@5354
"""


def _run(*command: str, cwd: Path) -> str:
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=60).stdout.strip()


class DANEZone:
    """The zone dane.test with one MX whose key is published for `port`; `start()` and `stop()` its servers."""

    def __init__(self, directory: Path, port: int, *, more: str = "") -> None:
        """`more` are further lines of the zone."""
        directory.mkdir(parents=True)
        directory.chmod(0o755)
        self.directory = directory
        self.certificate, self.key = directory / "mx.pem", directory / "mx.key"
        self.anchor, self.resolv_conf = directory / "anchor.key", directory / "resolv.conf"
        self._processes: list[subprocess.Popen[bytes]] = []
        self._sign(port, more)

    def _sign(self, port: int, more: str) -> None:
        cwd = self.directory
        subject = ["-subj", "/CN=mx.dane.test", "-addext", "subjectAltName=DNS:mx.dane.test", "-days", "30", "-nodes"]
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "mx.key", "-out", "mx.pem"]
        _run("openssl", "req", "-x509", *key, *subject, cwd=cwd)
        public = subprocess.run(
            "openssl x509 -in mx.pem -noout -pubkey | openssl pkey -pubin -outform DER",
            shell=True, cwd=cwd, check=True, capture_output=True,
        ).stdout  # fmt: skip
        digest = hashlib.sha256(public).hexdigest()
        (cwd / "dane.test").write_text(
            "$ORIGIN dane.test.\n$TTL 3600\n"
            "@ IN SOA ns.dane.test. h.dane.test. 1 3600 600 86400 300\n@ IN NS ns.dane.test.\nns IN A 127.0.0.1\n"
            f"@ IN MX 10 mx.dane.test.\nmx IN A 127.0.0.1\n_{port}._tcp.mx IN TLSA 3 1 1 {digest}\n{more}"
        )
        keygen = ("ldns-keygen", "-r", "/dev/urandom", "-a", "ECDSAP256SHA256")
        ksk, zsk = _run(*keygen, "-k", "dane.test", cwd=cwd), _run(*keygen, "dane.test", cwd=cwd)
        _run("ldns-signzone", "-e", "20371231000000", "-i", "20260101000000", "dane.test", ksk, zsk, cwd=cwd)
        self.anchor.write_text((cwd / f"{ksk}.key").read_text())
        self.resolv_conf.write_text("nameserver 127.0.0.53\noptions edns0 trust-ad\n")
        (cwd / "nsd.conf").write_text(NSD.format(d=cwd))
        (cwd / "unbound.conf").write_text(UNBOUND.format(d=cwd))

    def start(self) -> None:
        """Start nsd and unbound in the foreground as children."""
        for command in (["nsd", "-d", "-c", "nsd.conf"], ["unbound", "-d", "-c", "unbound.conf"]):
            self._processes.append(subprocess.Popen(command, cwd=self.directory))
        time.sleep(1.5)

    def pids(self) -> list[int]:
        """The two processes."""
        return [process.pid for process in self._processes]

    def stop(self) -> None:
        """End both."""
        for process in self._processes:
            process.terminate()
            process.wait(10)
