"""The short way: a message that lies in memory goes over a kept, cleared connection without a task of its own.

Most mail of a busy gateway meets an open connection. The transaction then lives in the connection's callbacks, which
costs a third of what a task with its chain of awaiting functions costs. Everything else (no kept connection, a large
body, a host that wants more than one answer) takes the long way, `Tour.run`, which also goes on where this one ends
with recipients still open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.outbound.connection import ConnectionLost
from danelaw.outbound.opening import close
from danelaw.outbound.transmission import Transfer
from danelaw.smtp import BodyDue, RemoteProtocolError

if TYPE_CHECKING:
    from danelaw.outbound.delivery import Tour
    from danelaw.outbound.opening import Door
    from danelaw.outbound.pool import OpenConnection
    from danelaw.queue.pages import Work
    from danelaw.tlspolicy import Judgement

LARGEST_BODY = 1 << 18
"""Octets above which sending waits for the network now and then, which needs a task."""


class Express:
    """One message on its short way. `ended(express, error)` is called once, never from within `start`.

    Afterwards `tour` knows what the host said, unless `unheard`: then the connection was gone before the host said
    anything, and the message is to be sent as if this had not been tried. `error` is a defect of ours, None otherwise.
    """

    __slots__ = (
        "_body", "_door", "_ended", "_judgement", "_more", "_opened", "_transfer", "show", "tour", "unheard", "work"
    )  # fmt: skip

    def __init__(
        self,
        work: Work,
        tour: Tour,
        opened: OpenConnection,
        judgement: Judgement,
        door: Door,
        ended: Callable[[Express, Exception | None], None],
        field: bytes = b"",
    ) -> None:
        """`field` is sent above the message."""
        assert work.body is not None
        self.work = work
        self.tour = tour
        self.unheard = False
        self.show: Callable[[int], None] | None = None
        self._more = len(field)
        self._body = field + work.body if field else work.body
        self._opened = opened
        self._judgement = judgement
        self._door = door
        self._ended = ended
        self._transfer = Transfer(opened.connection, door.patience)

    def start(self) -> bool:
        """Send the envelope. False: the connection is gone, and the long way must be taken."""
        transfer, connection = self._transfer, self._opened.connection
        clearance = self._judgement.clearance
        assert clearance is not None
        try:
            if not transfer.begin(clearance, self.work.message, self.work.message.recipients, self._more):
                asyncio.get_running_loop().call_soon(self._finish)  # the host lacks something: all is said already
                return True
            connection.flush()
        except DanelawError:
            close(self._door, connection)
            return False
        connection.deadline = connection.deadline_in(transfer.seconds)
        connection.listener = self._go_on
        return True

    def cancel(self) -> None:
        """End it from our side: half a message must not be ended politely. `ended` is not called any more."""
        self._opened.connection.listener = None
        close(self._door, self._opened.connection)

    def _go_on(self) -> None:
        if self.show is None:
            self._step()
            return
        self.show(self.work.message.id)
        try:
            self._step()
        finally:
            self.show(0)

    def _step(self) -> None:
        try:
            over = self._advance()
        except Exception as error:
            self.cancel()
            self._ended(self, error)
            return
        if over:
            self._finish()

    def _advance(self) -> bool:
        """Work through what the server said; True when the transaction is over."""
        transfer = self._transfer
        connection = transfer.connection
        try:
            while (event := connection.event_now(transfer.seconds)) is not None:
                if isinstance(event, BodyDue):
                    transfer.result.answered = True
                    connection.protocol.send_message(self._body, screened=True)  # `inbound` gave it to the queue
                    connection.flush()
                    transfer.message_sent()
                elif transfer.take(event):
                    return True
            return False
        except (ConnectionLost, RemoteProtocolError) as error:
            transfer.result.lost = error.reason
            return True

    def _finish(self) -> None:
        sent, opened = self._transfer.result, self._opened
        opened.connection.listener = None
        if not sent.answered and (sent.lost is not None or sent.closing):
            close(self._door, opened.connection)
            self.unheard = True
        else:
            self.tour.took_over(opened, self._judgement, sent)
        self._ended(self, None)
