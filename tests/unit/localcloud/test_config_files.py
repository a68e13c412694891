import configparser
import stat

import pytest
from oslo_config import cfg

from localcloud import config


def read_with_oslo(path, group, name, kind=cfg.StrOpt):
    conf = cfg.ConfigOpts()
    conf.register_opt(kind(name), group=group)
    conf(args=[], default_config_files=[str(path)])
    return conf[group][name]


@pytest.mark.parametrize("value", ["plain", "$dollar", "a$$b", "p=q;#r", "100%", "a:b@c/d?e=f"])
def test_oslo_config_reads_back_what_was_written(tmp_path, value):
    path = tmp_path / "x.conf"
    path.write_text(config.render_ini({"group": {"name": value}}))
    assert read_with_oslo(path, "group", "name") == value


def test_oslo_config_reads_lists_numbers_and_booleans(tmp_path):
    path = tmp_path / "x.conf"
    path.write_text(config.render_ini({"g": {"l": ["a", "b"], "n": 3, "t": True, "f": False}}))
    assert read_with_oslo(path, "g", "l", cfg.ListOpt) == ["a", "b"]
    assert read_with_oslo(path, "g", "n", cfg.IntOpt) == 3
    assert read_with_oslo(path, "g", "t", cfg.BoolOpt) is True
    assert read_with_oslo(path, "g", "f", cfg.BoolOpt) is False


@pytest.mark.parametrize("value", ["a\nb = c", "a\r", ["x\ny"]])
def test_a_value_cannot_smuggle_in_another_option(value):
    with pytest.raises(ValueError, match="line break"):
        config.render_ini({"g": {"o": value}})


def test_sections_are_apart():
    text = config.render_ini({"DEFAULT": {"a": 1}, "b": {"c": 2}})
    parsed = configparser.ConfigParser()
    parsed.read_string(text)
    assert parsed.defaults() == {"a": "1"}
    assert parsed["b"]["c"] == "2"


def test_pairs():
    options = {"port": 1, "on": True, "names": ["a", "b"]}
    assert config.render_pairs(options, " ") == "port 1\non true\nnames a,b\n"


def test_merge_leaves_out_what_is_none():
    assert config.merge({"a": {"x": 1, "y": 2}}, {"a": {"x": None}}) == {"a": {"y": 2}}


def test_merge_adds_and_replaces_and_leaves_its_arguments():
    base = {"a": {"x": 1, "y": 2}}
    merged = config.merge(base, {"a": {"y": 3}, "b": {"z": 4}})
    assert merged == {"a": {"x": 1, "y": 3}, "b": {"z": 4}}
    assert base == {"a": {"x": 1, "y": 2}}


def test_a_private_file_is_private_and_so_is_its_directory(tmp_path):
    path = tmp_path / "keys" / "0"
    config.write_private(path, "secret")
    assert path.read_text() == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_private_file_is_replaced_even_when_it_was_readable_by_all(tmp_path):
    path = tmp_path / "x"
    path.write_text("old")
    path.chmod(0o644)
    config.write_private(path, "new")
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [item.name for item in tmp_path.iterdir()] == ["x"]
