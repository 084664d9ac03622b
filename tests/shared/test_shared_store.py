"""The store of shared state: what each kind does, limits, and what time does."""

from __future__ import annotations

from typing import Any

import pytest

from danelaw.shared import (
    LATER,
    BadRequest,
    Kind,
    NoSuchSpace,
    Request,
    SharedStateError,
    Space,
    Store,
    StoreFull,
    StoreUnavailable,
    WhenFull,
    WrongKind,
)


class Asked:
    """A store with one space, asked with as few words as possible."""

    def __init__(self, kind: Kind, **settings: Any) -> None:
        self.store = Store(settings.pop("octets", 1 << 20))
        self.store.declare(Space("s", kind, **settings), 0.0)
        self.now = 1000.0
        self.number = 0

    def __call__(self, code: str, key: str = "k", *args: Any, holder: str = "w1") -> Any:
        self.number += 1
        return self.store.perform(holder, Request(self.number, code, "s", key, args), self.now)


def test_a_counter_adds_up_and_expires_as_long_after_its_first_add_as_that_said() -> None:
    ask = Asked(Kind.COUNTER)
    assert ask("add", "k", 2, 60, False) == 2
    ask.now += 59
    assert ask("add", "k", 3, 60, False) == 5
    ask.now += 1
    assert ask("count") == 0
    assert ask("add", "k", 1, None, False) == 1


def test_a_counter_lives_longer_when_an_add_prolongs_it() -> None:
    ask = Asked(Kind.COUNTER)
    ask("add", "k", 1, 60, False)
    ask.now += 59
    ask("add", "k", 1, 60, True)
    ask.now += 59
    assert ask("count") == 2


def test_a_counter_does_not_go_beyond_63_bits() -> None:
    ask = Asked(Kind.COUNTER)
    for _ in range(1023):
        ask("add", "k", 1 << 53, None, False)
    assert isinstance(ask("add", "k", 1 << 53, None, False), BadRequest)
    assert ask("count") == 1023 << 53


def test_a_rate_allows_its_limit_and_says_when_to_come_again() -> None:
    ask = Asked(Kind.RATE, limit=3, span=16.0)
    assert [ask("take", "k", 1, None)[0] for _ in range(4)] == [True, True, True, False]
    allowed, retry_after = ask("take", "k", 2, None)
    assert not allowed
    ask.now += retry_after - 0.01
    assert not ask("take", "k", 2, None)[0]
    ask.now += 0.01
    assert ask("take", "k", 2, None)[0]


def test_a_rate_never_allows_more_at_once_than_its_limit() -> None:
    ask = Asked(Kind.RATE, limit=3, span=16.0)
    assert ask("take", "k", 4, None) == [False, None]
    assert ask("take", "k", 4, 5) == [True, 0.0]
    assert len(ask.store.shelves["s"]) == 1


def test_tokens_count_as_used_at_their_latest() -> None:
    ask = Asked(Kind.RATE, limit=4, span=16.0)
    got, _, slot = ask("allot", "k", 1, 2, None, 8.0)
    assert got == 2
    ask.now += 17.5  # all that happened at once would be forgotten by now
    assert ask("taken") == 2
    assert ask("unused", "k", 2, slot) == 2
    assert ask("taken") == 0


def test_an_allotment_leaves_half_to_others() -> None:
    ask = Asked(Kind.RATE, limit=100, span=16.0)
    assert ask("allot", "k", 1, 1000, None, 1.0)[0] == 50
    assert ask("allot", "k", 1, 1000, None, 1.0)[0] == 25
    assert ask("allot", "k", 26, 1000, None, 1.0)[0] == 0


def test_members_end_one_by_one() -> None:
    ask = Asked(Kind.SET)
    assert ask("join", "k", "a", 10) is True
    assert ask("join", "k", "b", None) is True
    assert ask("join", "k", "a", 20) is False
    ask.now += 10
    assert ask("has", "k", "a") is True
    ask.now += 10
    assert ask("has", "k", "a") is False
    assert ask("size") == 1
    assert ask("leave", "k", "b") is True
    assert len(ask.store.shelves["s"]) == 0
    assert ask.store.budget.used == 0


def test_members_come_in_pages() -> None:
    ask = Asked(Kind.SET)
    for member in ("c", "a", "b"):
        ask("join", "k", member, None)
    assert ask("members", "k", "", 2) == ["a", "b"]
    assert ask("members", "k", "b", 2) == ["c"]


def test_a_set_has_no_more_members_than_declared() -> None:
    ask = Asked(Kind.SET, members=1)
    ask("join", "k", "a", None)
    assert isinstance(ask("join", "k", "b", None), StoreFull)
    assert ask("join", "k", "a", 5) is False


def test_a_value_is_swapped_only_for_what_is_expected() -> None:
    ask = Asked(Kind.VALUE)
    assert ask("swap", "k", None, "1", None) == [True, "1"]
    assert ask("swap", "k", None, "2", None) == [False, "1"]
    assert ask("swap", "k", "1", "2", 5) == [True, "2"]
    ask.now += 5
    assert ask("read") is None
    ask("put", "k", '"x"', None)
    assert ask("swap", "k", '"x"', None, None) == [True, None]
    assert ask("read") is None


def test_a_semaphore_is_lent_until_its_lease_is_over() -> None:
    ask = Asked(Kind.SEMAPHORE, limit=1, lease=30.0)
    number, _ = ask("acquire", "k", 60, 0)
    assert number
    assert ask("acquire", "k", 60, 0, holder="w2") == [0, 30.0]  # the space's longest lease
    ask.now += 30
    assert ask("acquire", "k", 60, 0, holder="w2")[0]
    assert ask("release", "k", number) is False


def test_only_its_holder_gives_a_lease_back_or_renews_it() -> None:
    ask = Asked(Kind.SEMAPHORE, limit=1)
    number, _ = ask("acquire", "k", 60, 0)
    assert ask("release", "k", number, holder="w2") is False
    assert ask("renew", "k", number, 90, holder="w2") is False
    assert ask("renew", "k", number, 90) is True
    ask.now += 89
    assert ask("held") == 1
    assert ask("release", "k", number) is True
    assert ask("held") == 0


def test_who_waits_for_a_semaphore_is_served_in_order() -> None:
    ask = Asked(Kind.SEMAPHORE, limit=1)
    first, _ = ask("acquire", "k", 60, 0)
    assert ask("acquire", "k", 60, 100, holder="w2") is LATER
    assert ask("acquire", "k", 60, 100, holder="w3") is LATER
    assert ask("acquire", "k", 60, 0, holder="w4")[0] == 0
    ask("release", "k", first)
    (granted,) = ask.store.news()
    assert (granted.holder, granted.request) == ("w2", 2)
    assert granted.lease
    ask.now += 60
    ask.store.look(ask.now)
    assert [(one.holder, one.request) for one in ask.store.news()] == [("w3", 3)]


def test_who_waited_too_long_for_a_semaphore_is_told() -> None:
    ask = Asked(Kind.SEMAPHORE, limit=1)
    ask("acquire", "k", 60, 0)
    ask("acquire", "k", 60, 5, holder="w2")
    assert ask.store.due == ask.now + 5
    ask.now += 5
    ask.store.look(ask.now)
    assert [tuple(one) for one in ask.store.news()] == [("w2", 2, 0)]


def test_a_dead_holder_holds_nothing_and_waits_for_nothing() -> None:
    ask = Asked(Kind.SEMAPHORE, limit=1)
    ask("acquire", "k", 60, 0, holder="w1")
    ask("acquire", "k", 60, 100, holder="w2")
    ask("acquire", "k", 60, 100, holder="w3")
    ask.store.forget("w2", ask.now)
    assert ask.store.news() == []
    ask.store.forget("w1", ask.now)
    assert [one.holder for one in ask.store.news()] == ["w3"]
    ask.store.forget("w3", ask.now)
    assert len(ask.store.shelves["s"]) == 0


def test_clearing_a_semaphore_serves_who_waits() -> None:
    ask = Asked(Kind.SEMAPHORE, limit=1)
    ask("acquire", "k", 60, 0)
    ask("acquire", "k", 60, 100, holder="w2")
    assert ask("clear") is True
    assert [one.holder for one in ask.store.news()] == ["w2"]


def test_a_closed_store_lends_no_semaphore() -> None:
    ask = Asked(Kind.SEMAPHORE, limit=1)
    ask.store.closed = True
    assert isinstance(ask("acquire", "k", 60, 0), StoreUnavailable)


def test_a_full_space_of_counters_forgets_the_key_used_least_recently() -> None:
    ask = Asked(Kind.COUNTER, keys=2)
    for key in ("a", "b"):
        ask("add", key, 1, None, False)
    ask("count", "a")
    ask("add", "c", 1, None, False)
    assert [ask("count", key) for key in ("a", "b", "c")] == [1, 0, 1]
    assert ask.store.shelves["s"].forgotten == 1


def test_a_full_space_of_sets_refuses_and_makes_room_of_what_is_over() -> None:
    ask = Asked(Kind.SET, keys=1)
    ask("join", "a", "m", 10)
    assert isinstance(ask("join", "b", "m", None), StoreFull)
    ask.now += 10
    assert ask("join", "b", "m", None) is True


def test_the_octets_of_all_spaces_are_limited_together() -> None:
    ask = Asked(Kind.SET, octets=4096)
    done = [ask("join", f"key-{number}", "m" * 200, None) for number in range(50)]
    assert done[0] is True
    assert isinstance(done[-1], StoreFull)
    assert ask.store.budget.used <= 4096
    ask.store.declare(Space("v", Kind.VALUE), ask.now)
    refused = ask.store.perform("w1", Request(1, "put", "v", "k", ('"' + "x" * 4000 + '"', None)), ask.now)
    assert isinstance(refused, StoreFull)


def test_a_space_that_forgets_may_be_told_to_refuse() -> None:
    ask = Asked(Kind.VALUE, keys=1, when_full=WhenFull.REFUSE)
    ask("put", "a", "1", None)
    assert isinstance(ask("put", "b", "1", None), StoreFull)
    assert ask("put", "a", "2", None) is False


def test_a_space_has_one_kind() -> None:
    ask = Asked(Kind.COUNTER)
    assert isinstance(ask("join", "k", "m", None), WrongKind)
    ask("add", "k", 1, None, False)
    with pytest.raises(WrongKind):
        ask.store.declare(Space("s", Kind.SET), ask.now)
    ask("clear")
    ask.store.declare(Space("s", Kind.SET), ask.now)
    assert ask("join", "k", "m", None) is True


def test_an_undeclared_space_is_refused() -> None:
    store = Store()
    assert isinstance(store.perform("w", Request(1, "count", "nobody", "k"), 0.0), NoSuchSpace)


def test_an_empty_space_makes_room_for_a_new_one_and_a_full_one_does_not() -> None:
    store = Store(most_spaces=1)
    store.declare(Space("a", Kind.COUNTER), 0.0)
    store.declare(Space("b", Kind.COUNTER), 0.0)
    assert list(store.shelves) == ["b"]
    store.perform("w", Request(1, "add", "b", "k", (1, None, False)), 0.0)
    with pytest.raises(StoreFull):
        store.declare(Space("c", Kind.COUNTER), 0.0)


def test_a_rate_keeps_its_events_when_its_span_changes() -> None:
    ask = Asked(Kind.RATE, limit=2, span=16.0)
    ask("take", "k", 2, None)
    ask.store.declare(Space("s", Kind.RATE, limit=2, span=64.0), ask.now)
    ask.now += 63
    assert not ask("take", "k", 1, None)[0]
    ask.now += 6
    assert ask("take", "k", 1, None)[0]


def test_time_frees_memory_of_what_nobody_asks_for() -> None:
    ask = Asked(Kind.COUNTER)
    for number in range(300):
        ask("add", f"key-{number}", 1, 1 + number % 7, False)
    for _ in range(10):
        ask.now += 1
        ask.store.look(ask.now)
    assert len(ask.store.shelves["s"]) == 0
    assert ask.store.budget.used == 0


@pytest.mark.parametrize(
    "request_",
    [
        Request(1, "add", "s", "k", ("1", None, False)),
        Request(1, "add", "s", "k", (True, None, False)),
        Request(1, "add", "s", "k", (1, -5, False)),
        Request(1, "add", "s", "k", (1,)),
        Request(1, "add", "s", "k" * 300, (1, None, False)),
        Request(1, "steal", "s", "k"),
        Request(1, "declare", "s", "", ({"kind": "clock"},)),
        Request(1, "declare", "S P A C E", "", ({"kind": "counter"},)),
    ],
)
def test_a_request_of_another_form_is_refused_and_changes_nothing(request_: Request) -> None:
    ask = Asked(Kind.COUNTER)
    before = ask.store.changes
    assert isinstance(ask.store.perform("w", request_, 0.0), BadRequest)
    assert ask.store.changes == before


def test_refusals_are_counted() -> None:
    ask = Asked(Kind.COUNTER)
    assert isinstance(ask("join", "k", "m", None), SharedStateError)
    assert ask.store.shelves["s"].refused == 1
