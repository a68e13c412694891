import json
import stat

import pytest

from heat_zaqar_hooks import configs
from heat_zaqar_hooks.errors import UnusableConfig
from heat_zaqar_transport.wire.errors import HookFailed, StateError


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_the_list_is_read_and_closed_to_others(tmp_path):
    path = tmp_path / "list"
    path.write_text('[{"id": "c1"}]')
    path.chmod(0o644)
    assert configs.fetch(path) == [{"id": "c1"}]
    assert mode_of(path) == 0o600


def test_a_list_that_is_closed_already_is_left_so(tmp_path):
    path = tmp_path / "list"
    path.write_text("[]")
    path.chmod(0o400)
    configs.fetch(path)
    assert mode_of(path) == 0o400


@pytest.mark.parametrize("text", ["", "null", '{"id": "c1"}', '["c1"]', "[", "[" * 100_000])
def test_what_is_no_list_of_objects_is_an_error_with_the_file_in_it(tmp_path, text):
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(StateError) as caught:
        configs.fetch(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_list_is_an_error_with_the_file_in_it(tmp_path):
    with pytest.raises(StateError, match=r"none: No such file"):
        configs.fetch(tmp_path / "none")


def test_an_entry_is_read(entry):
    config = configs.parse(entry("c-1_X", group="puppet", inputs={"a": 1}), 1)
    assert (config.id, config.name, config.group) == ("c-1_X", "web", "puppet")
    assert config.inputs.get("a") == 1
    assert config.document["config"] == "the config's text"


def test_name_group_and_inputs_may_be_missing():
    config = configs.parse({"id": "c1"}, 1)
    assert (config.name, config.group) == ("", None)
    assert config.label == "deployment without name (c1)"


@pytest.mark.parametrize("config_id", [None, 5, "", "../up", "a.b", "a/b", "x" * 129, "a\n"])
def test_an_id_that_cannot_name_a_file_is_refused(entry, config_id):
    with pytest.raises(UnusableConfig, match=r"^config number 3 of the list: its id is"):
        configs.parse(entry(config_id), 3)


@pytest.mark.parametrize("field", ["name", "group"])
def test_a_field_of_the_wrong_type_is_named(entry, field):
    with pytest.raises(UnusableConfig, match=f"^config c1: its {field} is no text$"):
        configs.parse({**entry(), field: 5}, 1)


@pytest.mark.parametrize(
    ("kind", "value", "text"),
    [
        ("String", 5, "5"),
        ("String", True, "True"),
        ("String", None, ""),
        ("String", {"a": [1]}, '{"a": [1]}'),
        ("String", "x", "x"),
        ("Number", 5, 5),
        ("Json", {"a": 1}, {"a": 1}),
    ],
)
def test_values_of_string_inputs_become_strings(entry, kind, value, text):
    """Heat bug 1333992."""
    given = entry()
    given["inputs"] = [{"name": "a", "type": kind, "value": value}]
    config = configs.parse(given, 1)
    assert config.inputs.get("a") == text
    assert config.document["inputs"][0]["value"] == text


def test_a_label_is_one_line(entry):
    config = configs.parse({**entry(), "name": "web\nERROR forged"}, 1)
    assert config.label == "deployment web ERROR forged (c1)"


def test_the_repr_shows_neither_config_nor_inputs(entry):
    config = configs.parse(entry(inputs={"password": "hunter2"}), 1)
    assert "hunter2" not in repr(config)
    assert "config's text" not in repr(config)


COMPONENT = {
    "configs": [
        {"actions": ["CREATE", "UPDATE"], "config": "install", "tool": "script"},
        {"actions": ["DELETE"], "config": "remove", "tool": "puppet"},
        {"actions": ["SUSPEND"], "config": "no tool"},
        "not an object",
    ]
}


def test_another_group_is_run_as_it_is(config):
    same = config(group="script")
    assert configs.chosen(same) is same


@pytest.mark.parametrize(
    ("action", "text", "group"), [("UPDATE", "install", "script"), ("DELETE", "remove", "puppet")]
)
def test_a_component_runs_what_it_has_for_the_action(config, action, text, group):
    given = config(group="component", config=COMPONENT, inputs={"deploy_action": action})
    chosen = configs.chosen(given)
    assert (chosen.group, chosen.document["group"], chosen.document["config"]) == (
        group,
        group,
        text,
    )
    assert chosen.id == given.id
    assert json.dumps(chosen.document["inputs"]) == json.dumps(given.document["inputs"])


@pytest.mark.parametrize("component", [COMPONENT, {}, {"configs": None}, "text", None])
def test_a_component_without_a_config_for_the_action_fails(config, component):
    given = config(group="component", config=component, inputs={"deploy_action": "RESUME"})
    with pytest.raises(HookFailed, match="no config for action 'RESUME'"):
        configs.chosen(given)


def test_a_component_without_a_tool_fails(config):
    given = config(group="component", config=COMPONENT, inputs={"deploy_action": "SUSPEND"})
    with pytest.raises(HookFailed, match="names no tool"):
        configs.chosen(given)
