import json

import pytest

from heat_zaqar_hooks.hooks import HookRun
from heat_zaqar_hooks.results import failed, from_run, how_it_ended, parse_outputs, succeeded


def outputs_of(returncode=0, stdout="", stderr=""):
    return from_run("script", HookRun(returncode, stdout, stderr, 0.1))


def test_what_the_hook_tells_is_passed_on():
    told = {"deploy_stdout": "o", "deploy_stderr": "e", "deploy_status_code": 3, "mine": {"a": 1}}
    assert outputs_of(stdout=json.dumps(told), stderr="noise of the hook") == told


def test_what_the_hook_leaves_out_is_filled_in():
    assert outputs_of(stdout='{"mine": 1}', stderr="a warning") == {
        "mine": 1,
        "deploy_stdout": "",
        "deploy_stderr": "a warning",
        "deploy_status_code": 0,
    }


def test_null_counts_as_left_out_of_the_logs_but_not_of_other_outputs():
    told = (
        '{"deploy_stdout": null, "deploy_stderr": null, "deploy_status_code": null, "mine": null}'
    )
    assert outputs_of(stdout=told, stderr="e") == {
        "deploy_stdout": "",
        "deploy_stderr": "e",
        "deploy_status_code": 0,
        "mine": None,
    }


@pytest.mark.parametrize("told", ['{"deploy_stdout": "o"}', '{"deploy_status_code": 0}'])
def test_an_exit_status_is_never_reported_as_success(told):
    """heat-agents takes such a run for a success."""
    outputs = outputs_of(3, told, "the error\n")
    assert outputs["deploy_status_code"] == 3
    assert outputs["deploy_stderr"] == "the error\n"


def test_a_status_code_of_the_hooks_own_wins_over_its_exit_status():
    assert outputs_of(1, '{"deploy_status_code": 7}', "e")["deploy_status_code"] == 7


def test_a_failed_hook_without_json_is_reported_as_it_stands():
    assert outputs_of(4, "some text", "the error") == {
        "deploy_stdout": "some text",
        "deploy_stderr": "the error",
        "deploy_status_code": 4,
    }


@pytest.mark.parametrize("stdout", ["", '{"deploy_stderr": " "}'])
def test_a_hook_that_fails_silently_gets_a_reason(stdout):
    outputs = outputs_of(4, stdout, "")
    assert outputs["deploy_stderr"] == "hook script ended with exit status 4"


@pytest.mark.parametrize("stdout", ["", "text", "[]", "null", "1", '{"a": NaN}', '{"a": 1e999}'])
def test_no_json_object_is_a_failure_with_the_reason_last(stdout):
    assert outputs_of(0, stdout, "a warning\n") == {
        "deploy_stdout": stdout,
        "deploy_stderr": "a warning\nhook script gave no JSON object on its standard output",
        "deploy_status_code": 1,
    }


def test_the_reason_is_all_of_it_where_there_is_no_stderr():
    reason = "hook script gave no JSON object on its standard output"
    assert outputs_of(0, "text", "")["deploy_stderr"] == reason


@pytest.mark.parametrize("stdout", ["half a res", '{"deploy_status_code": 0}'])
def test_a_crash_is_a_failure_whatever_was_printed(stdout):
    outputs = outputs_of(-11, stdout, "trace\n")
    assert outputs["deploy_status_code"] == 139
    assert outputs["deploy_stderr"] == "trace\nhook script was ended by signal 11 (SIGSEGV)"


def test_the_last_line_may_be_the_result():
    """heat-agents' docker-cmd hook prints what its containers print before its result."""
    outputs = outputs_of(stdout='4f5d2c\n{"deploy_status_code": 2}\n')
    assert outputs["deploy_status_code"] == 2


def test_json_over_several_lines_is_read():
    assert parse_outputs('{\n "a": {\n}\n}\n') == {"a": {}}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("3", 3),
        ("0", 0),
        ("", 0),
        (0.0, 0),
        (0.5, 1),
        (2.0, 2),
        (True, 1),
        (False, 0),
        ("bad", 1),
        ([1], 1),
        (-9, -9),
    ],
)
def test_a_status_code_becomes_an_integer(said, code):
    outputs = outputs_of(stdout=json.dumps({"deploy_status_code": said}))
    assert outputs["deploy_status_code"] == code
    assert type(outputs["deploy_status_code"]) is int


def test_too_deep_json_is_none():
    assert parse_outputs('{"a":' * 100_000) is None


def test_success_without_a_hook():
    assert succeeded("why") == {
        "deploy_stdout": "why",
        "deploy_stderr": "",
        "deploy_status_code": 0,
    }


def test_failure_without_a_hook():
    assert failed("why") == {"deploy_stdout": "", "deploy_stderr": "why", "deploy_status_code": 1}


def test_how_a_program_ended():
    assert how_it_ended(2) == "ended with exit status 2"
    assert how_it_ended(-9) == "was ended by signal 9 (SIGKILL)"
    assert how_it_ended(-63) == "was ended by signal 63"


@pytest.mark.parametrize(("limit_s", "told"), [(0.5, "0.5"), (14400.0, "14400"), (1e7, "10000000")])
def test_a_timeout_is_a_failure_that_keeps_what_was_printed(limit_s, told):
    run = HookRun(0, '{"deploy_status_code": 0}', "trace\n", 0.1, timed_out_s=limit_s)
    assert from_run("script", run) == {
        "deploy_stdout": '{"deploy_status_code": 0}',
        "deploy_stderr": f"trace\ntimed out after {told} s",
        "deploy_status_code": 124,
    }
