import dataclasses

import pytest

from demo.errors import DemoFailed
from demo.items import Kind
from demo.lines import Event
from demo.summary import figures, missing, paragraph

WAY = [
    Event(10.5, Kind.POSTED, "", generation=2),
    Event(11.0, Kind.POSTED, "", generation=4),
    Event(11.5, Kind.COLLECTED, "", generation=4),
    Event(12.0, Kind.HOOK_STARTED, ""),
    Event(12.1, Kind.HOOK_ENDED, ""),
    Event(12.2, Kind.SENT, ""),
    Event(13.0, Kind.RECORDED, ""),
    Event(14.0, Kind.STATUS, "hello CREATE_COMPLETE"),
]


def test_nothing_is_missing_of_a_whole_trail() -> None:
    assert missing(WAY) == []


@pytest.mark.parametrize("kind", ["posted", "collected", "hook-started", "hook-ended", "sent"])
def test_what_did_not_happen_is_named(kind: str) -> None:
    assert missing([event for event in WAY if event.kind != kind]) == [kind]


def test_what_failed_did_not_happen() -> None:
    failed = [dataclasses.replace(each, failed=each.kind is Kind.HOOK_ENDED) for each in WAY]

    assert missing(failed) == ["hook-ended"]


def test_figures_count_from_the_post_that_the_hook_ran_for() -> None:
    assert figures(WAY, began=10.0) == pytest.approx(
        {"posted": 1.0, "collected": 0.5, "started": 1.0, "recorded": 2.0, "complete": 4.0}
    )


def test_a_trail_that_contradicts_itself_has_no_figures() -> None:
    other = [event for event in WAY if event.generation != 4 or event.kind is not Kind.POSTED]

    with pytest.raises(DemoFailed):
        figures(other, began=10.0)


def test_the_paragraph_has_the_figures() -> None:
    text = paragraph({"create": figures(WAY, 10.0)}, 36.4)

    assert text.startswith("Create: Heat posted the configuration 1.0 s after the request;")
    assert text.endswith("The whole demo took 36 s.")
