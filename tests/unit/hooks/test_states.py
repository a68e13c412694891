import json
import stat

import pytest

from heat_zaqar_hooks.states import Deployment, State, Store
from heat_zaqar_transport.wire.errors import StateError

FRESH = Deployment("c1", "web", "component")


def test_a_deployments_way():
    running = FRESH.running("script", "boot-1", "10:00")
    assert (running.state, running.group, running.boot_id, running.started_at) == (
        State.RUNNING,
        "script",
        "boot-1",
        "10:00",
    )
    finished = running.finished({"a": 1}, "10:01")
    assert (finished.state, finished.outputs, finished.finished_at) == (
        State.FINISHED,
        {"a": 1},
        "10:01",
    )
    assert finished.started_at == "10:00"
    assert finished.sent().state is State.SENT


def test_outputs_go_when_they_are_sent():
    assert FRESH.finished({"password": "hunter2"}, "now").sent().outputs is None


def test_records_are_kept(tmp_path):
    store = Store(tmp_path)
    finished = FRESH.running("script", "b", "t").finished({"a": "ü"}, "u")
    store.write(finished)
    assert store.read("c1") == finished
    assert store.read("c2") is None


def test_a_record_is_only_the_owners(tmp_path):
    store = Store(tmp_path / "state")
    store.write(FRESH)
    assert stat.S_IMODE(store.path("c1").stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path("c1").parent.stat().st_mode) == 0o700


def test_the_file_is_where_and_what_the_documentation_says(tmp_path):
    Store(tmp_path).write(FRESH)
    value = json.loads((tmp_path / "deployments" / "c1.json").read_text())
    assert (value["state"], value["name"]) == ("received", "web")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "5",
        "{}",
        '{"state": "odd", "config_id": "c1", "name": "", "group": ""}',
        '{"state": "sent"}',
        '{"state": "sent", "config_id": "c1", "name": "", "group": "", "unknown": 1}',
        '{"state": "finished", "config_id": "c1", "name": "", "group": ""}',
    ],
)
def test_a_damaged_record_is_an_error_with_the_file_in_it(tmp_path, text):
    store = Store(tmp_path)
    store.write(FRESH)
    store.path("c1").write_text(text)
    with pytest.raises(StateError, match=r"c1\.json"):
        store.read("c1")


def test_ids_are_those_of_whole_records(tmp_path):
    store = Store(tmp_path)
    assert store.ids() == []
    for config_id in ("b", "a"):
        store.write(Deployment(config_id, "", None))
    for litter in (".c.json.x1y2", ".c.json", "not an id.json", "notes.txt"):
        (store.path("a").parent / litter).touch()
    assert store.ids() == ["a", "b"]


def test_a_removed_record_is_gone(tmp_path):
    store = Store(tmp_path)
    store.write(FRESH)
    store.remove("c1")
    store.remove("c1")
    assert store.read("c1") is None


def test_the_repr_shows_no_output():
    assert "hunter2" not in repr(FRESH.finished({"password": "hunter2"}, "now"))
