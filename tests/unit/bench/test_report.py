# SPDX-License-Identifier: Apache-2.0
import io
import json

from rich.console import Console

from bench.report import Report, remarks, table


def a_report() -> Report:
    report = Report("push", "from here to there", began=0.0, notes=["a note"])
    series = report.add("websocket", 3)
    series.values += [0.25, 0.5]
    series.failures.append("number 3: waited 120 s for the hook")
    series.extra["its process"] = [0.125, 0.375]
    return report


def drawn(report: Report) -> list[list[str]]:
    stream = io.StringIO()
    Console(file=stream, width=100).print(table(report))
    return [line.split() for line in stream.getvalue().splitlines()]


def test_the_table_has_a_row_for_each_series_and_for_what_belongs_to_it() -> None:
    assert drawn(a_report()) == [
        ["way", "n", "median", "p90", "p99", "max", "lost"],
        ["websocket", "2", "0.375", "0.500", "0.500", "0.500", "1"],
        ["its", "process", "2", "0.250", "0.375", "0.375", "0.375"],
    ]


def test_a_series_without_values_has_no_figures() -> None:
    report = Report("push", "", 0.0)
    report.add("websocket", 3)

    assert drawn(report)[1:] == [["websocket", "0"]]
    assert report.as_json()["series"][0]["n"] == 0


def test_json_has_the_figures_and_every_value() -> None:
    found = json.loads(json.dumps(a_report().as_json()))

    assert found["unit"] == "s"
    assert found["began"] == "1970-01-01T00:00:00+00:00"
    assert found["machine"]["cores"] >= 1
    (series,) = found["series"]
    assert series["median"] == 0.375
    assert series["values"] == [0.25, 0.5]
    assert series["extra"]["its process"]["max"] == 0.375


def test_what_was_lost_is_told_below_the_table() -> None:
    assert remarks(a_report())[:2] == [
        "websocket: lost: number 3: waited 120 s for the hook",
        "a note",
    ]


def test_a_report_is_complete_with_all_that_was_wanted() -> None:
    report = a_report()
    assert not report.complete

    report.series[0].values.append(1.0)

    assert report.complete
    assert not Report("push", "", 0.0).complete
