import json

import pytest

from heat_zaqar_hooks import hooks
from heat_zaqar_transport.wire.errors import HookFailed


def test_the_first_directory_that_has_the_hook_wins(tmp_path, hook_dir, hook):
    other = tmp_path / "other"
    other.mkdir()
    (other / "script").touch()
    path = hook("true")
    missing = tmp_path / "missing"
    assert hooks.find("script", [missing, hook_dir, other]) == path
    assert hooks.find("script", [other, hook_dir]) == other / "script"


def test_only_letters_digits_dash_and_underscore_name_a_file(tmp_path, hook_dir, hook):
    path = hook("true", name="docker-cmd_2")
    assert hooks.find("../docker-cmd_2", [hook_dir]) == path
    assert hooks.find("docker-cmd_2 .", [hook_dir]) == path


@pytest.mark.parametrize("group", ["", "..", "/", "none", "x" * 5000])
def test_no_hook_is_none(hook_dir, group):
    assert hooks.find(group, [hook_dir]) is None


def test_a_hook_reads_the_config_and_inherits_the_environment(hook, monkeypatch):
    monkeypatch.setenv("SOME_VARIABLE", "seen")
    run = hooks.run(hook('cat; echo "$SOME_VARIABLE" >&2; exit 3'), {"id": "c1", "a": "ü"})
    assert json.loads(run.stdout) == {"id": "c1", "a": "ü"}
    assert run.stderr == "seen\n"
    assert run.returncode == 3
    assert run.duration_s >= 0


def test_a_hook_need_not_read_its_input(hook):
    assert hooks.run(hook("exit 0"), {"config": "x" * 1_000_000}).returncode == 0


def test_bytes_that_are_no_text_are_replaced(hook):
    assert hooks.run(hook(r"printf 'a\377b'"), {}).stdout == "a\N{REPLACEMENT CHARACTER}b"


def test_a_signal_is_a_negative_return_code(hook):
    assert hooks.run(hook("kill -9 $$"), {}).returncode == -9


@pytest.mark.parametrize(
    ("mode", "text", "problem"),
    [
        (0o644, "#!/bin/sh\n", "Permission denied"),
        (0o755, "#!/no/such/interpreter\n", "No such file"),
        (0o755, "no interpreter\n", "Exec format error"),
    ],
)
def test_a_hook_that_cannot_be_started_fails(hook_dir, mode, text, problem):
    path = hook_dir / "script"
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(HookFailed, match=f"hook {path} cannot be started: {problem}"):
        hooks.run(path, {})


def test_the_repr_shows_no_output(hook):
    assert "hunter2" not in repr(hooks.run(hook("echo hunter2; echo hunter2 >&2"), {}))
