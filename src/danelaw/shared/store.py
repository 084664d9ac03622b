"""The store of shared state: one for a whole gateway, whatever the number of its workers. Pure.

Whoever asks is a *holder*, which is a worker; what it holds, it holds until it gives it back, until its time is over,
or until it is dead (`forget`). Operations are done one after the other, in the order they come in.
"""

from __future__ import annotations

import math
from typing import Any

from danelaw.shared.errors import NoSuchSpace, SharedStateError, StoreFull, StoreUnavailable, WrongKind
from danelaw.shared.leases import Granted, Leases
from danelaw.shared.operations import FREEING, PERFORM, READING
from danelaw.shared.protocol import OPERATIONS, Request, checked
from danelaw.shared.shelf import Budget, Shelf
from danelaw.shared.spaces import MOST_SPACES, Kind, Space
from danelaw.shared.window import Window

MOST_OCTETS = 64 << 20


class Store:
    """All spaces. Times are seconds of one steady clock. `changes` counts what a snapshot would show; while `closed`,
    nobody acquires a semaphore.
    """

    def __init__(self, most_octets: int = MOST_OCTETS, most_spaces: int = MOST_SPACES) -> None:
        self.shelves: dict[str, Shelf] = {}
        self.budget = Budget(most_octets)
        self.changes = 0
        self.closed = False
        self._most_spaces = most_spaces
        self.last_lease = 0
        self._numbers = iter(self._next_lease, 0)
        self._news: list[Granted] = []

    def perform(self, holder: str, request: Request, now: float) -> Any:
        """Do it; gives the result, a `SharedStateError` being one too, or `operations.LATER`: then `news` will tell."""
        try:
            checked(request)
            if request.code == "declare":
                return self.declare(Space.from_json({**request.args[0], "name": request.space}), now)
            return self._perform(holder, request, now)
        except SharedStateError as error:
            shelf = self.shelves.get(request.space) if isinstance(request.space, str) else None
            if shelf is not None:
                shelf.refused += 1
            return error

    def declare(self, space: Space, now: float) -> bool:
        """There is such a space from now on, or it has other limits; True when it is new. Raises `WrongKind`,
        `StoreFull`.
        """
        shelf = self.shelves.get(space.name)
        if shelf is None:
            if len(self.shelves) >= self._most_spaces:
                empty = next((name for name, one in self.shelves.items() if not len(one)), None)
                if empty is None:
                    raise StoreFull(f"there are {self._most_spaces} spaces of shared state already")
                del self.shelves[empty]
            self.shelves[space.name] = Shelf(space, self.budget)
            self.changes += 1
            return True
        before = shelf.space
        if before == space:
            return False
        if before.kind is not space.kind:
            if len(shelf):
                raise WrongKind(
                    f"space {space.name} holds keys of the kind {before.kind}, not {space.kind}",
                    advice=f"use another name, or empty it: danelaw state clear {space.name} --all",
                )
            self.shelves[space.name] = Shelf(space, self.budget)
        elif before.span != space.span:
            self._respan(shelf, space)
        else:
            shelf.space = space
        self.changes += 1
        if space.kind is Kind.SEMAPHORE:
            for key in self.shelves[space.name].names():
                self._serve(self.shelves[space.name], key, now)
        return False

    def forget(self, holder: str, now: float) -> None:
        """A holder is dead: its semaphores are free. Tokens it held count as used."""
        for shelf in self.shelves.values():
            if shelf.space.kind is not Kind.SEMAPHORE:
                continue
            for key in shelf.names():
                content = shelf.peek(key)
                if isinstance(content, Leases):
                    content.forget(holder)
                    self._serve(shelf, key, now)
        self._news = [one for one in self._news if one.holder != holder]

    def news(self) -> list[Granted]:
        """Answers to what was answered `LATER`, since the last call."""
        news, self._news = self._news, []
        return news

    def look(self, now: float, most: int = 500) -> None:
        """Let time work on about so many keys; whoever time lets in is in `news`."""
        for shelf in self.shelves.values():
            if shelf.due > now:
                continue
            waited = shelf.space.kind is Kind.SEMAPHORE
            for key in shelf.look(now, most):
                self.changes += 1
                if waited:
                    self._serve(shelf, key, now)

    @property
    def due(self) -> float:
        """When to `look` again; infinity without need."""
        return min((shelf.due for shelf in self.shelves.values()), default=math.inf)

    # inside

    def _perform(self, holder: str, request: Request, now: float) -> Any:
        shelf = self.shelves.get(request.space)
        if shelf is None:
            raise NoSuchSpace(f"no space {request.space} of shared state is declared")
        shelf.operations += 1
        kind = OPERATIONS[request.code].kind
        if kind is not None and kind is not shelf.space.kind:
            raise WrongKind(f"space {request.space} is a {shelf.space.kind}, not a {kind}")
        if self.closed and kind is Kind.SEMAPHORE and request.code == "acquire":
            raise StoreUnavailable("semaphores rest while workers of another supervisor may hold some")
        result = PERFORM[request.code](shelf, holder, request, now, self._numbers)
        if request.code not in READING:
            self.changes += 1
        if shelf.space.kind is Kind.SEMAPHORE and request.code in FREEING:
            self._serve(shelf, request.key, now)
        return result

    def _serve(self, shelf: Shelf, key: str, now: float) -> None:
        content = shelf.peek(key)
        if not isinstance(content, Leases):
            return
        self._news += content.send_away(now)
        self._news += content.serve(shelf.space.limit, now, self._numbers)
        if content.empty:
            shelf.drop(key)
        else:
            shelf.changed(key, content)

    def _respan(self, shelf: Shelf, space: Space) -> None:
        before = shelf.space.span
        shelf.space = space
        for key in shelf.names():
            content = shelf.peek(key)
            if isinstance(content, Window):
                shelf.put(key, Window.from_row(content.to_row(before), space.span))

    def _next_lease(self) -> int:
        self.last_lease += 1
        return self.last_lease
