# SPDX-License-Identifier: Apache-2.0
from bench.heat_rows import ServerRow, input_value


def config(config_id: str, change: object) -> dict[str, object]:
    return {"id": config_id, "inputs": [{"name": "marks"}, {"name": "change", "value": change}]}


def test_a_change_is_found_by_its_number() -> None:
    row = ServerRow(4, {"deployments": [config("a", "1"), config("b", "11")]})

    assert row.config_of_change(11) == config("b", "11")
    assert row.config_of_change(2) is None


def test_a_server_without_deployments_has_no_change() -> None:
    assert ServerRow(1, {}).config_of_change(0) is None
    assert ServerRow(1, {"deployments": None}).config_of_change(0) is None


def test_an_input_is_returned_as_text() -> None:
    assert input_value(config("a", 7), "change") == "7"
    assert input_value({}, "change") is None
