# SPDX-License-Identifier: Apache-2.0
from datetime import datetime

import pytest

from bench.agent_log import AgentLog, Round, posted, stamp

ENGINE = [
    "2026-11-20 10:00:00.250 7 INFO heat_zaqar_transport.resources.publish [None req-1 - -] "
    "Channel hz-c-1: posted generation 4",
    "2026-11-20 10:00:01.000 7 INFO heat_zaqar_transport.resources.publish [None req-1 - -] "
    "Channel hz-c-2: posted generation 9",
    "2026-11-20 10:00:01.500 7 INFO heat.engine.stack [None req-1 - -] Stack UPDATE COMPLETE",
]
COLLECTED = (
    "2026-11-20 10:00:00.{ms:03} 9 INFO heat_zaqar_collector.source [-] "
    "Generation {generation} of channel hz-c-1 collected"
)
EXECUTING = (
    "2026-11-20 10:00:00.{ms:03} 9 INFO os-collect-config [-] Executing os-refresh-config "
    "--lockfile /l with OS_CONFIG_FILES=/a"
)
SLEEPING = "2026-11-20 10:00:00.{ms:03} 9 INFO os-collect-config [-] Sleeping 0.00 seconds."


def at(ms: int) -> float:
    return datetime(2026, 11, 20, 10, 0, 0, ms * 1000).timestamp()


def collected(ms: int, generation: int) -> str:
    return COLLECTED.format(ms=ms, generation=generation)


def test_a_channels_posts_by_generation() -> None:
    assert posted(ENGINE, "hz-c-1") == {4: at(250)}


def test_a_round_begins_with_its_command_and_has_ended_with_the_pause_after_it() -> None:
    log = AgentLog()

    log.feed([collected(100, 4), EXECUTING.format(ms=110)])
    assert log.rounds == [Round(4, at(100), at(110), ended=False)]
    assert log.ended(4) is None

    log.feed([SLEEPING.format(ms=900)])
    assert log.ended(4) == Round(4, at(100), at(110), ended=True)


def test_a_newer_generation_stands_for_one_that_it_has_overtaken() -> None:
    log = AgentLog()

    log.feed([collected(100, 6), EXECUTING.format(ms=110), SLEEPING.format(ms=900)])

    assert log.ended(4) == Round(6, at(100), at(110), ended=True)
    assert log.ended(7) is None


def test_a_command_for_nothing_new_is_no_round() -> None:
    log = AgentLog()

    log.feed([EXECUTING.format(ms=110), SLEEPING.format(ms=900)])

    assert log.rounds == []


def test_a_command_that_runs_once_more_does_not_hide_the_first_try() -> None:
    log = AgentLog()

    log.feed([collected(100, 4), EXECUTING.format(ms=110), SLEEPING.format(ms=200)])
    log.feed([EXECUTING.format(ms=300), SLEEPING.format(ms=400)])

    assert log.rounds == [Round(4, at(100), at(110), ended=True)]


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026-11-20 10:00:00.007 text", at(7)),
        ("2026-11-20 10:00:00,007 text", at(7)),
        ("[2026-11-20 10:00:00,007] text", None),
        ("Traceback (most recent call last):", None),
        ("", None),
    ],
)
def test_the_time_of_a_line(line: str, time: float | None) -> None:
    assert stamp(line) == time
