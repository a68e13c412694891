import json
import stat

import pytest

from localcloud import plan as planning
from localcloud.errors import BadScratch, NotRunning


def test_a_saved_plan_is_read_back(plan, tmp_path):
    plan.save()
    assert planning.load_plan(plan.scratch) == plan


def test_a_plan_with_plugins_and_ports_is_read_back(plan, tmp_path):
    import dataclasses

    full = dataclasses.replace(
        plan, ports={"redis": 1}, plugin_dirs=(tmp_path,), debug=True, compute=tmp_path
    )
    full.save()
    assert planning.load_plan(plan.scratch) == full


def test_the_state_file_is_private(plan):
    plan.save()
    mode = (plan.scratch / planning.STATE_FILE).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_no_state_file_is_no_cloud(tmp_path):
    with pytest.raises(NotRunning, match="no local cloud in"):
        planning.load_plan(tmp_path)


@pytest.mark.parametrize("text", ["", "{", '{"version": 99}'])
def test_a_foreign_state_file_is_no_cloud(tmp_path, text):
    (tmp_path / planning.STATE_FILE).write_text(text)
    with pytest.raises(NotRunning):
        planning.load_plan(tmp_path)


def test_a_version_of_another_release_names_both(plan):
    plan.save()
    path = plan.scratch / planning.STATE_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 99}))
    with pytest.raises(NotRunning, match=r"is of version 99, this is version 1"):
        planning.load_plan(plan.scratch)


def test_secrets_differ_and_heats_key_is_of_32_characters():
    one, two = planning.new_secrets(), planning.new_secrets()
    assert len(one["heat_encryption_key"]) == 32
    assert len(set(one.values()) | set(two.values())) == 2 * len(one)


def test_a_default_scratch_is_new_and_short():
    one, two = planning.prepare_scratch(None), planning.prepare_scratch(None)
    try:
        assert one != two
        assert {item.name for item in one.iterdir()} == {"conf", "logs", "run"}
    finally:
        for path in (one, two):
            for name in ("conf", "logs", "run"):
                (path / name).rmdir()
            path.rmdir()


def test_a_scratch_in_use_is_refused(tmp_path):
    (tmp_path / "x").write_text("mine")
    with pytest.raises(BadScratch, match="is not empty"):
        planning.prepare_scratch(tmp_path)
    assert (tmp_path / "x").read_text() == "mine"


def test_a_path_too_long_for_sockets_is_refused(tmp_path):
    with pytest.raises(BadScratch, match="too long for sockets"):
        planning.prepare_scratch(tmp_path / ("x" * 100))


def test_a_file_is_no_scratch(tmp_path):
    file = tmp_path / "f"
    file.write_text("")
    with pytest.raises(BadScratch, match="cannot use"):
        planning.prepare_scratch(file)
