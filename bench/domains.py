"""An unsigned zone below the signed one of `zone.DANEZone`, in which any name has an MX.

`x.back.many.dane.test` is served by mx-back (127.0.0.61), `x.well.many.dane.test` by mx-well (127.0.0.62), both on port
25; `lab.routes` of the gateway under test says where these really are.
"""

from __future__ import annotations

from pathlib import Path

from zone import DANEZone

BACK, WELL = "127.0.0.61", "127.0.0.62"
_CHILD = f"""\
$ORIGIN many.dane.test.
$TTL 3600
@ IN SOA ns.dane.test. h.dane.test. 1 3600 600 86400 300
@ IN NS ns.dane.test.
mx-back IN A {BACK}
mx-well IN A {WELL}
*.back IN MX 10 mx-back
*.well IN MX 10 mx-well
"""


class ManyDomains(DANEZone):
    """`DANEZone` with a child zone; `start()` and `stop()` as there."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, 25, more="many IN NS ns.dane.test.\n")
        (directory / "many.zone").write_text(_CHILD)
        with (directory / "nsd.conf").open("a") as file:
            file.write("zone:\n  name: many.dane.test\n  zonefile: many.zone\n")
        with (directory / "unbound.conf").open("a") as file:
            file.write("stub-zone:\n  name: many.dane.test\n  stub-addr: 127.0.0.1@5354\n")

    @staticmethod
    def routes(back: int, well: int) -> str:
        """For the gateway's configuration: the two hosts are sinks on these ports of 127.0.0.1."""
        return f'lab.routes = {{ "{BACK}:25" = "127.0.0.1:{back}", "{WELL}:25" = "127.0.0.1:{well}" }}\n'
