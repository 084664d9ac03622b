"""Does a message cost more processor time than it did? Fails when it is 15 % more than the recorded figure.

    python bench/gate.py            compare with bench/gate.json; exit status 1 when the limit is passed
    python bench/gate.py --record   write what is measured now as the figure to compare with

Relays 4 KB messages over 20 kept connections. Processor time per message depends on the machine and on what else it
does, so it is divided by that of the load tools (smtp-source and the sink) in the same run, whose work is constant: the
number compared is how many times as much the gateway takes. Median of the rounds. Needs Debian's postfix package.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from relay import Load, Run
from workplace import workplace

from gateway import Gateway

SINK_PORT, PORT = 2686, 2587
RECORDED = Path(__file__).with_name("gate.json")
ALLOWED = 1.15


def measure(options: argparse.Namespace) -> list[Run]:
    """All rounds, after a short one that is not counted."""
    with workplace("gate") as home:
        load = Load(options, home, None, port=SINK_PORT)
        gateway = Gateway(home / "danelaw", PORT, SINK_PORT)
        try:
            gateway.start()
            load.run(PORT, [gateway.pid])
            runs = []
            for number in range(options.rounds):
                run = load.run(PORT, [gateway.pid])
                runs.append(run)
                print(
                    f"  round {number + 1}: {run.rate:5.0f}/s   gateway {run.cpu_us:4.0f} us   load tools"
                    f" {run.tools_us:4.1f} us   {run.cpu_us / run.tools_us:5.2f} times",
                    flush=True,
                )
            return runs
        finally:
            load.stop()
            gateway.stop()


def main() -> None:
    """Measure, and compare or record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="write bench/gate.json")
    parser.add_argument("--messages", type=int, default=15_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    options.fresh, options.sessions, options.domain, options.size = False, 20, "sink.test", 4096
    runs = measure(options)
    found = statistics.median(run.cpu_us / run.tools_us for run in runs)
    shown = {
        "times_the_load_tools": round(found, 3),
        "gateway_us": round(statistics.median(run.cpu_us for run in runs), 1),
        "load_tools_us": round(statistics.median(run.tools_us for run in runs), 1),
        "recorded": time.strftime("%Y-%m-%d", time.gmtime()),
        "messages": options.messages,
        "rounds": options.rounds,
    }
    if options.record:
        RECORDED.write_text(json.dumps(shown, indent=2) + "\n")
        print(f"recorded: a message takes {found:.2f} times what the load tools take for it")
        return
    recorded = json.loads(RECORDED.read_text())
    change = found / recorded["times_the_load_tools"]
    print(
        f"a message takes {found:.2f} times what the load tools take for it; recorded {recorded['recorded']}:"
        f" {recorded['times_the_load_tools']:.2f} ({100 * (change - 1):+.0f} %, allowed {100 * (ALLOWED - 1):+.0f} %)"
    )
    if change > ALLOWED:
        raise SystemExit("too much: find out what became dearer (python bench/stages.py), or record it with a reason")


if __name__ == "__main__":
    main()
