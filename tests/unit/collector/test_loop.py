"""os-collect-config's duties that fall to us, with its own cache and real files."""

import os
import signal
from types import SimpleNamespace

import pytest
from os_collect_config import cache, collect

from heat_zaqar_collector import loop


@pytest.fixture
def cachedir(tmp_path, monkeypatch):
    conf = SimpleNamespace(cachedir=str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "cfg", SimpleNamespace(CONF=conf))
    return tmp_path / "cache"


@pytest.fixture
def patience(cachedir):
    return loop.Patience("zaqar")


# Patience


def test_nothing_collected_yet_is_no_failure(patience):
    assert patience.seconds(30) == 30


def test_what_was_applied_is_waited_for_in_full(patience):
    cache.store("zaqar", {"a": 1})
    cache.commit("zaqar")
    assert patience.seconds(30) == 30


def test_commands_that_fail_are_tried_again_after_growing_pauses(patience):
    cache.store("zaqar", {"a": 1})
    assert [patience.seconds(30) for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_pause_is_never_longer_than_asked_for(patience):
    cache.store("zaqar", {"a": 1})
    assert [patience.seconds(0.3), patience.seconds(3), patience.seconds(3)] == [0.3, 2, 3]


def test_a_command_that_succeeds_after_all_ends_the_short_pauses(patience):
    cache.store("zaqar", {"a": 1})
    assert [patience.seconds(30), patience.seconds(30)] == [1, 2]
    cache.commit("zaqar")
    assert patience.seconds(30) == 30
    cache.store("zaqar", {"a": 2})
    assert patience.seconds(30) == 1


def test_a_command_that_fails_for_a_day_is_tried_again_still(patience):
    cache.store("zaqar", {"a": 1})
    assert {patience.seconds(30) for _ in range(3000)} == {1, 2, 4, 8, 16, 30}


def test_keys_in_another_order_are_no_change_to_os_collect_config_and_none_to_us(patience):
    cache.store("zaqar", {"a": 1, "b": 2})
    cache.commit("zaqar")
    changed, _ = cache.store("zaqar", {"b": 2, "a": 1})
    assert not changed  # so its command does not run, and nothing is committed
    assert patience.seconds(30) == 30


# A changed configuration


@pytest.fixture
def reexec(monkeypatch):
    calls = []
    monkeypatch.setattr(collect, "reexec_self", lambda *_: calls.append(1))
    return calls


@pytest.fixture
def conf(tmp_path):
    path = tmp_path / "os-collect-config.conf"
    path.write_text("[zaqar]\nchannel = c\n")
    return path


def test_an_unchanged_file_changes_nothing(conf, reexec):
    check = loop.restart_on_change([str(conf)])
    check()
    check()
    assert reexec == []


def test_a_file_that_was_written_again_with_the_same_content_changes_nothing(conf, reexec):
    check = loop.restart_on_change([str(conf)])
    os.utime(conf, (1, 1))
    check()
    new = conf.with_suffix(".new")
    new.write_text(conf.read_text())
    new.replace(conf)
    check()
    assert reexec == []


def test_other_content_starts_the_agent_anew(conf, reexec):
    check = loop.restart_on_change([str(conf)])
    new = conf.with_suffix(".new")
    new.write_text("[zaqar]\nchannel = d\n")
    new.replace(conf)
    check()
    assert reexec == [1]


def test_content_that_changes_in_place_after_a_touch_starts_the_agent_anew(conf, reexec):
    check = loop.restart_on_change([str(conf)])
    os.utime(conf, (1, 1))
    check()
    conf.write_text("[zaqar]\nchannel = d\n")
    check()
    assert reexec == [1]


def test_each_of_several_files_counts(conf, tmp_path, reexec):
    other = tmp_path / "other.conf"
    other.write_text("")
    check = loop.restart_on_change([str(conf), str(other)])
    other.write_text("[zaqar]\n")
    check()
    assert reexec == [1]


def test_a_file_that_comes_or_goes_is_a_change(conf, tmp_path, reexec):
    later = tmp_path / "later.conf"
    check = loop.restart_on_change([str(conf), str(later)])
    check()
    assert reexec == []
    later.write_text("[zaqar]\nchannel = d\n")
    check()
    assert reexec == [1]
    check = loop.restart_on_change([str(conf), str(later)])
    conf.unlink()
    check()
    assert reexec == [1, 1]


def test_files_are_read_only_when_their_stamps_have_changed(conf, monkeypatch):
    reads = []
    monkeypatch.setattr(collect, "getfilehash", lambda files: reads.append(files))
    check = loop.restart_on_change([str(conf)])
    for _ in range(10):
        check()
    assert len(reads) == 1


# SIGHUP


def test_sighup_is_heeded_where_os_collect_config_ignores_it():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        loop.heed_sighup()
        assert signal.getsignal(signal.SIGHUP) is collect.reexec_self
    finally:
        signal.signal(signal.SIGHUP, before)
