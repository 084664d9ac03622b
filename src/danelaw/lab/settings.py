"""A danelaw.toml for a gateway that shall live in the lab."""

from __future__ import annotations

import json
from pathlib import Path

from danelaw.lab.lab import Lab
from danelaw.lab.letter import Letter, Letters

ANCHOR_FILE = "root.key"
ROOTS_FILE = "roots.pem"
CONFIG_FILE = "danelaw.toml"
LETTERS_DIRECTORY = "letters"


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


def write_letters(letters: Letters, directory: Path) -> dict[Letter, Path]:
    """Write each letter as a file with CRLF into `directory/letters`."""
    place = directory / LETTERS_DIRECTORY
    place.mkdir(parents=True, exist_ok=True)
    files = {letter: place / f"{letter.name}.eml" for letter in letters.letters}
    for letter, file in files.items():
        file.write_bytes(letters.octets(letter))
    return files


def _path(path: Path) -> str:
    return json.dumps(str(path.absolute()))


def _socket(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
