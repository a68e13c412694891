# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from heat_zaqar_collector import settings
from heat_zaqar_transport.wire import Ack, Secret, serialize
from heat_zaqar_transport.wire.errors import NotConfigured
from heat_zaqar_transport.wire.sealing import NO_SEAL, SealKeys, new_key

RENDERED = """[zaqar]
channel = c1
state_dir = /var/lib/general
signal_ttl = 600
"""
LOCAL = """[zaqar]
state_dir = /srv/local
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rendered, local = tmp_path / "os-collect-config.conf", tmp_path / "local.conf"
    rendered.write_text(RENDERED)
    local.write_text(LOCAL)
    return rendered, local


def test_one_file_in_the_environment(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.CONFIG_FILE_VARIABLE, str(files[0]))

    loaded = settings.load()

    assert (loaded.channel, loaded.state_dir) == ("c1", Path("/var/lib/general"))


def test_of_several_files_the_later_one_wins(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.CONFIG_FILE_VARIABLE, f"{files[0]}:{files[1]}")

    loaded = settings.load()

    assert loaded.state_dir == Path("/srv/local")
    assert (loaded.channel, loaded.signal_ttl_s) == ("c1", 600)


@pytest.mark.parametrize("value", [None, "", ":"])
def test_without_the_variable_the_default_is_read(
    value: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(settings.CONFIG_FILE_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(settings.CONFIG_FILE_VARIABLE, value)

    assert settings.config_files() == [settings.DEFAULT_CONFIG_FILE]


def test_paths_given_go_before_the_environment(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(settings.CONFIG_FILE_VARIABLE, "/nowhere")

    assert settings.load(*reversed(files)).state_dir == Path("/var/lib/general")


def test_a_missing_file_is_named(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(NotConfigured, match=r"there is no file .*/missing\.conf$"):
        settings.load(files[0], tmp_path / "missing.conf")


def test_a_line_that_cannot_be_parsed_is_named_but_not_quoted(tmp_path):
    path = tmp_path / "a.conf"
    path.write_text("[zaqar]\npassword hunter2\n")
    with pytest.raises(NotConfigured) as caught:
        settings.load(path)
    assert f"{path}, line 2" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def written(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "a.conf"
    path.write_text("\n".join(["[zaqar]", *lines, ""]))
    return path


def test_how_to_be_pushed_is_read(tmp_path: Path) -> None:
    loaded = settings.load(
        written(
            tmp_path,
            "push = webhook",
            "websocket_url = wss://192.0.2.7:9000/",
            "webhook_listen = 0.0.0.0:8779",
            "webhook_path = /hz-w-1",
            "poll_longest = 7.5",
        )
    )

    assert (loaded.push, loaded.websocket_url) == ("webhook", "wss://192.0.2.7:9000/")
    assert (loaded.webhook_listen, loaded.webhook_path) == ("0.0.0.0:8779", Secret("/hz-w-1"))
    assert loaded.poll_longest_s == 7.5
    assert "hz-w-1" not in repr(loaded)


def test_by_default_the_way_is_chosen_and_empty_values_are_none(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, "websocket_url =", "webhook_path ="))

    assert (loaded.push, loaded.poll_longest_s) == ("auto", 30.0)
    assert (loaded.websocket_url, loaded.webhook_listen, loaded.webhook_path) == (None, None, None)


@pytest.mark.parametrize(
    "line",
    ["push = sometimes", "poll_longest = 0.5", "poll_longest = often", "deploy_timeout = -1"],
)
def test_an_option_that_cannot_be_used_is_told(tmp_path: Path, line: str) -> None:
    with pytest.raises(NotConfigured, match=line.split()[0]):
        settings.load(written(tmp_path, line))


def test_how_long_hooks_may_run_and_how_to_reboot(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, "deploy_timeout = 2.5", "reboot_command = touch /x"))

    assert (loaded.deploy_timeout_s, loaded.reboot_command) == (2.5, "touch /x")


def test_by_default_hooks_have_four_hours_and_systemd_reboots(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path))

    assert (loaded.deploy_timeout_s, loaded.reboot_command) == (14400.0, "systemctl reboot")


def test_neither_a_limit_nor_a_reboot(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, "deploy_timeout = 0", "reboot_command ="))

    assert (loaded.deploy_timeout_s, loaded.reboot_command) == (0.0, "")


@pytest.mark.parametrize("name", ["deploy_timeout", "poll_longest", "timeout"])
@pytest.mark.parametrize("value", ["nan", "inf"])
def test_what_is_no_number_of_seconds_is_named(tmp_path, name, value):
    path = tmp_path / "agent.conf"
    path.write_text(f"[zaqar]\n{name} = {value}\n")
    with pytest.raises(NotConfigured, match=rf"\[zaqar\] {name} is no number of seconds"):
        settings.load(path)


KEYS = [new_key(lambda size, digit=digit: digit * size) for digit in (b"1", b"2")]
BODY = serialize(Ack("c1", "a"))


def seal_of(key: Secret) -> SealKeys:
    return SealKeys([key], lambda size: b"n" * size)


def test_the_first_key_seals_and_each_opens(tmp_path: Path) -> None:
    text = ",".join(key.reveal() for key in KEYS)

    loaded = settings.load(written(tmp_path, f"seal_keys = {text}"))

    assert seal_of(KEYS[0]).unseal(loaded.seal.seal(BODY)) == BODY
    assert loaded.seal.unseal(seal_of(KEYS[1]).seal(BODY)) == BODY
    assert not any(key.reveal() in repr(loaded) for key in KEYS)


@pytest.mark.parametrize("lines", [[], ["seal_keys ="]])
def test_without_a_key_nothing_is_sealed(tmp_path: Path, lines: list[str]) -> None:
    assert settings.load(written(tmp_path, *lines)).seal is NO_SEAL


@pytest.mark.parametrize("text", ["s3cret", f"{KEYS[0].reveal()},", f"{KEYS[0].reveal()} s3cret"])
def test_what_is_no_key_is_told_and_not_quoted(tmp_path: Path, text: str) -> None:
    with pytest.raises(NotConfigured, match=r"option \[zaqar\] seal_keys cannot be") as caught:
        settings.load(written(tmp_path, f"seal_keys = {text}"))

    assert "s3cret" not in str(caught.value)
    assert KEYS[0].reveal() not in str(caught.value)


def test_credentials_have_a_name_and_a_time(tmp_path: Path) -> None:
    loaded = settings.load(written(tmp_path, "credentials = hz-k-1", "renew_at = 1795666532"))

    assert (loaded.credentials, loaded.renew_at) == ("hz-k-1", 1795666532.0)


@pytest.mark.parametrize("lines", [[], ["credentials ="]])
def test_without_them_there_is_nothing_to_renew(tmp_path: Path, lines: list[str]) -> None:
    loaded = settings.load(written(tmp_path, *lines))

    assert (loaded.credentials, loaded.renew_at) == (None, None)


@pytest.mark.parametrize("value", ["soon", "nan", "inf"])
def test_a_time_that_is_none_is_told(tmp_path: Path, value: str) -> None:
    with pytest.raises(NotConfigured, match="renew_at"):
        settings.load(written(tmp_path, f"renew_at = {value}"))
