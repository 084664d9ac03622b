"""Where a process spends its time: a thread in it looks at the main thread's stack; a flame graph of what it saw.

`begin(path)` in the process to be watched; it writes collapsed stacks (`a;b;c 12` per line) to `path` every second and
at its end. A look is taken only when the main thread used processor time since the last one, so waiting is not counted.
The picture is an SVG without scripts: each frame is as wide as its share, with its name and share as its title.
"""

from __future__ import annotations

import atexit
import html
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import FrameType

INTERVAL = 0.002
_ROW, _WIDTH = 17, 1180.0


def _name(frame: FrameType) -> str:
    code = frame.f_code
    where = code.co_filename.rpartition("/src/danelaw/")[2] if "/danelaw/" in code.co_filename else ""
    module = (where or code.co_filename.rpartition("/")[2]).removesuffix(".py")
    return f"{module}:{code.co_qualname}"


def begin(path: Path, interval: float = INTERVAL) -> None:
    """Watch the main thread from now on."""
    seen: Counter[tuple[str, ...]] = Counter()
    main = threading.main_thread().ident
    assert main is not None
    clock = time.pthread_getcpuclockid(main)

    def watch() -> None:
        used, written = time.clock_gettime(clock), time.monotonic()
        while True:
            time.sleep(interval)
            before, used = used, time.clock_gettime(clock)
            if used - before > interval / 20:
                frame, stack = sys._current_frames().get(main), []
                while frame is not None:
                    stack.append(_name(frame))
                    frame = frame.f_back
                seen[tuple(reversed(stack))] += 1
            if time.monotonic() - written > 1:
                written = time.monotonic()
                store()

    def store() -> None:
        lines = [f"{';'.join(stack)} {count}\n" for stack, count in list(seen.items())]
        path.write_text("".join(lines))

    threading.Thread(target=watch, name="sampler", daemon=True).start()
    atexit.register(store)


def read(path: Path) -> Counter[tuple[str, ...]]:
    """The stacks that `begin` stored."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in path.read_text().splitlines():
        stack, _, count = line.rpartition(" ")
        found[tuple(stack.split(";"))] += int(count)
    return found


class _Frame:
    def __init__(self, name: str) -> None:
        self.name, self.count, self.below = name, 0, dict[str, _Frame]()

    def add(self, stack: tuple[str, ...], count: int) -> None:
        self.count += count
        if stack:
            self.below.setdefault(stack[0], _Frame(stack[0])).add(stack[1:], count)

    @property
    def depth(self) -> int:
        return 1 + max((one.depth for one in self.below.values()), default=0)


def _colour(name: str) -> str:
    room = name.partition("/")[0]
    hue = sum(map(ord, room)) * 47 % 360
    return f"hsl({hue},55%,72%)"


def _boxes(frame: _Frame, left: float, row: int, scale: float, total: int, height: int) -> list[str]:
    width = frame.count * scale
    if width < 0.6:
        return []
    share = f"{frame.name} {100 * frame.count / total:.1f} %"
    top = height - (row + 1) * _ROW
    text = html.escape(frame.name[: int(width / 6.2)]) if width > 30 else ""
    parts = [
        f'<g><title>{html.escape(share)}</title><rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_ROW - 1}"'
        f' fill="{_colour(frame.name)}"/><text x="{left + 2:.1f}" y="{top + 12}">{text}</text></g>\n'
    ]
    for below in sorted(frame.below.values(), key=lambda one: one.name):
        parts += _boxes(below, left, row + 1, scale, total, height)
        left += below.count * scale
    return parts


def flame_graph(stacks: Counter[tuple[str, ...]], title: str) -> str:
    """An SVG of the stacks, the outermost frame at the bottom."""
    root = _Frame("all")
    for stack, count in stacks.items():
        root.add(stack, count)
    height = (root.depth + 2) * _ROW
    boxes = "".join(_boxes(root, 10.0, 0, _WIDTH / max(1, root.count), max(1, root.count), height))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH + 20:.0f}" height="{height}"'
        ' font-family="sans-serif" font-size="11">\n'
        '<rect width="100%" height="100%" fill="white"/>'
        f'<text x="10" y="14">{html.escape(title)}</text>\n{boxes}</svg>\n'
    )
