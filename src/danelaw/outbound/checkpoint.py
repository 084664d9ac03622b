"""Limits on the way: before a host is used, and for the connections kept to it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from danelaw.queue.gate_state import Question
from danelaw.queue.limits import Allowance
from danelaw.queue.permits import PermitKey, Refused

if TYPE_CHECKING:
    from danelaw.outbound.pool import OpenConnection, Pool
    from danelaw.queue.gate import Gate
    from danelaw.queue.pages import Work

_FREE = Allowance()
_ANSWER_SECONDS = 10.0
_MOST_QUESTIONS = 3


class LimitReached(Exception):
    """A limit refused a delivery before anything was sent: the message waits, and this counts as no try."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


class Checkpoint:
    """Asks the gate for one process's deliveries. Without a gate everything is allowed."""

    __slots__ = ("_gate", "_pool")

    def __init__(self, gate: Gate | None, pool: Pool) -> None:
        self._gate = gate
        self._pool = pool
        if gate is not None:
            gate.stock.part = self._part

    def passes(
        self, work: Work, mx: str, address: str, source: str, *, new: bool = False, ask: bool = True
    ) -> Allowance | Question:
        """What using this host, or opening a new connection to it, from our address `source` (empty where the kernel
        chooses) is allowed to; a question where the broker must be asked, for `admitted`. Without `ask` it is not
        asked. Raises `LimitReached`.
        """
        gate = self._gate
        if gate is None:
            return _FREE
        answer = gate.connect(work.serial, work.key, mx, address, source, new=new, ask=ask)
        if isinstance(answer, Refused):
            raise LimitReached(answer)
        if new and isinstance(answer, Allowance):
            self._part(answer.slots)
        return answer

    async def admitted(
        self, work: Work, mx: str, address: str, source: str, question: Question, *, new: bool = False
    ) -> Allowance:
        """The same once the broker has said so, and nothing has run out meanwhile. Raises `LimitReached`."""
        for _ in range(_MOST_QUESTIONS):
            await self._answer(question)
            if new:
                assert self._gate is not None
                self._part(self._gate.allowance(work.key).slots)
            answer = self.passes(work, mx, address, source)
            if not isinstance(answer, Question):
                return answer
            question = answer
        raise LimitReached(question.refusal)

    async def _answer(self, question: Question) -> None:
        heard: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        question.answered = lambda: None if heard.done() else heard.set_result(None)
        assert self._gate is not None
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await heard
        except TimeoutError:
            pass  # the supervisor does not answer: whatever has no limit goes on, this waits
        finally:
            self._gate.give_up(question)
        if not isinstance(question.answer, Allowance):
            raise LimitReached(question.answer or question.refusal)

    def _part(self, keys: tuple[PermitKey, ...]) -> None:
        """Idle connections count at the host: no more of them stay than there are slots kept for them."""
        assert self._gate is not None
        for key in keys:
            idle = self._pool.idle(key)
            if idle:
                self._pool.shed(key, idle - self._gate.kept(key))

    @staticmethod
    def mark(opened: OpenConnection, allowance: Allowance) -> None:
        """The connection serves as many messages as is allowed now, and while idle counts for its limits."""
        opened.keys = allowance.slots
        opened.most = allowance.messages_per_connection
