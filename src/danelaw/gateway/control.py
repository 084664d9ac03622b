"""The control socket: commands of the CLI to the running gateway, one JSON object per line.

A request is `{"op": "queue.list", "args": {…}}`; the answer `{"ok": true, "result": …}` or
`{"ok": false, "error": {"reason": …, "advice": …}}`. The socket is for its owner and one group; who called is
taken from the kernel (SO_PEERCRED) and handed to the operation, so that an operator's act is logged with a name.
"""

from __future__ import annotations

import asyncio
import contextlib
import grp
import inspect
import json
import os
import pwd
import shutil
import socket
import stat
import struct
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from danelaw.errors import DanelawError

Operation = Callable[[Mapping[str, Any], str], Any | Awaitable[Any]]

_LINE_LIMIT = 1 << 20
_IDLE_SECONDS = 300.0
_UNHEARD_SECONDS = 1.0
"""So long a caller who has asked for nothing yet can hold up the end."""
_BACKLOG = 100


class ControlSocketTaken(DanelawError):
    """Another gateway answers on the control socket."""


class ControlServer:
    """Serves `operations` (by name) on a Unix socket. Each is called with its arguments and the caller's user name."""

    def __init__(
        self,
        path: Path,
        operations: Mapping[str, Operation],
        *,
        group: str | None = None,
        broken: Callable[[str, Exception], None] | None = None,
    ) -> None:
        """`group` may use it beside the owner; `broken` is told of operations that failed for a defect of ours."""
        self._path = path
        self._broken = broken
        self._clients: set[asyncio.StreamWriter] = set()
        self._unheard: set[asyncio.StreamWriter] = set()
        self._operations = dict(operations)
        self._group = group
        self._own = True
        self._answering = 0
        self._server: asyncio.Server | None = None

    async def start(self, listening: socket.socket | None = None) -> None:
        """Serve on `listening`, or else bind the socket. Raises `ControlSocketTaken`, or `DanelawError` for a path or
        group that cannot be used.
        """
        self._own = listening is None
        # The path of a socket that others serve after us must stay (Python 3.13 would remove it).
        keep: dict[str, Any] = {"cleanup_socket": False} if sys.version_info >= (3, 13) else {}
        self._server = await asyncio.start_unix_server(
            self._serve,
            sock=bind_control(self._path, self._group) if listening is None else listening,
            limit=_LINE_LIMIT,
            **keep,
        )

    async def close(self, patience: float = 0.0) -> None:
        """Stop listening, let requests be answered for `patience` seconds, those too of callers who have only just
        connected, hang up, and remove the socket if it is ours.
        """
        if self._server is not None:
            self._server.close()
            self._server = None
            loop = asyncio.get_running_loop()
            end, heard = loop.time() + patience, loop.time() + min(patience, _UNHEARD_SECONDS)
            if patience:
                await asyncio.sleep(0.01)  # who was accepted in this turn of the loop is known in the next
            while (self._answering and loop.time() < end) or (self._unheard and loop.time() < heard):
                await asyncio.sleep(0.01)
            for writer in tuple(self._clients):
                writer.close()
            if self._own:
                self._path.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        caller = _caller(writer.get_extra_info("socket"))
        self._clients.add(writer)
        self._unheard.add(writer)
        try:
            while True:
                async with asyncio.timeout(_IDLE_SECONDS):
                    line = await reader.readline()
                if not line:
                    break
                self._unheard.discard(writer)
                self._answering += 1
                try:
                    answer = await self._answer(line, caller)
                    writer.write(json.dumps(answer, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")
                    await writer.drain()
                finally:
                    self._answering -= 1
        except (TimeoutError, ValueError, ConnectionError):
            pass  # an idle, over-long or vanished caller: nothing is owed to it
        finally:
            self._clients.discard(writer)
            self._unheard.discard(writer)
            writer.close()

    async def _answer(self, line: bytes, caller: str) -> dict[str, Any]:
        try:
            request = json.loads(line)
            operation = self._operations.get(str(request["op"]))
            arguments = request.get("args") or {}
            if not isinstance(arguments, dict):
                raise TypeError
        except (ValueError, KeyError, TypeError, RecursionError):
            return _refusal(DanelawError('a request is one JSON object per line: {"op": …, "args": {…}}'))
        if operation is None:
            return _refusal(
                DanelawError(
                    f"this gateway knows no operation {request['op']!r}",
                    advice="use the danelaw command of the same version as the running gateway",
                )
            )
        try:
            result = operation(arguments, caller)
            if inspect.isawaitable(result):
                result = await result
        except DanelawError as error:
            return _refusal(error)
        except Exception as error:  # a defect must not leave the caller without a word
            if self._broken is not None:
                self._broken(str(request["op"]), error)
            return _refusal(DanelawError(f"internal error: {type(error).__name__}: {error}", advice="see the log"))
        return {"ok": True, "result": result}


def bind_control(path: Path, group: str | None) -> socket.socket:
    """The listening control socket, for its owner and one group. Raises `ControlSocketTaken`, `DanelawError`."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_room(path)
        previous = os.umask(0o117)
        try:
            one.bind(str(path))
        finally:
            os.umask(previous)
        one.listen(_BACKLOG)
        one.setblocking(False)
        if group is not None:
            shutil.chown(path, group=grp.getgrnam(group).gr_gid)
    except OSError as error:
        one.close()
        raise DanelawError(
            f"the control socket {path} cannot be made: {error.strerror or error}",
            advice="set socket in [control] to a short path in a directory of this user",
        ) from None
    except KeyError:
        one.close()
        raise DanelawError(f"there is no group {group!r} on this machine", advice="correct [control] group") from None
    except BaseException:
        one.close()
        raise
    return one


def _make_room(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise DanelawError(f"{path} is no socket and is not overwritten", advice="correct [control] socket")
        if _answers(path):
            raise ControlSocketTaken(f"another gateway answers on {path}", advice="stop it first")
        path.unlink()


def _refusal(error: DanelawError) -> dict[str, Any]:
    return {"ok": False, "error": {"reason": error.reason, "advice": error.advice}}


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return False
        except TimeoutError:
            return True  # somebody listens, though it is too busy to say so
        return True


def _caller(connection: Any) -> str:
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    uid = struct.unpack("3i", credentials)[1]
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
