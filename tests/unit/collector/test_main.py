"""The command as a process of its own: os-collect-config's options, and a clear error."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

COMMAND = Path(sys.prefix) / "bin" / "os-collect-config-zaqar"
ENVIRON = {"LC_ALL": "C", "PATH": "/usr/bin:/bin"}

# What the command runs, forked from a process that has imported it already: that takes most
# of a start. Reads lines of arguments and of the files for both outputs; writes exit statuses.
FORKING = """
import json, os, sys
from heat_zaqar_collector.main import main
for line in sys.stdin:
    arguments, *outputs = json.loads(line)
    if not os.fork():
        for descriptor, path in enumerate(outputs, 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), descriptor)
        sys.argv[1:] = arguments
        sys.exit(main())
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.fixture(scope="module")
def forking():
    with subprocess.Popen(
        [sys.executable, "-c", FORKING],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRON,
    ) as process:  # fmt: skip
        yield process


@pytest.fixture
def run(tmp_path, forking):
    """Run the command with a cache of its own and a boot configuration, all in a directory."""

    def run(*arguments, conf=""):
        outputs = [tmp_path / "stdout", tmp_path / "stderr"]
        for path in outputs:
            path.unlink(missing_ok=True)
        request = [configured(tmp_path, *arguments, conf=conf), *map(str, outputs)]
        forking.stdin.write(json.dumps(request) + "\n")
        forking.stdin.flush()
        status = int(forking.stdout.readline())
        stdout, stderr = (path.read_text() for path in outputs)
        return SimpleNamespace(returncode=status, stdout=stdout, stderr=stderr)

    return run


def configured(tmp_path, *arguments, conf=""):
    """Return arguments that keep the command to a directory."""
    path = tmp_path / "agent.conf"
    path.write_text(
        f"[DEFAULT]\ncachedir = {tmp_path}/cache\nbackup_cachedir = {tmp_path}/backup\n"
        f"[heat_local]\npath = {tmp_path}/local.json\n{conf}"
    )
    (tmp_path / "local.json").write_text(json.dumps({"os-collect-config": {}}))
    return ["--config-file", str(path), *arguments]


APPLY_ONCE = ("--one-time", "--command", "true")


def test_its_log_options_take_effect_where_it_is_started(tmp_path):
    for options, level in (((), " INFO "), (("--debug",), " DEBUG ")):
        arguments = configured(tmp_path, *APPLY_ONCE, *options, "heat_local")
        done = subprocess.run(
            [COMMAND, *arguments], capture_output=True, text=True, check=True, env=ENVIRON
        )
        assert level in done.stderr


def test_it_tells_its_version(run):
    assert run("--version").returncode == 0


def test_our_zaqar_collector_is_the_one_that_runs(run):
    done = run("--print", "zaqar")
    assert (
        "option [zaqar] metadata_url is not set, and neither are all Keystone options: auth_url"
        in (done.stderr)
    )
    assert json.loads(done.stdout) == {}


def test_no_credential_of_ours_can_stand_in_the_process_list(run):
    told = run("--help").stdout
    assert "--zaqar-queue-id" in told  # a released one
    assert "--zaqar-metadata" not in told


def test_a_mark_that_was_cut_short_is_deleted_and_the_next_start_works(run, tmp_path):
    assert run(*APPLY_ONCE, "heat_local").returncode == 0
    mark = tmp_path / "cache" / "heat_local.json.last"
    mark.write_text('{"cut')
    done = run(*APPLY_ONCE, "heat_local")
    assert done.returncode == 1
    assert "cannot read its cache" in done.stderr
    assert "Traceback" not in done.stderr
    assert not mark.exists()
    assert run(*APPLY_ONCE, "heat_local").returncode == 0
    assert mark.exists()


@pytest.mark.parametrize(
    ("conf", "arguments", "told"),
    [
        ("", ["no-such-collector"], "no-such-collector"),
        ("[zaqar]\npassword hunter2\n", ["heat_local"], "is neither a section nor an option"),
    ],
)
def test_a_mistake_is_told_in_a_line(run, conf, arguments, told):
    done = run(*APPLY_ONCE, *arguments, conf=conf)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr


def test_a_cache_that_cannot_be_written_is_told_in_a_line(run, tmp_path):
    (tmp_path / "cache").write_text("a file in the way")
    done = run(*APPLY_ONCE, "heat_local")
    assert done.returncode == 1
    assert "os-collect-config cannot go on" in done.stderr
    assert "Traceback" not in done.stderr
