import errno
import os
import re
import stat
from pathlib import Path

import pytest

from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "a" / "b.json"
    durable.write_json(path, {"key": ["grüße", 1]})
    assert durable.read_json(path) == {"key": ["grüße", 1]}


def test_no_file_is_none(tmp_path):
    assert durable.read_json(tmp_path / "none.json") is None


def test_only_the_owner_reads_it(tmp_path):
    path = tmp_path / "new" / "b.json"
    durable.write_json(path, 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "b.json"
    path.write_text('{"cut')
    with pytest.raises(StateError, match=r"b\.json: not JSON"):
        durable.read_json(path)


def test_a_full_disk_leaves_the_old_content_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "b.json"
    durable.write_json(path, "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StateError, match="No space left on device"):
        durable.write_json(path, "new")
    assert durable.read_json(path) == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_file_and_directory_are_synced_in_that_order(tmp_path, monkeypatch):
    path = tmp_path / "b.json"
    synced = []

    def note(descriptor):
        synced.append(
            ("directory" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file", path.exists())
        )

    monkeypatch.setattr(os, "fsync", note)
    durable.write_json(path, 1)
    assert synced == [("file", False), ("directory", True)]


def test_a_directory_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StateError, match="file/sub"):
        durable.write_json(tmp_path / "file" / "sub" / "b.json", 1)


def test_a_removed_file_is_gone_and_an_absent_one_does_not_matter(tmp_path):
    path = tmp_path / "b.json"
    durable.write_json(path, 1)
    durable.remove(path)
    durable.remove(path)
    assert not path.exists()


def test_what_cannot_be_removed_is_named(tmp_path):
    with pytest.raises(StateError, match=re.escape(str(tmp_path))):
        durable.remove(tmp_path)


def test_what_a_crash_left_is_removed_and_whole_files_are_not(tmp_path, monkeypatch):
    path = tmp_path / "b.json"
    durable.write_json(path, 1)
    with monkeypatch.context() as patch:
        # As if the power went: neither rename nor clean up.
        patch.setattr(Path, "replace", power_loss)
        patch.setattr(Path, "unlink", power_loss)
        with pytest.raises(KeyboardInterrupt):
            durable.write_json(path, 2)
    assert len(list(tmp_path.iterdir())) == 2
    durable.remove_litter(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_litter_that_will_not_go_is_named(tmp_path):
    (tmp_path / ".b.json.x1y2").mkdir()
    with pytest.raises(StateError, match=r"\.b\.json\.x1y2"):
        durable.remove_litter(tmp_path)


def test_a_directory_that_is_not_there_holds_no_litter(tmp_path):
    durable.remove_litter(tmp_path / "none")


def power_loss(*_):
    raise KeyboardInterrupt
