"""What a supervisor hands on when it runs itself anew: sockets, lock, children with lines, all permits and shares."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from danelaw.gateway.roster import Roster, State

if TYPE_CHECKING:
    from danelaw.gateway.children import Nursery
    from danelaw.gateway.grants import Grants
    from danelaw.gateway.listeners import Listeners


def handed_on(
    nursery: Nursery, roster: Roster, listeners: Listeners, lock: int, control: int, grants: Grants
) -> dict[str, Any]:
    """Everything, as JSON has it. `control` is the number of the control process."""
    children = []
    for child in nursery.children.values():
        facts = nursery.described(child)
        if facts is None:
            continue
        worker = roster.workers.get(child.serial)
        if worker is not None:
            retiring = worker.state is State.RETIRING
            facts |= {"home": worker.home, "shards": sorted(worker.shards), "retiring": retiring}
        children.append(facts)
    return {
        "sockets": listeners.hand_on(), "lock": lock, "children": children, "control": control,
        **grants.state(),
    }  # fmt: skip
