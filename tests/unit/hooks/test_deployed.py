import json
import stat

from heat_zaqar_hooks.deployed import Deployed


def test_a_config_is_kept_for_its_owner_only(tmp_path, config):
    deployed = Deployed(tmp_path / "deployed")
    assert not deployed.has("c1")
    deployed.write(config())
    assert deployed.has("c1")
    path = tmp_path / "deployed" / "c1.json"
    assert json.loads(path.read_text())["id"] == "c1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_removal_takes_heat_agents_copy_of_the_result_along(tmp_path, config):
    deployed = Deployed(tmp_path)
    deployed.write(config())
    (tmp_path / "c1.notify.json").touch()
    deployed.remove("c1")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_is_a_mark(tmp_path, config):
    deployed = Deployed(tmp_path)
    deployed.path("c2").touch()
    deployed.write(config())
    assert deployed.is_mark("c2")
    assert not deployed.is_mark("c1")


def test_heat_agents_copy_of_a_result_is_read_if_it_can_be(tmp_path):
    deployed = Deployed(tmp_path)
    for config_id, text in (("a", '{"x": 1}'), ("b", "{"), ("c", "[]")):
        (tmp_path / f"{config_id}.notify.json").write_text(text)
    assert [deployed.kept_result(config_id) for config_id in "abcd"] == [{"x": 1}, None, None, None]


def test_what_a_crash_left_is_removed_and_configs_are_not(tmp_path, config):
    deployed = Deployed(tmp_path)
    deployed.write(config())
    (tmp_path / ".c1.json.x1y2z3").touch()
    deployed.remove_litter()
    assert [path.name for path in tmp_path.iterdir()] == ["c1.json"]
