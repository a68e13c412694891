import json
import os
import pwd
import stat

import pytest

from localcloud import LocalCloud, cloud, packages
from localcloud import plan as planning
from localcloud.errors import BadScratch, NoFreePorts, NotRunning
from localcloud.services import base


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


def test_a_way_that_is_closed_to_a_services_user_is_named(scratch):
    """`scratch` was made with mode 0700."""
    with pytest.raises(BadScratch, match=f"user nobody, who may not enter {scratch};"):
        planning.prepare_scratch(scratch / "a" / "cloud", "nobody")
    assert not (scratch / "a" / "cloud").exists()
    scratch.chmod(0o711)
    assert planning.prepare_scratch(scratch / "a" / "cloud", "nobody").is_dir()


@pytest.mark.parametrize(
    ("mode", "owner", "group", "closed"),
    [
        (0o100, True, False, False),
        (0o611, True, True, True),
        (0o710, False, True, False),
        (0o701, False, True, True),
        (0o701, False, False, False),
        (0o770, False, False, True),
    ],
)
def test_who_may_enter_a_directory(scratch, monkeypatch, mode, owner, group, closed):
    """The first of owner, group and others that fits decides, as in the kernel."""
    uid, gid = os.getuid() + (not owner), scratch.stat().st_gid + (not group)
    entry = pwd.struct_passwd(("x", "", uid, gid, "", "", ""))
    monkeypatch.setattr(planning.pwd, "getpwnam", lambda _name: entry)
    scratch.chmod(mode)
    assert planning.first_closed(scratch / "cloud", "x") == (scratch if closed else None)


def test_the_first_of_several_closed_directories_is_named(scratch):
    """What is further in may be open to nobody and still not be the trouble."""
    (scratch / "a").mkdir(mode=0o700)
    assert planning.first_closed(scratch / "a" / "cloud", "nobody") == scratch


def test_the_way_is_looked_at_for_mariadb_only(scratch, monkeypatch):
    monkeypatch.setattr(packages, "ensure", lambda: ())
    monkeypatch.setattr(base, "user_if_root", lambda _name: "nobody")

    def reserve(_names):
        raise NoFreePorts

    monkeypatch.setattr(cloud, "reserve", reserve)
    with pytest.raises(BadScratch, match="user nobody, who may not enter"):
        LocalCloud.start(scratch / "cloud")
    with pytest.raises(NoFreePorts):
        LocalCloud.start(scratch / "cloud", heat=False)


def test_a_user_who_does_not_exist_is_the_services_affair(scratch):
    assert planning.first_closed(scratch / "cloud", "no-such-user") is None


def test_a_file_is_no_scratch(tmp_path):
    file = tmp_path / "f"
    file.write_text("")
    with pytest.raises(BadScratch, match="cannot use"):
        planning.prepare_scratch(file)
