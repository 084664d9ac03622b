"""A danelaw.toml for a gateway that shall live in the lab."""

from __future__ import annotations

import json
from pathlib import Path

from danelaw.lab.lab import Lab

ANCHOR_FILE = "root.key"
ROOTS_FILE = "roots.pem"
CONFIG_FILE = "danelaw.toml"


def gateway_settings(lab: Lab, directory: Path, *, listen: str = "127.0.0.1:2525") -> str:
    """The configuration, with trust anchor and public CA in `directory`; only for a lab that has started."""
    host, port = lab.name_server.address
    lines = [
        'hostname = "gateway.lab"',
        "",
        "[[listen]]",
        f"address = {json.dumps(listen)}",
        "",
        "[relay]",
        'networks = ["127.0.0.0/8"]',
        "",
        "[spool]",
        f"directory = {_path(directory / 'spool')}",
        "",
        "[resolver]",
        f'servers = ["{host}:{port}"]',
        f"anchor_file = {_path(directory / ANCHOR_FILE)}",
        "",
        "[tls]",
        f"roots_file = {_path(directory / ROOTS_FILE)}",
    ]
    for scenario in lab.scenarios:
        if scenario.next_hop:
            lines += ["", "[[route]]", f'domain = "{scenario.domain}"', f'next_hop = "{scenario.next_hop}"']
    lines += ["", "[lab.routes]"]
    lines += [f'"{_socket(*source)}" = "{_socket(*target)}"' for source, target in lab.routes.items()]
    return "\n".join(lines) + "\n"


def write_settings(lab: Lab, directory: Path, *, listen: str = "127.0.0.1:2525") -> Path:
    """Write the configuration and the files it names into `directory`; gives the path of the configuration."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / ANCHOR_FILE).write_text(lab.anchors_text)
    (directory / ROOTS_FILE).write_bytes(lab.roots_pem)
    config = directory / CONFIG_FILE
    config.write_text(gateway_settings(lab, directory, listen=listen))
    return config


def _path(path: Path) -> str:
    return json.dumps(str(path.absolute()))


def _socket(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
