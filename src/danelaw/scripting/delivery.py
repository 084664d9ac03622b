"""The steps beside a delivery that ask an operator's policy: before it begins, and after a try."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from danelaw.outbound import steps as outbound
from danelaw.policy import (
    Address,
    Amend,
    AttemptContext,
    Carry,
    Defer,
    DeliveryContext,
    Hold,
    HostTried,
    Mail,
    Notes,
    Reject,
    Result,
    Route,
    Waiting,
)
from danelaw.scripting.errors import HookFailed
from danelaw.scripting.outcome import NAME
from danelaw.scripting.tracing import within
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.outbound.outcome import RecipientOutcome
    from danelaw.policy import Carrier, Library
    from danelaw.queue import Attempt, QueuedMessage, RoutingKey
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.running import Runner, Said

Carries: TypeAlias = "Callable[[Carrier, outbound.PendingDelivery], Awaitable[outbound.Carried]]"


class Carriers(Protocol):
    """Who delivers by carriers of the policy's own."""

    async def carry(self, wanted: Carrier, pending: outbound.PendingDelivery, /) -> outbound.Carried:
        """What became of each recipient. Raises `DanelawError` where the carrier cannot work: the mail then waits."""

    async def close(self) -> None:
        """Nothing more is carried."""


PUT_OFF_SECONDS = 300.0
"""How long `Defer()` puts a delivery off where it does not say."""


class _Asking(outbound.DeliveryStep):
    """What both steps have in common. The time of a call is bounded by the hooks' own budgets."""

    name = NAME
    seconds = 3600.0

    def __init__(
        self, version_of: Callable[[str], LoadedPolicy], runner: Runner, library: Library, carry: Carries
    ) -> None:
        """`version_of` gives the policy that goes on with what a version has judged."""
        self._version_of = version_of
        self._runner = runner
        self._library = library
        self._carry = carry

    def _facts(self, kept: Kept, message: QueuedMessage, key: RoutingKey, now: float, mail: Mail) -> dict[str, Any]:
        return {
            "now": now,
            "policy": kept.policy.version,
            "library": self._library,
            "notes": kept.notes,
            "tags": kept.tags,
            "id": message.id_text,
            "reverse_path": Address(message.reverse_path),
            "recipients": tuple(
                Waiting(
                    number=one.number,
                    address=Address(one.forward_path),
                    tries=one.tries,
                    reply=one.reply,
                    reason=one.reason,
                )
                for one in message.recipients
            ),
            "next_hop": key.next_hop,
            "demand": key.demand,
            "tenant": key.tenant,
            "job": key.job,
            "received_at": message.received_at,
            "expires": message.expires,
            "size": message.size,
            "mail": mail,
            "client": message.client_address,
            "message_id": message.message_id,
        }


class BeforeDelivery(_Asking):
    """Asks the pre_delivery hooks of the version that judged the message, or of the active one."""

    async def before(self, pending: outbound.PendingDelivery) -> outbound.Directions | None:
        """What the hooks say, as directions. Raises `HookFailed` where one failed: the mail then waits."""
        kept = Kept(self._version_of, pending.message)
        hooks = kept.policy.at("pre_delivery")
        if not hooks:
            return None
        mail = Mail(lambda: b"".join(pending.octets()))
        context = DeliveryContext(**self._facts(kept, pending.message, pending.key, pending.now, mail))
        said = await self._runner.ask(kept.policy, hooks, context)
        kept.trace += self._runner.taken(context)
        if said is None:
            return None if kept.changed() is None else outbound.Directions(context=kept.changed())
        return await self._directions(said, kept, pending)

    async def _directions(self, said: Said, kept: Kept, pending: outbound.PendingDelivery) -> outbound.Directions:
        if said.failed:
            raise HookFailed(f"the hook {said.hook.name} gave no verdict")
        because, context = said.hook.name, kept.changed()
        match said.verdict:
            case Route(next_hop, local_address, helo, demand, certificate):
                return outbound.Directions(
                    next_hop=next_hop,
                    demand=SenderDemand.from_word(demand) if demand else SenderDemand.NONE,
                    way=outbound.Way((local_address,) if local_address else (), helo, certificate),
                    context=context,
                    because=because,
                )
            case Carry(carrier):
                end: outbound.End = await self._carry(carrier, pending)
            case Defer(text, _, _, seconds):
                end = outbound.Wait(pending.now + (PUT_OFF_SECONDS if seconds is None else seconds), text)
            case Reject(text, _, status):
                end = outbound.Return(status, text)
            case Hold(reason):
                end = outbound.Hold(reason)
            case _:
                return outbound.Directions(context=context, because=because)
        return outbound.Directions(end=end, context=context, because=because)


class AfterDelivery(_Asking):
    """Asks the post_delivery hooks."""

    async def after(self, tried: outbound.TriedDelivery) -> outbound.Amendment | None:
        """What the hooks say, as an amendment."""
        kept = Kept(self._version_of, tried.message)
        hooks = kept.policy.at("post_delivery")
        if not hooks:
            return None
        context = AttemptContext(
            **self._facts(kept, tried.message, tried.key, tried.now, Mail(_gone)),
            hosts=tuple(_host(one) for one in tried.attempts),
            results=tuple(_results(tried)),
            started=min((one.time for one in tried.attempts), default=tried.now),
            ended=tried.now,
        )
        said = await self._runner.ask(kept.policy, hooks, context)
        kept.trace += self._runner.taken(context)
        verdict = None if said is None else said.verdict
        if not isinstance(verdict, Amend):
            return None if kept.changed() is None else outbound.Amendment(context=kept.changed())
        assert said is not None
        then = outbound.Then.AS_IT_IS
        if verdict.hold is not None:
            then = outbound.Then.HOLD
        elif verdict.fail:
            then = outbound.Then.RETURN
        elif verdict.keep:
            then = outbound.Then.RETRY
        return outbound.Amendment(
            then=then,
            at=None if verdict.retry_in is None else tried.now + verdict.retry_in,
            bounce=verdict.bounce_class,
            text=verdict.text,
            context=kept.changed(),
            because=said.hook.name if verdict.hold is None else f"{said.hook.name}: {verdict.hold.reason}",
        )


class Kept:
    """What a message carries of its policy: the version, notes and tags, and the trace where there was one."""

    __slots__ = ("_before", "notes", "policy", "tags", "trace")

    def __init__(self, version_of: Callable[[str], LoadedPolicy], message: QueuedMessage) -> None:
        stored = json.loads(message.context) if message.context else {}
        self._before = stored
        self.policy: LoadedPolicy = version_of(stored.get("policy", ""))
        self.notes = Notes(stored.get("notes"))
        self.tags: set[str] = set(stored.get("tags", ()))
        self.trace: list[dict[str, Any]] = list(stored.get("trace", ()))

    def changed(self) -> str | None:
        """All of it as it is stored, where hooks have changed something."""
        notes, tags = self.notes.to_object(), sorted(self.tags)
        before = self._before
        if (notes, tags, len(self.trace)) == (
            before.get("notes", {}), before.get("tags", []), len(before.get("trace", ())),
        ):  # fmt: skip
            return None
        return kept_text(before.get("policy", self.policy.version), notes, tags, self.trace)


def kept_text(version: str, notes: dict[str, Any], tags: list[str], trace: Sequence[dict[str, Any]] = ()) -> str:
    """What is stored with a message, as JSON; of a trace as much as there is room for."""
    kept: dict[str, object] = {"policy": version}
    if notes:
        kept["notes"] = notes
    if tags:
        kept["tags"] = tags
    if trace:
        kept["trace"] = within(trace)
    return json.dumps(kept, ensure_ascii=False, separators=(",", ":"))


def _host(attempt: Attempt) -> HostTried:
    return HostTried(
        host=attempt.host,
        address=attempt.address,
        protection=attempt.protection,
        tls=attempt.tls_version,
        reply=attempt.reply,
        reason=attempt.reason,
        outcome=attempt.outcome,
    )


def _results(tried: outbound.TriedDelivery) -> list[Result]:
    found = []
    for one in tried.message.recipients:
        end: RecipientOutcome | None = tried.ends.get(one.number)
        found.append(
            Result(
                number=one.number,
                address=Address(one.forward_path),
                outcome="waiting" if end is None else end.state.words,
                reply="" if end is None else end.reply,
                reason=tried.reason if end is None else end.reason,
                bounce_class="" if end is None else end.bounce,
            )
        )
    return found


def _gone() -> bytes:
    raise HookFailed("the message is not at hand after a try; note what is needed of it in end_of_data")
