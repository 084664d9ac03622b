"""Which hooks a policy has, without running a line of it here: a worker loads it and tells."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from pathlib import Path

from danelaw.errors import DanelawError
from danelaw.policy import POINTS, FailurePolicy, Hook
from danelaw.policy.forms import WireError, form_of
from danelaw.scripting.errors import PolicyError
from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.isolated.frames import Frame, FrameReader
from danelaw.scripting.isolated.process import spawn
from danelaw.scripting.isolated.runner import runs_elsewhere
from danelaw.scripting.isolated.worker import HookFacts, PolicyFacts
from danelaw.scripting.loading import LOAD_SECONDS, LoadedPolicy, in_order


def describe(directory: Path, bounds: Confinement, beside: Iterable[Hook] = ()) -> LoadedPolicy:
    """The policy in a directory as it is asked in workers, with hooks `beside` that are not in its files among its own.

    Waits for a worker to load it; raises `PolicyError`.
    """
    process, line = spawn(directory.absolute(), "", bounds)
    try:
        with line:
            line.settimeout(3 * LOAD_SECONDS)
            frame = _first(line)
    except TimeoutError:
        raise PolicyError(f"the policy in {directory} did not load within {3 * LOAD_SECONDS:.0f} seconds") from None
    except (OSError, WireError) as error:
        raise PolicyError(f"the process that was to load the policy in {directory} ended: {error}") from None
    finally:
        process.kill()
        process.wait()
    if "ready" not in frame.object:
        raise PolicyError(str(frame.object.get("refused"))[:500], advice=str(frame.object.get("advice") or "") or None)
    try:
        facts: PolicyFacts = form_of(PolicyFacts).read(frame.object["ready"], "policy", None)
        hooks = tuple(_hook(one) for one in facts.hooks)
    except DanelawError as error:
        raise PolicyError(f"the policy in {directory} is told in a way that was not agreed: {error.reason}") from None
    return LoadedPolicy(facts.version, directory.absolute(), in_order((*hooks, *beside)), facts.files)


def _first(line: socket.socket) -> Frame:
    reader = FrameReader()
    while True:
        data = line.recv(65536)
        if not data:
            raise WireError("it said nothing")
        for frame in reader.receive(data):
            return frame


def _hook(facts: HookFacts) -> Hook:
    if facts.point not in POINTS or not facts.name.isidentifier() or len(facts.name) > 200:
        raise WireError(f"{facts.name!r:.60} at {facts.point!r:.60} is no hook")
    return Hook(
        point=facts.point, name=facts.name, function=runs_elsewhere, module=facts.module[:200], line=facts.line,
        order=facts.order, seconds=facts.seconds, cpu=facts.cpu, on_failure=FailurePolicy(facts.on_failure),
        every=facts.every, is_coroutine=True,
    )  # fmt: skip
