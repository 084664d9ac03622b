"""Shares of turns: between tenants, and within one between priorities."""

from __future__ import annotations

from collections import Counter

from danelaw.queue.fairness import TenantRing


def turns(ring: TenantRing[str], count: int) -> list[str]:
    """Who has the next turns when everybody always has more to send."""
    order = []
    for _ in range(count):
        tenant, queue = ring.front()
        order.append(queue)
        ring.pay(tenant, 1.0)
    return order


def test_of_seven_turns_four_are_for_high_two_for_normal_one_for_low_priority() -> None:
    ring: TenantRing[str] = TenantRing()
    ring.add("", "low", priority=-1)
    ring.add("", "normal")
    ring.add("", "high", priority=1)
    assert Counter(turns(ring, 70)) == {"high": 40, "normal": 20, "low": 10}
    assert Counter(turns(ring, 7)) == {"high": 4, "normal": 2, "low": 1}


def test_a_priority_without_mail_leaves_its_turns_to_the_others() -> None:
    ring: TenantRing[str] = TenantRing()
    ring.add("", "low", priority=-1)
    assert turns(ring, 3) == ["low"] * 3
    ring.add("", "normal")
    assert Counter(turns(ring, 30)) == {"normal": 20, "low": 10}
    ring.remove("", "low")
    assert turns(ring, 3) == ["normal"] * 3
    assert len(ring) == 1


def test_many_queues_of_low_priority_have_no_more_turns_than_one() -> None:
    ring: TenantRing[str] = TenantRing()
    for number in range(100):
        ring.add("", f"low {number}", priority=-1)
    ring.add("", "high", priority=1)
    order = turns(ring, 500)
    assert order.count("high") == 400
    assert len(set(order)) == 101  # and each of them has its turn


def test_leaving_and_coming_again_saves_no_debt() -> None:
    ring: TenantRing[str] = TenantRing()
    for name, priority in (("high", 1), ("low", -1)):
        ring.add("", name, priority=priority)
    order = []
    for _ in range(100):
        tenant, queue = ring.front()
        order.append(queue)
        ring.pay(tenant, 1.0)
        if queue == "low":  # it has one message at a time
            ring.remove("", "low")
            ring.add("", "low", priority=-1)
    assert order.count("low") == 20


def test_calling_everything_urgent_takes_nothing_from_another_tenant() -> None:
    ring: TenantRing[str] = TenantRing()
    for number in range(5):
        ring.add("loud", f"loud {number}", priority=1)
    ring.add("quiet", "quiet", priority=-1)
    assert Counter(queue.split()[0] for queue in (turns(ring, 40))) == {"loud": 20, "quiet": 20}


def test_the_order_within_a_priority_is_as_without_any() -> None:
    plain: TenantRing[str] = TenantRing()
    mixed: TenantRing[str] = TenantRing()
    mixed.add("", "high", priority=1)
    for name in "abcd":
        plain.add("", name)
        mixed.add("", name)
    mixed.remove("", "high")
    assert turns(mixed, 9) == turns(plain, 9)
