"""Where the time of a message goes: a table by stage, and a flame graph.

    python bench/stages.py [--clients 20] [--write docs/flame.svg]

Relays 4 KB messages while a thread in the gateway looks at the main thread's stack every two milliseconds of its work
(`sampler.py`). Each look is counted for the innermost frame that belongs to a stage; a look into uvloop itself, which
has no frames, is the kernel's and the loop's share. Microseconds are the share of the process's own time per message;
the commit thread's time is measured by the system.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from relay import Load
from sampler import flame_graph, read
from workplace import workplace

from gateway import Gateway

SINK_PORT, PORT = 2696, 2597
# Innermost first: the first of these that a stack's frames (from the inside) begin with is its stage.
STAGES = (
    ("log lines", ("telemetry/log", "telemetry/lines", "telemetry/sinks")),
    ("metrics", ("telemetry/",)),
    ("spool: statements", ("spool/writer", "spool/rows", "spool/attempts", "spool/queues")),
    ("spool: batches, callbacks", ("spool/",)),
    ("scheduler and limits", ("queue/",)),
    ("TLS decision", ("tlspolicy/", "outbound/destination")),
    ("SMTP in: protocol", ("smtp/server", "smtp/line_reader", "smtp/message_reader", "smtp/grammar", "address/")),
    ("SMTP out: protocol", ("smtp/client", "smtp/reply_reader", "smtp/body_writer", "smtp/nexthop")),
    ("SMTP: other", ("smtp/",)),
    ("SMTP in: session and reception", ("inbound/", "message/", "requiretls/")),
    ("delivery", ("outbound/",)),
    ("the rest of danelaw", ("gateway/", "resolver/", "net/", "cli/")),
)
LOOP = "event loop and kernel (uvloop, sockets)"


def stage_of(stack: tuple[str, ...]) -> str:
    """The stage a look belongs to."""
    if stack[-1].startswith(("runners:", "__init__:")):
        return LOOP
    for frame in reversed(stack):
        for name, beginnings in STAGES:
            if frame.startswith(beginnings):
                return LOOP if name == STAGES[-1][0] and "gateway/gateway:run" in frame else name
    return "other"


def _thread_seconds(pid: int) -> dict[str, float]:
    """Processor seconds of each thread, by name and number."""
    found: dict[str, float] = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        text = (task / "stat").read_text()
        name, rest = text[text.index("(") + 1 : text.rindex(")")], text[text.rindex(")") + 2 :].split()
        found[f"{name} {task.name}"] = sum(map(int, rest[11:13])) / os.sysconf("SC_CLK_TCK")
    return found


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=30_000)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--write", type=Path, help="the flame graph, as SVG")
    options = parser.parse_args()
    options.fresh, options.sessions, options.domain, options.size = False, options.clients, "sink.test", 4096
    with workplace("stages") as home:
        load = Load(options, home, None, port=SINK_PORT)
        gateway = Gateway(home / "danelaw", PORT, SINK_PORT, sampled=home / "stacks")
        try:
            gateway.start()
            before = _thread_seconds(gateway.pid)
            run = load.run(PORT, [gateway.pid])
            after = _thread_seconds(gateway.pid)
        finally:
            load.stop()
            gateway.stop()
        stacks = Counter({s: n for s, n in read(home / "stacks").items() if "gateway/gateway:run" in s})
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    main_us = 1e6 * spent.pop(next(name for name in spent if name.endswith(f" {gateway.pid}"))) / options.messages
    others_us = 1e6 * sum(spent.values()) / options.messages
    table: Counter[str] = Counter()
    for stack, count in stacks.items():
        table[stage_of(stack)] += count
    looks = sum(table.values())
    print(f"{run.rate:.0f}/s with {options.clients} clients; {run.cpu_us:.0f} us CPU per message, {looks} looks")
    for name, count in table.most_common():
        print(f"  {name:42} {100 * count / looks:5.1f} %  {main_us * count / looks:6.1f} us")
    print(f"  {'other threads: commit, sampler':42}          {others_us:6.1f} us")
    if options.write:
        title = f"danelaw relaying 4 KB messages, {options.clients} clients, main thread, {looks} looks"
        options.write.write_text(flame_graph(stacks, title))
        print(f"drawn: {options.write}")


if __name__ == "__main__":
    main()
