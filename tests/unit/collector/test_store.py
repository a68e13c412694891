import json
import logging

import pytest

from heat_zaqar_collector.store import SnapshotStore
from heat_zaqar_transport.wire import PlainSnapshot, Snapshot


@pytest.mark.parametrize("snapshot", [Snapshot("c", 3, {"a": 1}), PlainSnapshot({"a": 1})])
def test_what_is_kept_comes_back(tmp_path, snapshot):
    SnapshotStore(tmp_path).keep(snapshot)
    assert SnapshotStore(tmp_path).load() == snapshot


def test_nothing_kept_is_none(tmp_path):
    assert SnapshotStore(tmp_path).load() is None


@pytest.mark.parametrize("damage", ['{"cut', "[]", '{"heat-zaqar": {"version": 9}}'])
def test_damage_is_reported_and_passed_over(tmp_path, caplog, damage):
    (tmp_path / "snapshot.json").write_text(damage)
    with caplog.at_level(logging.ERROR):
        assert SnapshotStore(tmp_path).load() is None
    assert "cannot be used" in caplog.text


def test_a_changed_document_is_noticed(tmp_path, caplog):
    SnapshotStore(tmp_path).keep(Snapshot("c", 3, {"a": 1}))
    path = tmp_path / "snapshot.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "a": 2}))
    assert SnapshotStore(tmp_path).load() is None
    assert "is damaged" in caplog.text
