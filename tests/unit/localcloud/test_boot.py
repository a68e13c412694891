import threading

import pytest

from localcloud.boot import Boot, Cancelled, Step


class FakeSupervisor:
    def __init__(self):
        self.shut_down = threading.Event()

    def shutdown(self):
        self.shut_down.set()


class Noted(Step):
    """A step that notes when it ran, and may fail or wait for the end."""

    def __init__(self, notes, name, needs=(), error=None, blocks=False):
        self.name, self.needs = name, tuple(needs)
        self._notes, self._error, self._blocks = notes, error, blocks

    def run(self, boot):
        if self._blocks:
            boot.failed.wait(10)
            raise Cancelled(self.name)
        if self._error:
            raise self._error
        self._notes.append(self.name)


@pytest.fixture
def notes():
    return []


def run(steps, events=None):
    supervisor = FakeSupervisor()
    boot = Boot(supervisor, events.append if events is not None else lambda _event: None)
    try:
        return boot.run(steps)
    finally:
        run.shut_down = supervisor.shut_down.is_set()


def test_steps_run_after_what_they_need(notes):
    steps = [Noted(notes, "c", "ab"), Noted(notes, "b", "a"), Noted(notes, "a")]
    assert run(steps) >= 0
    assert notes == ["a", "b", "c"]
    assert not run.shut_down


def test_each_step_is_told_of_twice(notes):
    events = []
    run([Noted(notes, "b", "a"), Noted(notes, "a")], events)
    assert [(event.step, event.state) for event in events] == [
        ("a", "started"),
        ("a", "ready"),
        ("b", "started"),
        ("b", "ready"),
    ]
    assert str(events[0]).endswith("s  a started")


def test_the_first_error_is_raised_and_the_others_end(notes):
    steps = [
        Noted(notes, "blocked", blocks=True),
        Noted(notes, "broken", error=ValueError("first")),
        Noted(notes, "waiting", needs=["broken"]),
    ]
    with pytest.raises(ValueError, match="first"):
        run(steps)
    assert notes == []
    assert run.shut_down
