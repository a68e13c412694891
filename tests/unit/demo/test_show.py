import io
import json

import pytest
from rich.console import Console

from demo.items import Act, Item, Kind, Note, Outputs, Problem, Progress, Step, Summary
from demo.redact import Redactor
from demo.show import JsonShow, PlainShow, RichShow, Stage, for_stream

SECRET = "0123456789abcdef" * 4
STEP = Step("create", 2.61, 1795220448.729, Kind.POSTED, "Heat", "Zaqar", "generation 4 posted")
ITEMS: list[Item] = [
    Act("create", "stack hello"),
    Progress("keystone ready"),
    STEP,
    Outputs({"result": "hello, world", "stdout": "one\ntwo", "stderr": ""}),
    Summary("all went well.", {"create": {"posted": 2.61234}}),
    Note("kept: /tmp/x"),
    Problem("it broke", ("/tmp/x",)),
]


def plain(*items: Item) -> list[str]:
    stream = io.StringIO()
    for item in items:
        PlainShow(stream).show(item)
    return stream.getvalue().splitlines()


def as_json(*items: Item) -> list[dict[str, object]]:
    stream = io.StringIO()
    for item in items:
        JsonShow(stream).show(item)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def rich(*items: Item) -> str:
    stream = io.StringIO()
    show = RichShow(Console(file=stream, force_terminal=True, width=100, color_system=None))
    for item in items:
        show.show(item)
    show.close()
    return stream.getvalue()


def test_a_plain_step_says_when_who_and_what() -> None:
    assert plain(STEP) == ["   2.6 s  Heat -> Zaqar   generation 4 posted"]


def test_plain_outputs_take_one_line_each() -> None:
    assert [line.strip() for line in plain(ITEMS[3])] == [
        "output result = hello, world",
        "output stdout = one / two",
        "output stderr = (empty)",
    ]


def test_a_failed_step_says_so_without_colours() -> None:
    failed = Step("create", 1, 1, Kind.HOOK_ENDED, "hook", None, "ended with status 1", True)

    assert "FAILED: ended with status 1" in plain(failed)[0]


def test_a_problem_names_the_logs() -> None:
    assert plain(ITEMS[-1]) == ["", "FAILED: it broke", "Logs: /tmp/x"]


def test_json_is_one_object_a_line() -> None:
    told = as_json(*ITEMS)

    assert [each["item"] for each in told] == [
        "act",
        "progress",
        "step",
        "outputs",
        "summary",
        "note",
        "problem",
    ]


def test_json_of_a_step() -> None:
    (told,) = as_json(STEP)

    assert told == {
        "item": "step",
        "act": "create",
        "elapsed_s": 2.61,
        "time": "2026-11-21T00:20:48.729+00:00",
        "kind": "posted",
        "who": "Heat",
        "to": "Zaqar",
        "text": "generation 4 posted",
        "failed": False,
    }


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: type(item).__name__)
def test_rich_shows_every_item(item: Item) -> None:
    assert rich(item).strip()


def test_rich_takes_no_markup_from_others() -> None:
    assert "[bold]x[/]" in rich(Note("[bold]x[/]"), Outputs({"a": "[bold]x[/]"}))


@pytest.mark.parametrize("show", [PlainShow, JsonShow])
def test_no_secret_reaches_a_show(show: type[PlainShow] | type[JsonShow]) -> None:
    stream = io.StringIO()
    redactor = Redactor()
    redactor.learn(["a known secret"])
    stage = Stage([show(stream)], redactor)

    stage.show(Problem(f"URL-Signature={SECRET} and a known secret"))
    stage.show(Outputs({"stdout": f"a known secret {SECRET}"}))

    assert SECRET not in stream.getvalue()
    assert "a known secret" not in stream.getvalue()


def test_a_pipe_gets_plain_lines() -> None:
    assert isinstance(for_stream(io.StringIO()), PlainShow)
    assert isinstance(for_stream(io.StringIO(), as_json=True), JsonShow)


def test_a_narrow_encoding_does_not_stop_the_demo() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")

    for_stream(stream).show(Note("wörld"))

    assert raw.getvalue() == b"w?rld\n"
