"""What the control socket can be asked, by name: the queue's operations, the state of the gateway, its reload."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from danelaw import __version__

if TYPE_CHECKING:
    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway


def operations(gateway: Gateway) -> dict[str, Operation]:
    """All operations of one gateway."""

    def status(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        report = gateway.resolver_report
        return {
            "version": __version__,
            "pid": os.getpid(),
            "listening": [f"{host}:{port}" for host, port in gateway.listening],
            "sessions": len(gateway.parts.intake.sessions),
            "deliveries": gateway.parts.engine.busy,
            "not_ready": gateway.not_ready(),
            "resolver": None if report is None else [finding.what for finding in report.findings],
            "time": time.time(),
        }

    def reload(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        gateway.reload()
        return {}

    return {"gateway.status": status, "gateway.reload": reload}
