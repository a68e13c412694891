import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demo import trail as trails
from demo.errors import DemoFailed
from demo.items import Kind
from demo.lines import Event
from demo.trail import HeatEvents, Tail, Trail, follow


@pytest.fixture(autouse=True)
def no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trails, "POLL_S", 0)
    monkeypatch.setattr(trails, "HOLD_S", 0)


def heat_event(event_id: str, subject: str, status: str) -> Any:
    return SimpleNamespace(
        id=event_id, resource_name=subject, resource_status=status, resource_status_reason=None
    )


def line(text: str) -> str:
    now = time.time() - 1
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now))
    return f"{stamp}.{int(now % 1 * 1000):03} {text}"


def test_tail_gives_complete_lines_once(tmp_path: Path) -> None:
    log = tmp_path / "log"
    tail = Tail(log)
    assert list(tail.lines()) == []

    log.write_text("one\ntw")
    assert list(tail.lines()) == ["one"]
    log.write_text("one\ntwo\nthree\n")
    assert list(tail.lines()) == ["two", "three"]


def test_tail_from_now_leaves_out_what_was_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("old\n")
    tail = Tail.from_now(log)
    with log.open("a") as file:
        file.write("new\n")

    assert list(tail.lines()) == ["new"]


def test_tail_survives_bytes_that_are_no_text(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"\xff\n")

    assert len(list(Tail(log).lines())) == 1


def test_heats_events_come_once() -> None:
    found = [heat_event("1", "server", "CREATE_IN_PROGRESS")]
    events = HeatEvents(lambda: found, since=0.0)

    (first,) = events.fetch()
    found.append(heat_event("2", "server", "CREATE_COMPLETE"))
    (second,) = events.fetch()

    assert (first.status, first.since) == ("CREATE_IN_PROGRESS", 0.0)
    assert second.status == "CREATE_COMPLETE"
    assert 0.0 < second.since <= second.seen


def test_a_trail_reads_every_source(tmp_path: Path) -> None:
    engine, guest = tmp_path / "engine", tmp_path / "guest"
    engine.write_text(line("1 INFO x [req] Channel c: posted generation 4\n"))
    guest.write_text(line("1 INFO heat_zaqar_collector.source [-] Generation 4 of channel c"))
    with guest.open("a") as file:
        file.write(" collected\n")
    events = HeatEvents(lambda: [heat_event("1", "hello", "CREATE_COMPLETE")], since=0.0)
    trail = Trail(events, Tail(engine), Tail(guest))

    told = trail.rest()

    assert {event.kind for event in told} == {Kind.POSTED, Kind.COLLECTED, Kind.STATUS}


def test_follow_shows_until_the_end(tmp_path: Path) -> None:
    found = [heat_event("1", "hello", "CREATE_COMPLETE")]
    nowhere = Tail(tmp_path / "none")
    trail = Trail(HeatEvents(lambda: found, since=0.0), nowhere, nowhere)
    shown: list[Event] = []

    def end(event: Event) -> bool:
        return event.text == "hello CREATE_COMPLETE"

    assert follow(trail, shown.append, end, lambda: None, 30)
    assert [event.text for event in shown] == ["hello CREATE_COMPLETE"]


def test_follow_does_not_wait_for_ever(tmp_path: Path) -> None:
    nowhere = Tail(tmp_path / "none")
    trail = Trail(HeatEvents(list, since=0.0), nowhere, nowhere)

    assert not follow(trail, lambda _event: None, lambda _event: True, lambda: None, 0.01)


def test_follow_ends_when_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    nowhere = Tail(tmp_path / "none")
    trail = Trail(HeatEvents(list, since=0.0), nowhere, nowhere)

    def check() -> None:
        raise DemoFailed("dead")

    with pytest.raises(DemoFailed, match="dead"):
        follow(trail, lambda _event: None, lambda _event: True, check, 30)
