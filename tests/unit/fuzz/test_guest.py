"""Whatever reaches a server, in a file or by a call: an error of ours, or something usable."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from heat_zaqar_collector import settings as agent_settings
from heat_zaqar_collector.push.webhook import WebhookPush
from heat_zaqar_collector.store import FILE_NAME, SnapshotStore
from heat_zaqar_hooks import configs, results
from heat_zaqar_hooks.bounds import bounded, size_of
from heat_zaqar_hooks.inputs import Inputs
from heat_zaqar_hooks.states import Store
from heat_zaqar_transport.wire import PlainSnapshot, Result, Secret, Snapshot, parse, serialize
from heat_zaqar_transport.wire.bounds import check_outputs
from heat_zaqar_transport.wire.errors import HeatZaqarError, NotConfigured, StateError
from support.fuzz import BODIES, bodies, fuzzed, hostile, mutated, odd_values, words
from support.strategies import nested

file_contents = (
    (bodies | mutated(BODIES)).map(lambda each: json.dumps(each).encode())
    | st.binary(max_size=40)
    | st.just(b"[" * 100_000)
)


@given(file_contents)
@fuzzed(50)
def test_whatever_the_last_good_snapshot_has_become(content):
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / FILE_NAME).write_bytes(content)
        store = SnapshotStore(Path(directory))
        held = store.load()
        assert held is None or isinstance(held, Snapshot | PlainSnapshot)
        if held is not None:
            store.keep(held)
            # Not by ==: a plain document may hold nan.
            assert repr(store.load()) == repr(held)


RECORD = {"config_id": "c1", "name": "n", "group": "script", "state": "finished", "outputs": {}}


@given(mutated([RECORD]).map(lambda each: json.dumps(each).encode()) | file_contents)
@fuzzed(50)
def test_whatever_a_record_has_become(content):
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory))
        path = store.path("c1")
        path.parent.mkdir()
        path.write_bytes(content)
        try:
            store.read("c1")
        except StateError as exc:
            assert len(str(exc)) < 400
        store.unacked("hz-c-1")


lines = (
    st.sampled_from(["[zaqar]", "[DEFAULT]", "[", "channel =", "renew_at = nan", "= x"])
    | st.sampled_from(
        ["metadata_url", "signal_url", "seal_keys", "timeout", "push", "state_dir"]
    ).flatmap(lambda name: words.map(lambda value: f"{name} = {value}"))
    | st.builds(lambda name, value: f"{name} = {value}", words, words)
)


@given(st.lists(lines, max_size=8).map("\n".join))
@fuzzed(50)
def test_whatever_the_configuration_says(text):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "agent.conf"
        path.write_bytes(("[zaqar]\n" + text).encode(errors="surrogatepass"))
        try:
            agent_settings.load(path)
        except NotConfigured as exc:
            assert str(exc)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"[zaqar]\ntimeout =\n", "timeout"),
        (b"[zaqar]\nsignal_ttl =\n", "signal_ttl"),
        (b"[zaqar]\npassword = s3cret\xff\n", "no UTF-8"),
        (
            b"[zaqar]\nauth_url = u\nuser_id = u\nproject_id = p\nqueue_id = q\n"
            b"password = $s3cret\n",
            "written [$][$]",
        ),
    ],
)
def test_a_configuration_that_cannot_be_used_is_told_without_its_text(tmp_path, text, told):
    path = tmp_path / "agent.conf"
    path.write_bytes(text)
    with pytest.raises(NotConfigured, match=told) as caught:
        agent_settings.load(path)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__cause__ is None


CONFIG = {
    "id": "c1",
    "name": "n",
    "group": "component",
    "config": {"configs": [{"actions": ["CREATE"], "config": "echo", "tool": "script"}]},
    "inputs": [
        {"name": "deploy_action", "type": "String", "value": "CREATE"},
        {"name": "deploy_timeout", "type": "Number", "value": 5},
    ],
}


def as_hooks_do(entry):
    config = configs.parse(entry, 1)
    assert config.label.isprintable()
    json.dumps(config.document)
    config.inputs.optional_text("deploy_signal_transport")
    config.inputs.seconds("deploy_timeout")
    for each in config.inputs.items():
        configs.as_text(each[1])
    configs.chosen(config)


@given(st.lists(mutated([CONFIG]) | hostile, max_size=3) | hostile)
@fuzzed(100)
def test_whatever_the_list_of_configs_holds(entries):
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "heat-config"
        path.write_text(json.dumps(entries))
        try:
            found = configs.fetch(path)
        except StateError:
            return
    for entry in found:
        try:
            as_hooks_do(entry)
        except HeatZaqarError as exc:
            assert len(str(exc)) < 400


@pytest.mark.parametrize("key", ["config", "inputs", "options"])
def test_a_config_that_is_too_deep_is_refused_by_itself(key):
    with pytest.raises(HeatZaqarError, match="nested more than 64 levels"):
        configs.parse({**CONFIG, key: nested(900)}, 1)


@given(mutated([CONFIG]).filter(lambda each: isinstance(each, dict)))
@fuzzed(40)
def test_whatever_the_inputs_are(document):
    try:
        Inputs.parse(document)
    except HeatZaqarError as exc:
        assert len(str(exc)) < 400


def test_an_id_of_any_length_is_quoted_short():
    with pytest.raises(HeatZaqarError) as caught:
        Inputs.parse({"id": "\x1b[2J" + "x" * 5000, "inputs": 1})
    assert len(str(caught.value)) < 400
    assert str(caught.value).isprintable()


def test_a_name_in_a_log_line_is_short_and_steers_no_terminal():
    label = configs.parse({**CONFIG, "name": "a\x1b[2J" + "x" * 5000}, 1).label
    assert label.isprintable()
    assert len(label) < 300


@pytest.mark.parametrize("named", [nested(5000), 5, "", None])
def test_an_id_that_is_no_text_is_none(named):
    assert Inputs.parse({"id": named}).which == "without id"


OUTPUTS = {"deploy_stdout": "x" * 3000, "deploy_stderr": "", "deploy_status_code": 0, "a": [1]}


@given(
    mutated([OUTPUTS]).filter(lambda each: isinstance(each, dict)), st.sampled_from([1024, 9999])
)
@fuzzed(100)
def test_whatever_a_hook_tells_can_be_sent_and_is_taken(outputs, limit_bytes):
    told = bounded(outputs, limit_bytes)
    assert size_of(told) <= limit_bytes
    check_outputs(told)
    parse(json.loads(json.dumps(serialize(Result("c", "a0e1", told)))))


@given((mutated([OUTPUTS]) | odd_values).map(json.dumps) | words)
@fuzzed(50)
def test_whatever_a_hook_prints(text):
    told = results.parse_outputs(text)
    if told is not None:
        check_outputs(bounded(told))


paths = st.text(st.characters(max_codepoint=255), max_size=40) | st.sampled_from(["/hz-w-1", ""])


@given(paths, st.sampled_from(["GET", "POST", "", "PO\0ST", "x" * 100]))
@fuzzed(50)
def test_whatever_calls_the_webhook(path, method):
    push = WebhookPush("127.0.0.1:0", Secret("/hz-w-1"))
    answered = []
    said = push.application(
        {"PATH_INFO": path, "REQUEST_METHOD": method}, lambda status, _: answered.append(status)
    )
    assert list(said) == []
    assert answered == [
        "204 No Content" if (method, path) == ("POST", "/hz-w-1") else "404 Not Found"
    ]
