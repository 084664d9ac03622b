"""Talking to the running gateway over its control socket.

Newline-delimited JSON, one request and one response per line, UTF-8: `{"op": "queue.list", "args": {…}}` is answered
by `{"ok": true, "result": …}` or `{"ok": false, "error": {"reason": …, "advice": …}}`.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from danelaw.errors import DanelawError

MAX_RESPONSE = 64 << 20
TIMEOUT_SECONDS = 60.0


class ControlError(DanelawError):
    """The running gateway refused, or answered what cannot be read."""


class NoServer(ControlError):
    """No gateway listens on the control socket."""


def call(path: Path, operation: str, arguments: Mapping[str, Any], *, timeout: float = TIMEOUT_SECONDS) -> Any:
    """Ask the gateway behind the socket at `path`; `timeout` is seconds per read. Returns the result.

    Raises `NoServer` when nobody listens, `ControlError` otherwise; the gateway's own words are passed on.
    """
    request = json.dumps({"op": operation, "args": dict(arguments)}, ensure_ascii=False).encode() + b"\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(timeout)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            raise NoServer(f"no gateway listens on {path}", advice="danelaw serve") from None
        except PermissionError:
            raise ControlError(
                f"you may not use {path}", advice="run it as the gateway's user, or join the group of [control]"
            ) from None
        except OSError as error:
            raise ControlError(f"the gateway at {path} cannot be reached: {error}") from error
        try:
            connection.sendall(request)
            response = _read_line(connection)
        except TimeoutError:
            raise ControlError(f"the gateway did not answer within {timeout:.0f} s") from None
        except OSError as error:
            raise ControlError(f"the gateway at {path} closed the connection: {error}") from error
    return _result(response)


def _read_line(connection: socket.socket) -> bytes:
    """One line of at most `MAX_RESPONSE` octets."""
    chunks: list[bytes] = []
    size = 0
    while chunk := connection.recv(65536):
        chunks.append(chunk)
        size += len(chunk)
        if chunk.endswith(b"\n"):
            return b"".join(chunks)
        if size > MAX_RESPONSE:
            raise ControlError("the gateway's answer is too long", advice="ask for less with --limit")
    raise ControlError("the gateway closed the connection without an answer", advice="look at its log")


def _result(line: bytes) -> Any:
    try:
        response = json.loads(line)
        if response["ok"]:
            return response["result"]
        reason, advice = str(response["error"]["reason"]), response["error"].get("advice")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise ControlError(
            "the gateway's answer cannot be read", advice="is its version the same as this command's?"
        ) from None
    raise ControlError(reason, advice=None if advice is None else str(advice))
