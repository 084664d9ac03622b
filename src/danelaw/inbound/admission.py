"""How many messages may be under way at once, so that each is answered soon: overload is refused, not piled up.

A gateway that takes everything answers everybody late; clients time out after the work was done for them, send again,
and nothing gets through any more. So the number of transactions is a window that grows while messages are stored
quickly and shrinks while they are not, as TCP does with a congested path. Who finds it full is told at MAIL to come
again soon, before any work was done.
"""

from __future__ import annotations

TARGET_SECONDS = 0.5
LEAST, MOST = 20.0, 4000.0
_SHRINK = 0.98


class Admission:
    """The window. `under_way` counts messages that came whole and are not on stable storage yet: a client that dawdles
    within its message takes nobody's place. Pure: times are arguments, in seconds.
    """

    __slots__ = ("under_way", "window")

    def __init__(self, window: float = MOST) -> None:
        self.window = window
        self.under_way = 0

    @property
    def full(self) -> bool:
        """True when no further transaction may begin."""
        return self.under_way >= self.window

    def answered(self, seconds: float) -> None:
        """A message was stored, so long after its end had come; or so late does the event loop turn."""
        if seconds > TARGET_SECONDS:
            self.window = max(LEAST, min(self.window, self.under_way + 1.0) * _SHRINK)
        elif self.window < MOST:
            self.window = min(MOST, self.window + 1.0 / self.window)
