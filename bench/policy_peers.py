"""The five hooks of bench/policy.py beside the same in Haraka (plug-in) and in Postfix (milter in Python on libmilter).

    DANELAW_PEERS=DIRECTORY python bench/policy_peers.py [--peer haraka|pymilter] [--messages 2000] [--rounds 3]

Each looks at sender and recipient, reads the subject, adds two fields, and counts. Needs Debian's postfix; for pymilter
python3-milter; Haraka where `bench/peers/set-up` put it. Alternating rounds, processor time of all their processes.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from other_peers import Haraka, PeerMissing
from postfix import Postfix
from relay import Load, Run
from workplace import workplace

from gateway import Gateway
from policy import policies

SINK_PORT, DANELAW_PORT, PEER_PORT = 2706, 2607, 2608
HARAKA_PLUGIN = """\
let seen = 0
exports.register = function () {
  this.register_hook('mail', 'sender'); this.register_hook('rcpt', 'recipient')
  this.register_hook('data_post', 'message'); this.register_hook('get_mx', 'where')
}
exports.sender = function (next, connection, params) {
  next(params[0].host === 'bad.example' ? DENY : CONT)
}
exports.recipient = function (next, connection, params) {
  connection.relaying = true
  next(params[0].user === 'closed' ? DENY : OK)
}
exports.message = function (next, connection) {
  const message = connection.transaction
  if (message.header.get_decoded('Subject').toLowerCase().includes('lottery')) return next(DENY)
  message.add_header('X-Policy', 'seen')
  message.remove_header('X-Client')
  message.add_header('X-Client', connection.remote.ip)
  message.notes.seen = true
  seen++
  next()
}
exports.where = function (next) { next(OK, { priority: 0, exchange: '127.0.0.1', port: %d }) }
"""
MILTER = """\
import sys
import Milter

seen = 0

class Five(Milter.Base):
    @Milter.noreply
    def connect(self, name, family, address):
        self.client = address[0]
        return Milter.CONTINUE

    def envfrom(self, address, *more):
        self.subject = ""
        return Milter.REJECT if address.rstrip(">").endswith("@bad.example") else Milter.CONTINUE

    def envrcpt(self, address, *more):
        return Milter.REJECT if address.startswith("<closed@") else Milter.CONTINUE

    @Milter.noreply
    def header(self, name, value):
        if name.lower() == "subject":
            self.subject = value
        return Milter.CONTINUE

    @Milter.nocallback
    def body(self, chunk):
        return Milter.CONTINUE

    def eom(self):
        global seen
        if "lottery" in self.subject.lower():
            return Milter.REJECT
        self.addheader("X-Policy", "seen")
        self.addheader("X-Client", self.client)
        seen += 1
        return Milter.CONTINUE

Milter.factory = Five
Milter.set_flags(Milter.ADDHDRS)
Milter.runmilter("five", sys.argv[1], 60)
"""


class ScriptedHaraka(Haraka):
    """Haraka with the plug-in."""

    def command(self) -> list[str | Path]:
        command = list(super().command())
        (self.directory / "plugins/pass_on.js").write_text(HARAKA_PLUGIN % self.sink_port)
        return command


class PostfixWithMilter:
    """Postfix, tuned as in bench/relay.py, and the milter."""

    def __init__(self, directory: Path, port: int) -> None:
        directory.mkdir()
        self._socket = f"inet:{PEER_PORT + 1}@127.0.0.1"
        self._milter = directory / "five.py"
        self._milter.write_text(MILTER)
        self._process: subprocess.Popen[bytes] | None = None
        milters = f"inet:127.0.0.1:{PEER_PORT + 1}"
        settings = {"smtpd_milters": milters, "milter_default_action": "tempfail"}
        settings["relayhost"] = f"[127.0.0.1]:{SINK_PORT}"
        self._postfix = Postfix(directory / "postfix", port, settings)

    def start(self) -> None:
        """Start the milter, then Postfix."""
        python = "/usr/bin/python3"
        if subprocess.run([python, "-c", "import Milter"], capture_output=True, check=False).returncode:
            raise PeerMissing("Debian's Python has no pymilter (apt install python3-milter)")
        self._process = subprocess.Popen([python, str(self._milter), self._socket])
        for _ in range(50):
            time.sleep(0.1)
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", PEER_PORT + 1)) == 0:
                    break
        self._postfix.start()

    @property
    def pids(self) -> list[int]:
        """The roots of its processes."""
        assert self._process is not None
        return [self._postfix.master_pid, self._process.pid]

    def stop(self) -> None:
        """End both."""
        self._postfix.stop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()


def main() -> None:
    """Measure in alternation and print ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=("haraka", "pymilter"), default="pymilter")
    parser.add_argument("--messages", type=int, default=2000, help="in each round")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    options.fresh, options.sessions, options.domain, options.size = False, 20, "sink.test", 4096
    with workplace("policy-peers") as home:
        load = Load(options, home, None, port=SINK_PORT)
        more = policies(home, 'ctx.library.measures.count("messages")')["five hooks"]
        gateway = Gateway(home / "danelaw", DANELAW_PORT, SINK_PORT, more=more)
        if options.peer == "haraka":
            peer: ScriptedHaraka | PostfixWithMilter = ScriptedHaraka(home / "peer", PEER_PORT, SINK_PORT)
        else:
            peer = PostfixWithMilter(home / "peer", PEER_PORT)
        results: dict[str, list[Run]] = {}
        try:
            peer.start()
            gateway.start()
            roots = peer.pids if isinstance(peer, PostfixWithMilter) else [peer.master_pid]
            servers = {options.peer: (PEER_PORT, roots), "danelaw": (DANELAW_PORT, [gateway.pid])}
            for _ in range(options.rounds):
                for name, (port, pids) in servers.items():
                    run = load.run(port, pids)
                    results.setdefault(name, []).append(run)
                    print(f"  {name:9} {run.rate:5.0f}/s  {run.cpu_us:5.0f} us a message", flush=True)
        except PeerMissing as missing:
            raise SystemExit(f"not measured: {missing}") from None
        finally:
            load.stop()
            gateway.stop()
            peer.stop()
    rate = {name: statistics.median(run.rate for run in runs) for name, runs in results.items()}
    cpu = {name: statistics.median(run.cpu_us for run in runs) for name, runs in results.items()}
    print(
        f"danelaw with five hooks: {rate['danelaw'] / rate[options.peer]:.1f} times the rate of {options.peer} with"
        f" the same, for {cpu['danelaw'] / cpu[options.peer]:.2f} of its processor time"
    )


if __name__ == "__main__":
    main()
