import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from demo.errors import DemoFailed
from demo.items import Kind
from demo.lines import Event, describe_status
from demo.play import Play, check_alive, step
from demo.redact import Redactor
from demo.remains import Holdings
from demo.show import JsonShow, Stage

WAY = [
    Event(1.0, Kind.POSTED, "", generation=4),
    Event(2.0, Kind.COLLECTED, "", generation=4),
    Event(3.0, Kind.HOOK_STARTED, ""),
    Event(3.1, Kind.HOOK_ENDED, ""),
    Event(3.2, Kind.SENT, ""),
    Event(4.0, Kind.RECORDED, ""),
]


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def play(stream: io.StringIO, tmp_path: Path) -> Play:
    return Play(Stage([JsonShow(stream)], Redactor()), tmp_path)


def stack_with(**outputs: object) -> Any:
    return SimpleNamespace(outputs=lambda: outputs)


def test_a_step_says_who_did_it() -> None:
    shown = step("create", 10.0, Event(12.5, Kind.SENT, "result posted"))

    assert (shown.who, shown.to, shown.elapsed_s) == ("agent", "Zaqar", 2.5)


def test_the_stacks_own_status_is_told_from_its_resources() -> None:
    stack = step("create", 0.0, describe_status(1.0, "hello", "CREATE_COMPLETE", ""))
    server = step("create", 0.0, describe_status(1.0, "server", "CREATE_COMPLETE", ""))

    assert (stack.text, server.text) == ("stack hello CREATE_COMPLETE", "server CREATE_COMPLETE")


def test_a_failed_stack_ends_the_play_after_it_was_shown(play: Play, stream: io.StringIO) -> None:
    with pytest.raises(DemoFailed, match="no such thing"):
        play._tell(describe_status(1.0, "hello", "CREATE_FAILED", "no such thing"))

    assert json.loads(stream.getvalue())["failed"] is True


def test_a_whole_trail_with_the_right_outputs_is_deployed(play: Play, stream: io.StringIO) -> None:
    play._seen = list(WAY)
    outputs = {"result": "hello, world", "status_code": 0, "os_collect_config": {"k": "s3cret"}}

    play._check_deployed(stack_with(**outputs), "hello")

    assert "s3cret" not in stream.getvalue()


@pytest.mark.parametrize(
    "outputs",
    [
        {"result": "something else", "status_code": 0},
        {"result": "hello, world", "status_code": 1},
        {"result": None, "status_code": None},
    ],
)
def test_other_outputs_fail(play: Play, outputs: dict[str, object]) -> None:
    play._seen = list(WAY)

    with pytest.raises(DemoFailed, match="outputs"):
        play._check_deployed(stack_with(**outputs), "hello")


def test_a_complete_stack_without_its_trail_fails(play: Play) -> None:
    play._seen = WAY[:2]

    with pytest.raises(DemoFailed, match="hook-started"):
        play._check_deployed(stack_with(result="hello, world", status_code=0), "hello")


def test_holdings_are_told_by_sort() -> None:
    before = Holdings(frozenset({("user", "admin")}))
    after = Holdings(frozenset({("user", "admin"), ("user", "u"), ("queue", "a"), ("queue", "b")}))

    assert str(after - before) == "2 queues, 1 user"
    assert str(before - before) == "nothing"


def test_an_agent_that_has_ended_is_noticed(tmp_path: Path) -> None:
    cloud: Any = SimpleNamespace(check=lambda: None)
    guest: Any = SimpleNamespace(log=tmp_path / "log", running=False)
    check_alive(cloud, guest)  # not started yet

    guest.log.touch()

    with pytest.raises(DemoFailed, match="os-collect-config"):
        check_alive(cloud, guest)
