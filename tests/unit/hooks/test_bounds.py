import json

from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_hooks.bounds import MAX_SIGNAL_BYTES, bounded, size_of
from support.strategies import texts


def outputs_with(**outputs):
    return {"deploy_stdout": "", "deploy_stderr": "", "deploy_status_code": 0, **outputs}


def test_what_fits_is_left_alone():
    outputs = outputs_with(mine="x" * 1000)
    assert bounded(outputs) == outputs


def test_the_limit_is_not_crossed_by_a_byte():
    room = MAX_SIGNAL_BYTES - size_of(outputs_with())
    fits = outputs_with(deploy_stdout="x" * room)
    assert bounded(fits) == fits
    cut = bounded(outputs_with(deploy_stdout="x" * (room + 1)))
    assert cut["deploy_stdout"].startswith("[")
    assert size_of(cut) <= MAX_SIGNAL_BYTES


def test_logs_keep_their_tails_and_say_what_is_missing():
    log = "".join(f"line {number}\n" for number in range(100_000))
    cut = bounded(outputs_with(deploy_stdout=log, mine="kept"))
    notice, _, tail = cut["deploy_stdout"].partition("\n")
    assert notice == f"[{len(log) - len(tail)} bytes cut]"
    assert log.endswith(tail)
    assert cut["mine"] == "kept"
    assert MAX_SIGNAL_BYTES - 200 < size_of(cut) <= MAX_SIGNAL_BYTES


def test_the_smaller_log_is_kept_whole():
    small = "the error\n" * 100
    cut = bounded(outputs_with(deploy_stdout="x" * 1_000_000, deploy_stderr=small))
    assert cut["deploy_stderr"] == small


def test_two_large_logs_share_alike():
    cut = bounded(outputs_with(deploy_stdout="x" * 500_000, deploy_stderr="y" * 400_000))
    assert abs(len(cut["deploy_stdout"]) - len(cut["deploy_stderr"])) < 200


def test_bytes_are_counted_as_utf_8_and_bounded_as_sent():
    text = "ü" * 200_000
    cut = bounded(outputs_with(deploy_stderr=text))
    notice, _, tail = cut["deploy_stderr"].partition("\n")
    assert notice == f"[{2 * (len(text) - len(tail))} bytes cut]"
    assert len(json.dumps(cut)) <= MAX_SIGNAL_BYTES


def test_other_outputs_that_are_too_large_fail_and_name_both_sizes():
    big = outputs_with(mine="x" * 300_000, deploy_stderr="some warning")
    cut = bounded(big)
    assert cut["deploy_status_code"] == 1
    assert "mine" not in cut
    others = size_of({**big, "deploy_stderr": ""})
    assert cut["deploy_stderr"].endswith(
        f"the outputs take {others} bytes besides deploy_stdout and deploy_stderr, "
        f"and at most {MAX_SIGNAL_BYTES} bytes can be sent"
    )
    assert cut["deploy_stderr"].startswith("some warning\n")


def test_a_status_that_failed_already_is_kept():
    assert (
        bounded(outputs_with(mine="x" * 300_000, deploy_status_code=7))["deploy_status_code"] == 7
    )


def test_too_large_outputs_with_too_large_logs_fit_too():
    cut = bounded(outputs_with(mine="x" * 300_000, deploy_stderr="y" * 300_000))
    assert size_of(cut) <= MAX_SIGNAL_BYTES
    assert cut["deploy_stderr"].endswith("bytes can be sent")


def test_logs_that_are_no_texts_are_outputs_like_others():
    assert "deploy_stdout" in bounded(outputs_with(deploy_stdout=["x" * 300_000]))
    assert size_of(bounded(outputs_with(deploy_stdout=["x" * 300_000]))) <= MAX_SIGNAL_BYTES


# Some of them longer than what is sent, and in characters of every size.
logs = st.builds(lambda text, times: text * times, texts, st.sampled_from([1, 10, 100]))


@given(logs, logs, logs)
def test_whatever_the_texts_they_fit_and_end_as_they_did(stdout, stderr, mine):
    cut = bounded(outputs_with(deploy_stdout=stdout, deploy_stderr=stderr, mine=mine), 1024)
    assert size_of(cut) <= 1024
    for before, name in ((stdout, "deploy_stdout"), (stderr, "deploy_stderr")):
        if "mine" in cut and cut[name] != before:
            assert before.endswith(cut[name].partition("\n")[2])
