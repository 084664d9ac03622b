"""What usually finds out who sent a message: Postfix with policyd-spf, and opendkim and opendmarc as milters.

Debian's packages postfix, postfix-policyd-spf-python, opendkim and opendmarc, each with a configuration below a
directory of the caller, all with a resolv.conf of their own. What would have them do less than danelaw is switched off:
they judge clients on 127.0.0.1 too. They refuse nothing.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from interop.daemons import Daemon, until

from bench.postfix import Postfix

NEEDED = ("postfix", "policyd-spf", "opendkim", "opendmarc", "unshare")
_POSTFIX = "postfix.bench.test"
_NOBODY = "192.0.2.1"  # no client of the benchmark: nobody is local, nobody is trusted

# Debian's opendkim asks by libunbound, which asks no resolver on loopback unless its own file says so, and several
# threads that read that file at once end the process. So the key comes from a file: less work than the others have.
_OPENDKIM = f"""\
Mode v
Socket local:{{directory}}/opendkim.sock
UserID opendkim
UMask 000
Background no
Syslog no
AuthservID {_POSTFIX}
InternalHosts {_NOBODY}
ExternalIgnoreList {_NOBODY}
On-Default accept
TestPublicKeys {{directory}}/keys
"""
_OPENDMARC = f"""\
Socket local:{{directory}}/opendmarc.sock
UserID opendmarc
UMask 000
Background false
Syslog false
AuthservID {_POSTFIX}
TrustedAuthservIDs {_POSTFIX}
IgnoreHosts {{directory}}/ignored
PidFile {{directory}}/opendmarc.pid
RejectFailures false
"""
_POLICYD_SPF = f"""\
debugLevel = 0
TestOnly = 1
HELO_reject = False
Mail_From_reject = False
PermError_reject = False
TempError_Defer = False
Header_Type = AR
Authserv_Id = {_POSTFIX}
skip_addresses = {_NOBODY}/32
"""
_SPAWN = "policyd-spf unix - n n - 0 spawn user=policyd-spf argv=/usr/bin/policyd-spf {directory}/policyd-spf.conf\n"


class MilterChain:
    """`start()` it, use its port, `pids()` and `configuration`, and `stop()` it."""

    def __init__(self, directory: Path, port: int, sink_port: int, resolv_conf: Path, key: str) -> None:
        """`key` is the sender's as opendkim reads it from a file: its name and its record on one line."""
        directory.mkdir()
        directory.chmod(0o755)
        self.port = port
        self._directory, self._resolv_conf, self._key = directory, resolv_conf, f"{key}\n"
        milters = [directory / "opendkim" / "opendkim.sock", directory / "opendmarc" / "opendmarc.sock"]
        self._postfix = Postfix(
            directory / "postfix",
            port,
            {
                "myhostname": _POSTFIX,
                "mynetworks": f"{_NOBODY}/32",
                "relay_domains": "ours.test",
                "relayhost": f"[127.0.0.1]:{sink_port}",
                "maillog_file": f"/var/log/{directory.parent.name}.log",
                "smtpd_relay_restrictions": "reject_unauth_destination",
                "smtpd_recipient_restrictions": "check_policy_service unix:private/policyd-spf",
                "policyd-spf_time_limit": "3600",
                "smtpd_milters": ", ".join(f"unix:{path}" for path in milters),
                "milter_default_action": "tempfail",
            },
        )
        self._daemons: list[Daemon] = []

    @property
    def configuration(self) -> str:
        """What differs from the defaults, in words."""
        postfix = ", ".join(f"{name}={value}" for name, value in self._postfix.settings.items() if value)
        parts = {"Postfix": postfix, "master.cf": _SPAWN, "opendkim": _OPENDKIM, "opendmarc": _OPENDMARC}
        parts["policyd-spf"] = _POLICYD_SPF
        return "\n".join(f"  {name}: {'; '.join(text.split(chr(10))).strip('; ')}" for name, text in parts.items())

    def pids(self) -> dict[str, int]:
        """The root of each process tree; policyd-spf belongs to Postfix's."""
        return {"Postfix and policyd-spf": self._postfix.master_pid} | {one.name: one.pid for one in self._daemons}

    def start(self) -> None:
        """Start the milters, then Postfix."""
        for name, text in (("opendkim", _OPENDKIM), ("opendmarc", _OPENDMARC)):
            self._daemons.append(self._milter(name, text))
        (self._directory / "policyd-spf.conf").write_text(_POLICYD_SPF)
        self._postfix.start(resolv_conf=self._resolv_conf, services=_SPAWN.format(directory=self._directory))

    def _milter(self, name: str, text: str) -> Daemon:
        place = self._directory / name
        place.mkdir()
        shutil.chown(place, name)
        (place / "ignored").write_text(f"{_NOBODY}\n")
        (place / "keys").write_text(self._key)
        config = place / f"{name}.conf"
        config.write_text(text.format(directory=place))
        command = f"mount --bind {self._resolv_conf} /etc/resolv.conf && exec {name} -f"
        option = {"opendkim": "-x", "opendmarc": "-c"}[name]
        daemon = Daemon(["unshare", "-m", "sh", "-c", f"{command} {option} {config}"], place, name)
        if not until((place / f"{name}.sock").exists, 20):
            daemon.stop()
            raise RuntimeError(f"{name} makes no socket\n{daemon.log}")
        return daemon

    @property
    def log(self) -> str:
        """Warnings of the mail log, and what the milters printed."""
        mail = Path(self._postfix.settings["maillog_file"])
        lines = self._postfix.log.splitlines() if mail.exists() else []
        return "\n".join([*(one.log for one in self._daemons), *(line for line in lines if "warning" in line)])

    def stop(self) -> None:
        """End everything and remove the log."""
        self._postfix.stop()
        for one in self._daemons:
            one.stop()
        Path(self._postfix.settings["maillog_file"]).unlink(missing_ok=True)
