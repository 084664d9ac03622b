"""The processes of a gateway: forked, listened to, reaped, and handed on to the supervisor that comes after.

Forking is safe here because the supervisor has neither threads nor an event loop, ever. A child closes what belongs to
the supervisor, takes default signals, and never returns into the supervisor's code.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from danelaw.gateway.frames import FrameReader
from danelaw.gateway.listeners import taken
from danelaw.gateway.switchboard import Peer, Switchboard

HANDED_ON = "DANELAW_HANDED_ON"
"""The variable in which a supervisor tells the one it becomes where to read about sockets, children and permits: the
descriptor of a file in memory, since a variable holds no more than 128 KiB.
"""
_DYING_SECONDS = 2.0
_EXIT_BROKEN = 70  # EX_SOFTWARE of sysexits.h
_IGNORED = (signal.SIGINT, signal.SIGHUP, signal.SIGUSR2)
_HANDLED = (signal.SIGTERM, signal.SIGCHLD, *_IGNORED)


@dataclass(slots=True, eq=False)
class Child:
    """One child process: its name on the switchboard, and its serial on the roster (0 for the control process)."""

    name: str
    pid: int
    serial: int = 0
    killed: bool = False
    silent_since: float | None = None


class Nursery:
    """All children, and the signals that concern them. `signals` are those that came since they were last taken."""

    def __init__(self, switchboard: Switchboard) -> None:
        self.children: dict[int, Child] = {}
        self.signals: set[int] = set()
        self._switchboard = switchboard
        self._selector = selectors.DefaultSelector()
        self._wake_out, self._wake_in = socket.socketpair()
        for end in (self._wake_out, self._wake_in):
            end.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_in.fileno(), warn_on_full_buffer=False)
        for number in _HANDLED:
            signal.signal(number, lambda caught, frame: self.signals.add(caught))

    def fork(self, name: str, serial: int, work: Callable[[socket.socket], int], close: Iterable[int] = ()) -> Child:
        """Start a process that runs `work` with its end of the line and ends with the status that gives. `close` are
        descriptors it must not keep.
        """
        ours, theirs = socket.socketpair()
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
        pid = os.fork()
        if pid == 0:
            self._live(work, ours, theirs, close)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        theirs.close()
        return self._raise(Child(name, pid, serial), ours)

    def take_over(self, inherited: Mapping[str, Any]) -> Child:
        """A child of the supervisor this process was before."""
        child = self._raise(
            Child(str(inherited["name"]), int(inherited["pid"]), int(inherited["serial"])),
            taken(int(inherited["line"])),
        )
        peer = self._switchboard.peers[child.name]
        peer.reader = FrameReader(bytes.fromhex(inherited["unread"]))
        peer.out += bytes.fromhex(inherited["unsent"])
        return child

    def wait(self, seconds: float) -> bool:
        """Pass on what arrives within so many seconds, at once when there is something. True when a signal came or a
        line broke.
        """
        news = False
        for peer in self._switchboard.peers.values():
            mask = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.out else 0)
            if self._selector.get_key(peer.socket).events != mask:
                self._selector.modify(peer.socket, mask, peer)
        for key, mask in self._selector.select(seconds):
            peer = key.data
            if peer is None:
                news = True
                with contextlib.suppress(BlockingIOError):
                    while self._wake_out.recv(4096):
                        pass
                continue
            if mask & selectors.EVENT_WRITE:
                peer.flush()
            if mask & selectors.EVENT_READ:
                self._switchboard.receive(peer)
            news = news or peer.broken
        return news

    def cut_off(self, now: float) -> list[Child]:
        """Children that live on although their line broke a moment ago; they end by themselves when they notice. Each
        is told once. A line that breaks is mostly that of a process that is just dying, and `reap` will tell.
        """
        found = []
        for child in self.children.values():
            peer = self._switchboard.peers.get(child.name)
            if peer is not None and peer.broken:
                self._hang_up(peer)
                child.silent_since = now
            elif child.silent_since is not None and now - child.silent_since > _DYING_SECONDS:
                child.silent_since = None
                found.append(child)
        return found

    def reap(self) -> list[tuple[Child, int]]:
        """Children that have ended since the last call, with their exit status; negative is a signal's number."""
        ended = []
        for pid, child in tuple(self.children.items()):
            try:
                found, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                found, status = pid, 0
            if found:
                del self.children[pid]
                peer = self._switchboard.peers.get(child.name)
                if peer is not None:
                    self._drain(peer)
                    self._hang_up(peer)
                ended.append((child, os.waitstatus_to_exitcode(status)))
        return ended

    def kill(self, child: Child) -> None:
        """End it at once."""
        child.killed = True
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)

    def become(self, state: Mapping[str, Any]) -> None:
        """Run this program anew in this process, with all children and what `state` says. Raises `OSError`."""
        memory = os.memfd_create(HANDED_ON, 0)
        with os.fdopen(os.dup(memory), "w", encoding="utf-8") as stream:
            json.dump(state, stream)
        for child in self.children.values():
            peer = self._switchboard.peers.get(child.name)
            if peer is not None:
                os.set_inheritable(peer.socket.fileno(), True)
        # Until the new code handles them, the default of these signals would end it.
        for number in _IGNORED:
            signal.signal(number, signal.SIG_IGN)
        try:
            os.execve(sys.executable, sys.orig_argv, {**os.environ, HANDED_ON: str(memory)})
        finally:
            os.close(memory)
            for number in _IGNORED:
                signal.signal(number, lambda caught, frame: self.signals.add(caught))

    def described(self, child: Child) -> dict[str, Any] | None:
        """What `take_over` needs to know of a child; None for one whose line is closed."""
        peer = self._switchboard.peers.get(child.name)
        if peer is None:
            return None
        return {
            "name": child.name, "pid": child.pid, "serial": child.serial, "line": peer.socket.fileno(),
            "unread": peer.reader.begun.hex(), "unsent": peer.out.hex(),
        }  # fmt: skip

    # inside

    def _raise(self, child: Child, end: socket.socket) -> Child:
        self.children[child.pid] = child
        peer = self._switchboard.connect(child.name, end)
        self._selector.register(peer.socket, selectors.EVENT_READ, peer)
        return child

    def _drain(self, peer: Peer) -> None:
        """Its last words were said before it ended."""
        while not peer.broken:
            before = peer.received
            self._switchboard.receive(peer)
            if peer.received == before:
                return

    def _hang_up(self, peer: Peer) -> None:
        self._selector.unregister(peer.socket)
        self._switchboard.disconnect(peer.name)

    def _live(
        self, work: Callable[[socket.socket], int], ours: socket.socket, theirs: socket.socket, close: Iterable[int]
    ) -> None:
        """In the child: never returns."""
        status = _EXIT_BROKEN
        try:
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_IGN if number in _IGNORED else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            self._selector.close()
            for end in (ours, self._wake_out, self._wake_in):
                end.close()
            for peer in self._switchboard.peers.values():
                peer.socket.close()
            for descriptor in close:
                os.close(descriptor)
            # What is the supervisor's is no garbage of ours: to look through it would copy its memory.
            gc.freeze()
            gc.enable()
            status = work(theirs)
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)


def predecessor(environment: dict[str, str]) -> dict[str, Any]:
    """What the supervisor that this process was before handed on; empty at an ordinary start."""
    memory = environment.pop(HANDED_ON, "")
    if not memory:
        return {}
    with os.fdopen(int(memory), "r", encoding="utf-8") as stream:
        stream.seek(0)
        found: dict[str, Any] = json.load(stream)
    return found


class Rehearsed:
    """The same command once more, in another process, only to see whether the code and the configuration load."""

    def __init__(self, option: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, *sys.orig_argv[1:], option], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def result(self) -> tuple[bool, str] | None:
        """Whether it went well, and what it said; None while it runs."""
        if self._process.poll() is None:
            return None
        assert self._process.stderr is not None
        with self._process.stderr as pipe:
            words = pipe.read().strip()
        return self._process.returncode == 0, words
