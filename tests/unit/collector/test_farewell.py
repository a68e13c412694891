import logging

import pytest

from heat_zaqar_collector import farewell as module
from heat_zaqar_collector.farewell import FILE_NAME, Farewell
from heat_zaqar_transport.wire.errors import StateError

CHANNEL = "hz-c-1"


@pytest.fixture
def farewell(tmp_path):
    return Farewell(tmp_path, CHANNEL)


def test_nothing_heard_is_nothing_gone(farewell, tmp_path):
    assert not farewell.gone
    assert list(tmp_path.iterdir()) == []


def test_a_goodbye_outlives_the_process(farewell, tmp_path):
    farewell.heard()
    assert farewell.gone
    assert Farewell(tmp_path, CHANNEL).gone


@pytest.mark.parametrize("channel", ["hz-c-2", None])
def test_a_goodbye_of_another_channel_does_not_count(farewell, tmp_path, channel):
    farewell.heard()
    assert not Farewell(tmp_path, channel).gone


def test_a_server_without_a_channel_has_nothing_to_be_said_goodbye_to(tmp_path):
    Farewell(tmp_path, None).heard()
    assert not Farewell(tmp_path, None).gone


def test_it_is_written_once(farewell, tmp_path):
    farewell.heard()
    (tmp_path / FILE_NAME).unlink()
    farewell.heard()
    assert list(tmp_path.iterdir()) == []


def test_a_channel_that_lives_again_stays_so(farewell, tmp_path):
    farewell.heard()
    farewell.lives()
    assert not farewell.gone
    assert not Farewell(tmp_path, CHANNEL).gone
    farewell.heard()
    assert Farewell(tmp_path, CHANNEL).gone


def test_each_is_told_once(farewell, caplog):
    with caplog.at_level(logging.INFO):
        for call in (farewell.lives, farewell.heard, farewell.heard, farewell.lives):
            call()
    assert [CHANNEL in each for each in caplog.messages] == [True, True]


def test_a_disk_that_does_not_take_it_is_tried_again(farewell, tmp_path, monkeypatch, caplog):
    def full(path, value):
        raise StateError(path, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module.durable, "write_json", full)
        farewell.heard()
    assert farewell.gone
    assert "No space left" in caplog.text
    farewell.heard()
    assert Farewell(tmp_path, CHANNEL).gone


def test_a_disk_that_does_not_forget_is_told(farewell, monkeypatch, caplog):
    def read_only(path):
        raise StateError(path, "Read-only file system")

    farewell.heard()
    monkeypatch.setattr(module.durable, "remove", read_only)
    farewell.lives()
    assert not farewell.gone
    assert "Read-only" in caplog.text


def test_a_damaged_file_is_told_and_counts_as_nothing_heard(tmp_path, caplog):
    (tmp_path / FILE_NAME).write_text("{")
    assert not Farewell(tmp_path, CHANNEL).gone
    assert "not JSON" in caplog.text
