"""The command as a process of its own: os-collect-config's options, and a clear error."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = Path(sys.prefix) / "bin" / "os-collect-config-zaqar"


def run(tmp_path, *arguments, **files):
    """Run the command with a cache of its own and a boot configuration, all under a directory."""
    conf = tmp_path / "agent.conf"
    conf.write_text(
        f"[DEFAULT]\ncachedir = {tmp_path}/cache\nbackup_cachedir = {tmp_path}/backup\n"
        f"[heat_local]\npath = {tmp_path}/local.json\n{files.get('conf', '')}"
    )
    (tmp_path / "local.json").write_text(json.dumps({"os-collect-config": {}}))
    return subprocess.run(
        [COMMAND, "--config-file", conf, *arguments],
        capture_output=True, text=True, check=False, env={"LC_ALL": "C", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


def applied(tmp_path, *arguments):
    return run(tmp_path, "--one-time", "--command", "true", *arguments, "heat_local")


def test_its_log_options_take_effect(tmp_path):
    assert " INFO " in applied(tmp_path).stderr
    assert " DEBUG " in applied(tmp_path, "--debug").stderr


def test_it_tells_its_version(tmp_path):
    assert run(tmp_path, "--version").returncode == 0


def test_our_zaqar_collector_is_the_one_that_runs(tmp_path):
    done = run(tmp_path, "--print", "zaqar")
    assert (
        "option [zaqar] metadata_url is not set, and neither are all Keystone options: auth_url"
        in (done.stderr)
    )
    assert json.loads(done.stdout) == {}


def test_no_credential_of_ours_can_stand_in_the_process_list(tmp_path):
    assert "--zaqar-metadata" not in run(tmp_path, "--help").stdout


def test_a_mark_that_was_cut_short_is_deleted_and_the_next_start_works(tmp_path):
    assert applied(tmp_path).returncode == 0
    mark = tmp_path / "cache" / "heat_local.json.last"
    mark.write_text('{"cut')
    done = applied(tmp_path)
    assert done.returncode == 1
    assert "cannot read its cache" in done.stderr
    assert "Traceback" not in done.stderr
    assert not mark.exists()
    assert applied(tmp_path).returncode == 0
    assert mark.exists()


@pytest.mark.parametrize(
    ("conf", "arguments", "told"),
    [
        ("", ["no-such-collector"], "no-such-collector"),
        ("[zaqar]\npassword hunter2\n", ["heat_local"], "is neither a section nor an option"),
    ],
)
def test_a_mistake_is_told_in_a_line(tmp_path, conf, arguments, told):
    done = run(tmp_path, "--one-time", "--command", "true", *arguments, conf=conf)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_cache_that_cannot_be_written_is_told_in_a_line(tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    done = applied(tmp_path)
    assert done.returncode == 1
    assert "os-collect-config cannot go on" in done.stderr
    assert "Traceback" not in done.stderr
