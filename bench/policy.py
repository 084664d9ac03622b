"""What a policy costs: the same relay without one, with an empty one, and with five hooks on every message.

    python bench/policy.py [--messages 6000] [--rounds 5]

Relays 4 KB messages over 20 kept connections, in alternating rounds through gateways that differ in policy alone.
The five hooks: mail_from and rcpt_to look at addresses, two at end of data read and change header fields, one counts.
Needs Debian's postfix package for the load tools. Processor time is divided by that of the load tools in the round.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from relay import Load, Run
from workplace import workplace

from gateway import Gateway

SINK_PORT, PORT = 2696, 2597
AIMS = {"empty policy": 1.03, "five hooks": 1.25}

EMPTY = '"""Says nothing."""\n'
FIVE = """
from danelaw.policy import *


@hook.mail_from
def sender(ctx: MailContext):
    if ctx.reverse_path.domain == "bad.example":
        return Reject("not from there")


@hook.rcpt_to
def recipient(ctx: RecipientContext):
    if ctx.recipient.localpart == "closed":
        return Reject("closed", 550, "5.1.1")


@hook.end_of_data
def read(ctx: MessageContext):
    if "lottery" in ctx.mail.subject.lower():
        return Hold("lottery")


@hook.end_of_data(order=1)
def write(ctx: MessageContext):
    ctx.mail.add("X-Policy", "seen")
    ctx.mail.set("X-Client", ctx.client.address)


@hook.end_of_data(order=2)
async def count(ctx: MessageContext):
    ctx.notes["seen"] = True
    {counting}
"""


def policies(home: Path, counting: str) -> dict[str, str]:
    """The configurations, by what they are called."""
    found = {"no policy": ""}
    for name, text in (("empty policy", EMPTY), ("five hooks", FIVE.replace("{counting}", counting))):
        folder = home / name.replace(" ", "-")
        folder.mkdir()
        (folder / "policy.py").write_text(text)
        found[name] = f'[policy]\ndirectory = "{folder}"\n'
    return found


def measure(options: argparse.Namespace) -> dict[str, list[Run]]:
    """All rounds, alternating, after a short one of each that is not counted."""
    runs: dict[str, list[Run]] = {}
    with workplace("policy") as home, contextlib.ExitStack() as stack:
        load = Load(options, home, None, port=SINK_PORT)
        stack.callback(load.stop)
        gateways = {}
        for number, (name, more) in enumerate(policies(home, options.counting).items()):
            gateway = gateways[name] = Gateway(home / f"danelaw-{number}", PORT + number, SINK_PORT, more=more)
            stack.callback(gateway.stop)
            gateway.start()
            load.run(gateway.port, [gateway.pid])
        for _ in range(options.rounds):
            for name, gateway in gateways.items():
                run = load.run(gateway.port, [gateway.pid])
                runs.setdefault(name, []).append(run)
                print(
                    f"  {name:14} {run.rate:5.0f}/s  {run.cpu_us:4.0f} us, load tools {run.tools_us:4.1f} us",
                    flush=True,
                )
    return runs


def main() -> None:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=6000, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--counting", default='ctx.library.measures.count("messages")', help="the statement that counts"
    )
    options = parser.parse_args()
    options.fresh, options.sessions, options.domain, options.size = False, 20, "sink.test", 4096
    runs = measure(options)
    cost = {name: statistics.median(run.cpu_us / run.tools_us for run in found) for name, found in runs.items()}
    usual = cost.pop("no policy")
    print(f"without a policy a message takes {usual:.2f} times the processor time of the load tools; with")
    for name, found in cost.items():
        print(f"  {name:14} {100 * (found / usual - 1):+5.1f} %   (aim: at most {100 * (AIMS[name] - 1):+.0f} %)")


if __name__ == "__main__":
    main()
