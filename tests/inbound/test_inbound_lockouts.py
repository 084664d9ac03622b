"""Failed logins: growing delays, and doors that are shut for a time."""

from __future__ import annotations

from danelaw.inbound.ledger import SECOND, Ceiling, Ledger
from danelaw.inbound.lockouts import LOCKED, Lockouts

HERE, THERE = "192.0.2.1", "198.51.100.7"


class World:
    """Lockouts on a clock of their own; what was told of."""

    def __init__(self, *, client: int = 40, user: int = 40) -> None:
        self.now = 1_000 * SECOND
        self.told: list[tuple[str, str, int]] = []
        self.lockouts = Lockouts(
            Ledger.private(),
            lambda: self.now,
            Ceiling(client, 3600),
            Ceiling(user, 3600),
            nanoseconds=900 * SECOND,
            delay=1.0,
            reached=lambda *facts: self.told.append(facts),
        )

    def fail(self, times: int, network: str = HERE, user: str = "anna") -> list[float]:
        return [self.lockouts.failed(network, user) for _ in range(times)]


def test_each_failure_makes_the_next_answer_slower_up_to_a_bound() -> None:
    world = World()
    assert world.fail(7) == [1.0, 2.0, 4.0, 8.0, 16.0, 16.0, 16.0]


def test_delays_are_over_when_the_failures_are() -> None:
    world = World()
    world.fail(5)
    world.now += 3600 * SECOND
    assert world.fail(1) == [1.0]


def test_a_client_with_too_many_failures_is_locked_out_whatever_names_it_tries() -> None:
    world = World(user=4000)
    for number in range(11):
        world.fail(1, user=f"user{number}")
    assert world.lockouts.refusal(HERE, "somebody else") is LOCKED
    assert world.lockouts.refusal(THERE, "somebody else") is None
    assert world.told == [("failed logins", HERE, 40)]
    world.now += 901 * SECOND
    assert world.lockouts.refusal(HERE, "somebody else") is None


def test_a_name_that_is_guessed_from_everywhere_is_locked_out_but_not_at_home() -> None:
    world = World()
    world.lockouts.passed(THERE, "anna")
    for number in range(11):
        world.fail(1, network=f"192.0.2.{number}")
    assert world.lockouts.refusal("203.0.113.9", "anna") is LOCKED
    assert world.lockouts.refusal(THERE, "anna") is None
    assert world.lockouts.refusal("203.0.113.9", "bert") is None


def test_a_client_that_is_locked_out_does_not_get_in_by_a_name_that_is_at_home() -> None:
    world = World(user=4000)
    world.lockouts.passed(HERE, "anna")
    world.fail(11, user="bert")
    assert world.lockouts.refusal(HERE, "anna") is LOCKED


def test_case_gives_no_further_guesses() -> None:
    world = World(client=4000)
    for name in ("anna", "Anna", "ANNA") * 4:
        world.fail(1, user=name)
    assert world.lockouts.refusal(THERE, "aNNa") is LOCKED


def test_who_did_not_say_its_name_is_counted_by_its_network_only() -> None:
    world = World(client=4000)
    world.fail(50, user="")
    assert world.lockouts.refusal(THERE, "") is None
    assert not world.told


def test_unknown_names_count_like_known_ones() -> None:
    world = World()
    assert world.fail(3, user="nobody") == World().fail(3, user="anna")


def test_without_ceilings_only_the_first_delay_is_left() -> None:
    lockouts = Lockouts(Ledger.private(), lambda: SECOND, None, None, nanoseconds=SECOND, delay=0.5)
    assert [lockouts.failed(HERE, "anna") for _ in range(3)] == [0.5, 0.5, 0.5]
    assert lockouts.refusal(HERE, "anna") is None


def test_homes_are_remembered_up_to_a_number() -> None:
    world = World()
    for number in range(10_001):
        world.lockouts.passed(HERE, f"user{number}")
    world.fail(11, network=THERE, user="user0")
    world.fail(11, network=THERE, user="user10000")
    assert world.lockouts.refusal(HERE, "user0") is LOCKED
    assert world.lockouts.refusal(HERE, "user10000") is None
