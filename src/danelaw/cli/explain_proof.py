"""`danelaw explain --proof`: the receipt of a message, in a file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from danelaw.cli.output import Output, Symbol, size
from danelaw.errors import DanelawError

_KEY_ADVICE = "openssl genpkey -algorithm ed25519 -out receipt.key"


def write_receipt(
    out: Output, spool: Path, what: str, file: Path, *, omit_addresses: bool, key_file: Path | None, as_json: bool
) -> None:
    """Write the receipt of the message `what` means, and say so. Raises `DanelawError`."""
    from danelaw.outbound.proof import proof

    sign = None if key_file is None else _signer(key_file)
    ident, octets = proof(spool, what, time.time(), omit_addresses=omit_addresses, sign=sign)
    try:
        # Written beside and moved: nobody is to find half a receipt. It names people, so it is for its owner.
        beside = file.with_name(f".{file.name}.{os.getpid()}")
        beside.write_bytes(octets)
        beside.chmod(0o600)
        beside.replace(file)
    except OSError as error:
        raise DanelawError(f"{file} cannot be written: {error.strerror}") from None
    if as_json:
        found: dict[str, Any] = {"id": ident, "file": str(file), "octets": len(octets), "signed": sign is not None}
        out.json({"schema": "danelaw/explain-proof/1", **found})
        return
    out.headline(Symbol.VERIFIED, f"{file}: the receipt of message {ident}, {size(len(octets))}.")
    out.next(f"danelaw verify {file}")


def _signer(file: Path) -> Callable[[bytes], tuple[bytes, bytes]]:
    """Sign with the key in a PEM file. Raises `DanelawError`."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(file.read_bytes(), None)
    except OSError as error:
        raise DanelawError(f"{file} cannot be read: {error.strerror}", advice=_KEY_ADVICE) from None
    except Exception:  # many classes, for what is only a file
        raise DanelawError(f"{file} holds no private key in PEM form without a password", advice=_KEY_ADVICE) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise DanelawError(f"the key in {file} is no Ed25519 key", advice=_KEY_ADVICE)
    public = key.public_key().public_bytes_raw()
    return lambda octets: (public, key.sign(octets))
