import io
import json
import os
import stat

import pytest

from heat_zaqar_hooks import script
from heat_zaqar_hooks.script import ScriptPlaces

ENVIRON = {"PATH": os.environ["PATH"], "INHERITED": "yes"}


@pytest.fixture
def places(tmp_path):
    return ScriptPlaces(tmp_path / "working", tmp_path / "outputs")


@pytest.fixture
def run(places):
    def run(text, inputs=None, outputs=()):
        document = {
            "id": "c1",
            "config": text,
            "inputs": [{"name": name, "value": value} for name, value in (inputs or {}).items()],
            "outputs": [{"name": name} for name in outputs],
        }
        return script.run(document, places, ENVIRON)

    return run


def test_the_defaults_are_those_of_heat_agents():
    places = ScriptPlaces.from_environ({"HEAT_SCRIPT_WORKING": ""})
    assert str(places.working_dir) == "/var/lib/heat-config/heat-config-script"
    assert str(places.outputs_dir) == "/var/run/heat-config/heat-config-script"
    given = {"HEAT_SCRIPT_WORKING": "/a", "HEAT_SCRIPT_OUTPUTS": "/b"}
    assert str(ScriptPlaces.from_environ(given).outputs_dir) == "/b"


def test_logs_and_exit_status(run):
    assert run("#!/bin/sh\necho out; echo err >&2; exit 3") == {
        "deploy_stdout": "out\n",
        "deploy_stderr": "err\n",
        "deploy_status_code": 3,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        ("", ""),
        (None, ""),
        (5, "5"),
        (1.5, "1.5"),
        (True, "True"),
        ({"a": [1]}, '{"a": [1]}'),
        (["ü"], '["\\u00fc"]'),
        ("ü", "ü"),
    ],
)
def test_inputs_are_environment_variables(run, value, text):
    assert run('#!/bin/sh\nprintf %s "$my_input"', {"my_input": value})["deploy_stdout"] == text


def test_an_input_without_a_value_is_empty(places):
    document = {"id": "c1", "config": "#!/bin/sh\necho [$a]", "inputs": [{"name": "a"}]}
    assert script.run(document, places, ENVIRON)["deploy_stdout"] == "[]\n"


def test_the_environment_is_inherited(run):
    assert run('#!/bin/sh\necho "$INHERITED"')["deploy_stdout"] == "yes\n"


def test_outputs_are_read_from_their_files(run):
    outputs = run(
        "#!/bin/sh\nprintf one > $heat_outputs_path.a\nprintf two > $heat_outputs_path.undeclared",
        outputs=["a", "not_written", "nul\0name"],
    )
    assert outputs["a"] == "one"
    assert set(outputs) == {"a", "deploy_stdout", "deploy_stderr", "deploy_status_code"}


def test_the_outputs_path_is_the_id_below_the_outputs_directory(run, places):
    stdout = run('#!/bin/sh\nprintf %s "$heat_outputs_path"')["deploy_stdout"]
    assert stdout == str(places.outputs_dir / "c1")


def test_an_input_cannot_move_the_outputs(run, places):
    stdout = run('#!/bin/sh\nprintf %s "$heat_outputs_path"', {"heat_outputs_path": "/x"})
    assert stdout["deploy_stdout"] == str(places.outputs_dir / "c1")


def test_the_script_is_run_where_it_is_written_and_only_the_owners(run, places):
    outputs = run("#!/bin/sh\npwd; stat -c %a c1 . $heat_outputs_path/..")
    assert outputs["deploy_stdout"].splitlines() == [str(places.working_dir), "700", "700"]
    assert stat.S_IMODE(places.outputs_dir.stat().st_mode) == 0o700


def test_nothing_is_left_behind(run, places):
    run("#!/bin/sh\ntouch $heat_outputs_path.a; mkdir $heat_outputs_path.d", outputs=["a"])
    assert list(places.working_dir.iterdir()) == []
    assert list(places.outputs_dir.iterdir()) == []


def test_stale_files_are_removed_first_and_others_are_not(run, places):
    places.working_dir.mkdir()
    places.outputs_dir.mkdir()
    (places.working_dir / "c1").write_text("x" * 10_000)
    (places.outputs_dir / "c1.a").write_text("stale")
    (places.outputs_dir / "c10.a").write_text("another's")
    outputs = run("#!/bin/sh\necho fresh", outputs=["a"])
    assert outputs["deploy_stdout"] == "fresh\n"
    assert "a" not in outputs
    assert (places.outputs_dir / "c10.a").exists()


def test_a_link_in_the_scripts_place_is_not_followed(run, places, tmp_path):
    places.working_dir.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (places.working_dir / "c1").symlink_to(victim)
    assert run("#!/bin/sh\necho ran")["deploy_stdout"] == "ran\n"
    assert victim.read_text() == "untouched"


@pytest.mark.parametrize("text", ["echo plain $0", ""])
def test_a_script_without_an_interpreter_is_the_shells(run, text):
    outputs = run(text)
    assert outputs["deploy_status_code"] == 0
    assert outputs["deploy_stderr"] == ""


def test_no_config_is_an_empty_script(run):
    assert run(None)["deploy_status_code"] == 0


def test_other_interpreters_work(run):
    assert run("#!/usr/bin/env python3\nprint(6 * 7)")["deploy_stdout"] == "42\n"


def test_the_scripts_input_is_empty(run, tmp_path):
    (tmp_path / "stdin").write_text("of the hook")
    kept = os.dup(0)
    try:
        with (tmp_path / "stdin").open() as stdin:
            os.dup2(stdin.fileno(), 0)
            outputs = run("#!/bin/sh\ncat")
    finally:
        os.dup2(kept, 0)
        os.close(kept)
    assert outputs["deploy_stdout"] == ""


def test_a_script_that_a_signal_ends_says_so_last(run):
    outputs = run("#!/bin/sh\necho trace >&2; kill -9 $$")
    assert outputs["deploy_status_code"] == 137
    assert outputs["deploy_stderr"] == "trace\nthe script was ended by signal 9 (SIGKILL)"


@pytest.mark.parametrize(
    ("inputs", "reason"),
    [
        ({"a=b": "v"}, "input 'a=b' cannot be the name of an environment variable"),
        ({"": "v"}, "input '' cannot be the name of an environment variable"),
        ({"a\0": "v"}, "input 'a\\x00' cannot be the name of an environment variable"),
        ({"a": "hunter2\0"}, "the value of input a holds a NUL character"),
        ({"a": "hunter2\ud800"}, "input 'a' holds half of a surrogate pair"),
        ({"a": "hunter2" * 100_000}, "the script cannot be started: Argument list too long"),
    ],
)
def test_what_cannot_be_an_environment_variable_is_a_failed_result(run, inputs, reason):
    assert run("#!/bin/sh\n", inputs) == {
        "deploy_stdout": "",
        "deploy_stderr": reason,
        "deploy_status_code": 1,
    }


def test_an_interpreter_that_is_missing_is_a_failed_result(run):
    outputs = run("#!/no/such/interpreter\n")
    assert outputs["deploy_stderr"].startswith("the script cannot be started: No such file")


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        ({"id": "../x"}, "the config's id is missing or unusable"),
        ({"config": {"a": 1}}, "the config is no text, so it is no script"),
        ({"inputs": "x"}, "config c1: its inputs are no list of objects with a name each"),
    ],
)
def test_an_unusable_config_is_a_failed_result(places, field, reason):
    document = {"id": "c1", "config": "#!/bin/sh\n", **field}
    assert script.run(document, places, ENVIRON)["deploy_stderr"] == reason


def test_a_directory_that_cannot_be_made_is_a_failed_result(run, places):
    places.working_dir.touch()
    assert str(places.working_dir) in run("#!/bin/sh\n")["deploy_stderr"]


@pytest.mark.parametrize("outputs", ["x", ["a"], [{"name": 5}], {"a": 1}, None])
def test_odd_declarations_of_outputs_do_not_matter(run, outputs):
    assert script._collect({"outputs": outputs}, "p") == {}


def run_main(text, monkeypatch, places):
    monkeypatch.setenv("HEAT_SCRIPT_WORKING", str(places.working_dir))
    monkeypatch.setenv("HEAT_SCRIPT_OUTPUTS", str(places.outputs_dir))
    stdout = io.StringIO()
    return script.main([], io.StringIO(text), stdout), stdout.getvalue()


def test_main_prints_one_json_object_and_ends_with_0_for_failed_scripts(monkeypatch, places):
    document = {"id": "c1", "config": "#!/bin/sh\nexit 3"}
    status, printed = run_main(json.dumps(document), monkeypatch, places)
    assert status == 0
    assert json.loads(printed)["deploy_status_code"] == 3


@pytest.mark.parametrize("text", ["", "no JSON", "[]"])
def test_main_refuses_what_is_no_config(monkeypatch, places, caplog, text):
    assert run_main(text, monkeypatch, places) == (1, "")
    assert "standard input is no JSON object" in caplog.text


def test_main_logs_an_unforeseen_error_without_its_text(monkeypatch, places, caplog):
    def broken(*_):
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(script, "run", broken)
    assert run_main("{}", monkeypatch, places) == (1, "")
    assert "unexpected ZeroDivisionError" in caplog.text
    assert "hunter2" not in caplog.text


def test_no_secret_is_logged(run, caplog):
    caplog.set_level("DEBUG")
    run("#!/bin/sh\necho $secret; printf %s $secret > $heat_outputs_path.o", {"secret": "hunter2"})
    assert "script c1 ended with exit status 0" in caplog.text
    assert "hunter2" not in caplog.text


def test_help(capsys):
    with pytest.raises(SystemExit) as caught:
        script.main(["--help"])
    assert caught.value.code == 0
    assert "HEAT_SCRIPT_OUTPUTS" in capsys.readouterr().out


def test_what_a_killed_hook_leaves_can_be_removed(places):
    for path in (places.working_dir / "c1", places.outputs_dir / "c1.out"):
        path.parent.mkdir()
        path.touch()
    other = places.outputs_dir / "c10.out"
    other.touch()
    places.clean("c1")
    assert list(places.working_dir.iterdir()) == []
    assert list(places.outputs_dir.iterdir()) == [other]


def test_there_need_be_nothing_to_remove(places):
    places.clean("c1")
