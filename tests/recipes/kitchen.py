"""Recipes as an operator takes them: the folder copied, its TOML added to the configuration."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.ends import Running

from danelaw.inbound.origin import Origin
from danelaw.testing import FakeDNS, FakeResolver

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
STRANGERS = {'networks = ["127.0.0.0/8"]': 'networks = ["192.0.2.0/24"]\n[[domain]]\nname = "example.org"'}
"""Nobody here is trusted, and example.org is ours."""
NAMES = sorted(path.parent.name for path in RECIPES.glob("*/danelaw.toml"))


def recipe(name: str, tmp_path: Path, replace: dict[str, str] | None = None, more: dict[str, str] | None = None) -> str:
    """The TOML of a recipe; `replace` exchanges what belongs to a place, `more` are further files of its policy."""
    text = (RECIPES / name / "danelaw.toml").read_text()
    for old, new in (replace or {}).items():
        assert old in text
        text = text.replace(old, new)
    source, folder = RECIPES / name / "policy", tmp_path / "policy"
    if source.is_dir():
        shutil.copytree(source, folder)
        for file, content in (more or {}).items():
            (folder / file).write_text(content)
        text = text.replace('directory = "policy"', f'directory = "{folder}"')
    return text


def exchanged(tmp_path: Path, file: str, replace: dict[str, str]) -> None:
    """Exchange constants in a file of the policy, before it is loaded."""
    path = tmp_path / "policy" / file
    text = path.read_text()
    for old, new in replace.items():
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def with_dns(running: Running, dns: FakeDNS) -> None:
    """SPF, DKIM and DMARC look into this DNS from now on."""
    for step in running.gateway.parts.steps.all:
        if isinstance(step, Origin):
            step._resolver = FakeResolver(dns)  # type: ignore[assignment]


def mail(subject: str = "hello", author: str = "Anna <a@sender.test>", more: str = "", text: str = "body") -> bytes:
    """A short message."""
    head = f"From: {author}\r\nTo: b@example.org\r\nSubject: {subject}\r\nMessage-ID: <1@sender.test>\r\n{more}"
    return f"{head}\r\n{text}\r\n".encode()


def with_file(name: str, octets: bytes) -> bytes:
    """A message with a file attached."""
    import base64

    return (
        mail(more='MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"\r\n', text="")
        + b"--b\r\nContent-Type: text/plain\r\n\r\nhere it is\r\n--b\r\nContent-Type: application/octet-stream\r\n"
        + f'Content-Disposition: attachment; filename="{name}"\r\n'.encode()
        + b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(octets).replace(b"\n", b"\r\n")
        + b"--b--\r\n"
    )
