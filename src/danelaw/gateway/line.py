"""A process's end of its line to the supervisor, on the event loop: ask, tell, and answer others.

Everything said in one turn of the loop leaves in one write. The supervisor passes messages on by name: `supervisor`,
`control`, `worker-7`. An answer that cannot come any more, since the process asked has died, comes as an error.
"""

from __future__ import annotations

import asyncio
import inspect
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias, cast

from danelaw.errors import DanelawError
from danelaw.gateway.frames import FrameError, FrameReader, Message, encode

Handler: TypeAlias = Callable[[str, Mapping[str, Any]], Any | Awaitable[Any]]
"""Called with who asks and the arguments; what it gives is the answer."""


class LineError(DanelawError):
    """The other process could not answer; `sender` says whose words these are: its own, the supervisor's when it is
    gone, or nobody's.
    """

    def __init__(self, reason: str, *, advice: str | None = None, sender: str = "") -> None:
        super().__init__(reason, advice=advice)
        self.sender = sender


class Line(asyncio.Protocol):
    """`lost` is called once when the supervisor is gone; a worker then ends in good order."""

    def __init__(self, handlers: Mapping[str, Handler], lost: Callable[[], None]) -> None:
        self._handlers = dict(handlers)
        self._lost = lost
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._out: list[bytes] = []
        self._number = 0

    @classmethod
    async def open(cls, end: socket.socket, handlers: Mapping[str, Handler], lost: Callable[[], None]) -> Line:
        """Take over this process's end of a socket pair."""
        end.setblocking(False)
        _, line = await asyncio.get_running_loop().create_connection(lambda: cls(handlers, lost), sock=end)
        return line

    def handle(self, op: str, handler: Handler) -> None:
        """Answer one more operation."""
        self._handlers[op] = handler

    def tell(self, to: str, op: str, **args: Any) -> None:
        """Say something nobody answers."""
        self._send({"to": to, "op": op, "args": args})

    async def ask(self, to: str, op: str, args: Mapping[str, Any] | None = None, *, seconds: float = 60.0) -> Any:
        """Ask and wait for the answer. Raises `LineError`, also when none comes within `seconds`."""
        if self._transport is None:
            raise LineError("the supervisor is gone")
        self._number += 1
        number = self._number
        future: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = future
        self._send({"to": to, "id": number, "op": op, "args": dict(args or {})})
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise LineError(f"{to} did not answer within {seconds:.0f} s") from None
        finally:
            del self._waiting[number]

    def close(self) -> None:
        """Say what is left to say and hang up; `lost` is not called."""
        self._lost = lambda: None
        if self._transport is not None:
            self._flush()
            self._transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Frames from the supervisor."""
        assert self._transport is not None
        try:
            messages = self._reader.receive(data)
        except FrameError:
            self._transport.abort()
            return
        for message in messages:
            self._take(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """The supervisor is gone."""
        self._transport = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(LineError("the supervisor is gone"))
        self._lost()

    # inside

    def _send(self, message: Message) -> None:
        if self._transport is None:
            return
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(encode(message))

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))

    def _take(self, message: Message) -> None:
        if "re" in message:
            future = self._waiting.get(message["re"])
            if future is None or future.done():
                return
            error = message.get("error")
            if error is None:
                future.set_result(message.get("result"))
            else:
                words, sender = str(error.get("reason", "")), str(message.get("from", ""))
                future.set_exception(LineError(words, advice=error.get("advice"), sender=sender))
            return
        task = self._loop.create_task(self._answer(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: Message) -> None:
        sender, number = str(message.get("from", "")), message.get("id")
        answer: Message = {"to": sender, "re": number}
        handler = self._handlers.get(str(message.get("op")))
        try:
            if handler is None:
                raise DanelawError(f"this process knows no operation {message.get('op')!r}")
            result = handler(sender, message.get("args") or {})
            answer["result"] = await result if inspect.isawaitable(result) else result
        except DanelawError as error:
            answer["error"] = {"reason": error.reason, "advice": error.advice}
        except Exception as error:  # a defect must not leave the asker without a word
            answer["error"] = {"reason": f"internal error: {type(error).__name__}: {error}", "advice": "see the log"}
        if number is not None:
            self._send(answer)
