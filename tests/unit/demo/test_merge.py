from demo.items import Kind
from demo.lines import Event, Mark
from demo.merge import Merge, Status, times_of


def status(subject: str, name: str, seen: float) -> Status:
    return Status(subject, name, "", seen - 0.1, seen)


def texts(events: list[Event]) -> list[str]:
    return [event.text for event in events]


def test_what_is_told_late_still_comes_in_order() -> None:
    merge = Merge()
    merge.add(Event(3.0, Kind.SENT, "third"))
    merge.add(Event(1.0, Kind.COLLECTED, "first"))
    merge.add(Event(2.0, Kind.HOOK_STARTED, "second"))

    assert texts(merge.release(10.0)) == ["first", "second", "third"]


def test_what_is_not_settled_is_held_back_and_comes_once() -> None:
    merge = Merge()
    merge.add(Event(1.0, Kind.SENT, "old"))
    merge.add(Event(2.0, Kind.SENT, "new"))

    assert texts(merge.release(1.5)) == ["old"]
    assert texts(merge.release(3.0)) == ["new"]
    assert merge.release(4.0) == []


def test_heats_event_takes_its_time_from_the_log() -> None:
    merge = Merge()
    merge.add_statuses([status("deployment", "CREATE_IN_PROGRESS", seen=5.2)])
    merge.add(Event(5.18, Kind.POSTED, "posted"))
    merge.add(Mark(5.15, "deployment", "CREATE_IN_PROGRESS"))

    assert texts(merge.release(9.0)) == ["deployment CREATE_IN_PROGRESS", "posted"]


def test_heats_event_without_a_line_never_comes_before_its_cause() -> None:
    # The server posts before it is complete; one look showed both.
    merge = Merge()
    merge.add_statuses(
        [
            status("server", "CREATE_COMPLETE", seen=5.2),
            status("deployment", "CREATE_IN_PROGRESS", seen=5.2),
        ]
    )
    merge.add(Event(5.13, Kind.POSTED, "posted"))
    merge.add(Mark(5.16, "deployment", "CREATE_IN_PROGRESS"))

    assert texts(merge.release(9.0)) == [
        "posted",
        "server CREATE_COMPLETE",
        "deployment CREATE_IN_PROGRESS",
    ]


def test_heats_own_order_is_kept() -> None:
    found = [
        status("a", "CREATE_COMPLETE", 5.3),
        status("b", "CREATE_COMPLETE", 5.3),
        status("c", "CREATE_COMPLETE", 5.4),
    ]

    times = times_of(found, [Mark(5.25, "b", "CREATE_COMPLETE")], floor=0.0)

    assert times == [5.25, 5.25, 5.4]


def test_the_line_of_an_earlier_action_does_not_count() -> None:
    found = [status("server", "SIGNAL_COMPLETE", 50.0)]

    assert times_of(found, [Mark(5.0, "", "SIGNAL_COMPLETE")], floor=0.0) == [50.0]


def test_times_never_fall_below_what_was_given_back_before() -> None:
    found = [status("a", "CREATE_COMPLETE", 5.3)]

    assert times_of(found, [], floor=6.0) == [6.0]
