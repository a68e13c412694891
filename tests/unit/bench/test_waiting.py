# SPDX-License-Identifier: Apache-2.0
import threading
from collections.abc import Callable

import pytest

from bench import waiting
from bench.errors import BenchFailed, Late, Stopped
from bench.waiting import Clock, Turns, in_parallel


def test_until_returns_what_is_seen() -> None:
    looks = iter([None, None, "it"])

    assert Clock(60).until(lambda: next(looks), 60, "it", every_s=0) == "it"


def test_until_names_what_did_not_come() -> None:
    with pytest.raises(Late, match="waited 0 s for the hook"):
        Clock(60).until(lambda: None, 0, "the hook", every_s=0.001)


def test_a_run_that_is_stopped_wakes_who_waits() -> None:
    clock = Clock(60)
    threading.Timer(0.01, clock.stop).start()

    with pytest.raises(Stopped):
        clock.sleep(30)
    assert clock.over


def test_a_run_that_is_over_by_its_limit_waits_no_more() -> None:
    with pytest.raises(Stopped):
        Clock(0).sleep(30)


def test_what_one_thread_raises_ends_the_others() -> None:
    clock = Clock(60)

    def fail() -> None:
        raise BenchFailed("first")

    def wait() -> None:
        clock.sleep(30)

    calls: list[Callable[[], None]] = [wait, fail]
    with pytest.raises(BenchFailed, match="first"):
        in_parallel(clock, calls)


def test_parallel_calls_return_in_their_order() -> None:
    clock = Clock(60)
    barrier = threading.Barrier(2, timeout=10)

    def call(name: str) -> str:
        barrier.wait()
        return name

    assert in_parallel(clock, [lambda: call("a"), lambda: call("b")]) == ["a", "b"]
    assert not clock.over


def test_who_waits_for_a_turn_gives_up_when_the_run_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "TURN_POLL_S", 0.01)
    clock = Clock(60)
    turns = Turns(clock)
    clock.stop()

    with turns.turn(), pytest.raises(Stopped), turns.turn():
        pass
    with turns.turn():
        pass
