# SPDX-License-Identifier: Apache-2.0
from types import SimpleNamespace
from typing import Any

import pytest
from heatclient.exc import HTTPNotFound

from bench.errors import BenchFailed
from bench.heat_rows import StackRow
from bench.stacks import BenchStack
from bench.waiting import Clock


class Heat:
    """The few calls that a stack makes."""

    def __init__(self, attributes: list[Any]) -> None:
        self.asked: list[dict[str, Any]] = []
        self._attributes = iter(attributes)
        self.stacks = SimpleNamespace(create=self._create, update=self._update)
        self.resources = SimpleNamespace(get=self._get)

    def _create(self, **fields: Any) -> dict[str, Any]:
        self.asked.append(fields)
        return {"stack": {"id": "s-1"}}

    def _update(self, _stack_id: str, **fields: Any) -> None:
        self.asked.append(fields)

    def _get(self, _stack_id: str, _name: str) -> Any:
        found = next(self._attributes)
        if found is None:
            raise HTTPNotFound
        return SimpleNamespace(attributes={"os_collect_config": found})


class Hasty(Clock):
    """Does not sleep."""

    def sleep(self, seconds: float) -> None:
        super().sleep(0)


class Rows:
    """One row a look; the last one stays."""

    def __init__(self, *rows: StackRow) -> None:
        self._rows = list(rows)

    def stack(self, _stack_id: str) -> StackRow:
        return self._rows.pop(0) if len(self._rows) > 1 else self._rows[0]


def row(status: str, traversal: str, action: str = "UPDATE") -> StackRow:
    return StackRow(action, status, "because", traversal)


def stack(*rows: StackRow, attributes: list[Any] | None = None) -> tuple[BenchStack, Heat]:
    heat = Heat(attributes or [])
    made = BenchStack(heat, Rows(*rows), Hasty(60), "way")  # type: ignore[arg-type]
    made.create({"resources": {}}, {"change": "0"})
    return made, heat


def test_names_differ_from_run_to_run() -> None:
    assert stack(row("COMPLETE", "t"))[0].name != stack(row("COMPLETE", "t"))[0].name


def test_an_update_is_waited_for_although_the_stack_is_still_complete_of_the_last_one() -> None:
    before, begun, ended = row("COMPLETE", "t1"), row("IN_PROGRESS", "t2"), row("COMPLETE", "t2")
    made, heat = stack(before, before, begun, ended)

    made.update(parameters={"change": "1"})
    made.wait()

    assert heat.asked[-1]["parameters"] == {"change": "1"}
    assert heat.asked[-1]["existing"] is True
    assert "template" not in heat.asked[-1]


def test_a_failure_is_told_with_its_reason() -> None:
    made, _ = stack(row("FAILED", "t1", "CREATE"))

    with pytest.raises(BenchFailed, match="CREATE_FAILED: because"):
        made.wait()


def test_the_agents_configuration_is_complete_when_it_names_its_collectors() -> None:
    whole = {"collectors": ["zaqar"], "zaqar": {}}
    attributes = [None, {}, {"zaqar": {"push": "poll"}}, whole]
    made, _ = stack(row("COMPLETE", "t1"), attributes=attributes)

    assert made.collect_config() == whole
