import fcntl
import json
import os
import stat
import subprocess
import sys
import threading

import pytest

from heat_zaqar_hooks.states import LOCK_FILE, Deployment, State, Store, utc_now
from heat_zaqar_transport import durable
from heat_zaqar_transport.wire.errors import StateError

FRESH = Deployment("c1", "web", "component")
RUNNING = FRESH.running("script", "boot-1", "10:00")
REBOOTING = RUNNING.rebooting()
FINISHED = RUNNING.finished({"a": 1}, "10:01", "ch")
SENT = FINISHED.sent("ch")
ACKED = SENT.acked()
WAY = [FRESH, RUNNING, REBOOTING, FINISHED, SENT, ACKED]
S = 1_000_000_000


def test_a_deployments_way():
    running = FRESH.running("script", "boot-1", "10:00")
    assert (running.state, running.group, running.boot_id, running.started_at) == (
        State.RUNNING,
        "script",
        "boot-1",
        "10:00",
    )
    finished = running.finished({"a": 1}, "10:01")
    assert (finished.state, finished.outputs, finished.finished_at) == (
        State.FINISHED,
        {"a": 1},
        "10:01",
    )
    assert finished.started_at == "10:00"
    assert finished.sent().state is State.SENT


def test_outputs_go_when_nobody_needs_them_any_more():
    finished = FRESH.finished({"password": "hunter2"}, "now", "ch")
    assert finished.sent(None).outputs is None
    assert finished.sent("ch").outputs == {"password": "hunter2"}
    assert finished.sent("ch").acked().outputs is None


def test_the_hooks_process_is_known_while_it_runs():
    started = RUNNING.started(17, "1234")
    assert (started.hook_pid, started.hook_started) == (17, "1234")
    for ended in (started.rebooting(), started.finished({}, "now")):
        assert (ended.hook_pid, ended.hook_started) == (None, None)


def test_each_reboot_is_followed_by_another_attempt():
    again = REBOOTING.running("script", "boot-2", "10:05")
    assert (RUNNING.attempt, REBOOTING.attempt, again.attempt) == (1, 1, 2)
    assert again.rebooting().running("script", "boot-3", "10:10").attempt == 3


def test_records_are_kept(tmp_path):
    store = Store(tmp_path)
    finished = FRESH.running("script", "b", "t").finished({"a": "ü"}, "u")
    store.write(finished)
    assert store.read("c1") == finished
    assert store.read("c2") is None


def test_a_record_is_only_the_owners(tmp_path):
    store = Store(tmp_path / "state")
    store.write(FRESH)
    assert stat.S_IMODE(store.path("c1").stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path("c1").parent.stat().st_mode) == 0o700


def test_the_file_is_where_and_what_the_documentation_says(tmp_path):
    Store(tmp_path).write(FRESH)
    value = json.loads((tmp_path / "deployments" / "c1.json").read_text())
    assert (value["state"], value["name"]) == ("received", "web")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "5",
        "{}",
        '{"state": "odd", "config_id": "c1", "name": "", "group": ""}',
        '{"state": "sent"}',
        '{"state": "sent", "config_id": "c1", "name": "", "group": "", "unknown": 1}',
        '{"state": "finished", "config_id": "c1", "name": "", "group": ""}',
        '{"state": "sent", "config_id": "c1", "name": "", "group": "", "outputs": 5}',
        '{"state": "sent", "config_id": "c1", "name": "", "group": "", "attempt": "1"}',
    ],
)
def test_a_damaged_record_is_an_error_with_the_file_in_it(tmp_path, text):
    store = Store(tmp_path)
    store.write(FRESH)
    store.path("c1").write_text(text)
    with pytest.raises(StateError, match=r"c1\.json"):
        store.read("c1")


def test_ids_are_those_of_whole_records(tmp_path):
    store = Store(tmp_path)
    assert store.ids() == []
    for config_id in ("b", "a"):
        store.write(Deployment(config_id, "", None))
    for litter in (".c.json.x1y2", ".c.json", "not an id.json", "notes.txt"):
        (store.path("a").parent / litter).touch()
    assert store.ids() == ["a", "b"]


def test_a_removed_record_is_gone(tmp_path):
    store = Store(tmp_path)
    store.write(FRESH)
    store.remove("c1")
    store.remove("c1")
    assert store.read("c1") is None


def test_the_repr_shows_no_output():
    assert "hunter2" not in repr(FRESH.finished({"password": "hunter2"}, "now"))


def test_a_record_of_the_version_before_is_read(tmp_path):
    store = Store(tmp_path)
    path = store.path("c1")
    path.parent.mkdir()
    path.write_text(
        '{"config_id": "c1", "name": "web", "group": "script", "state": "finished", '
        '"boot_id": "b", "started_at": "s", "finished_at": "f", "outputs": {"a": 1}}'
    )
    found = store.read("c1")
    assert (found.state, found.outputs) == (State.FINISHED, {"a": 1})
    assert (found.attempt, found.channel, found.hook_pid) == (1, None, None)


@pytest.mark.parametrize("at", range(len(WAY)))
def test_a_record_never_goes_back(tmp_path, at):
    store = Store(tmp_path)
    store.write(WAY[at])
    for earlier in WAY[:at]:
        assert store.write(earlier) == WAY[at]
        assert store.read("c1") == WAY[at]
    for later in WAY[at + 1 :]:
        assert store.write(later) == later
        assert store.read("c1") == later


def test_the_first_result_stays(tmp_path):
    store = Store(tmp_path)
    store.write(FINISHED)
    assert store.write(RUNNING.finished({"a": 2}, "10:02")) == FINISHED


def test_the_pid_is_added_to_a_running_record(tmp_path):
    store = Store(tmp_path)
    store.write(RUNNING)
    store.write(RUNNING.started(17, "1234"))
    assert store.read("c1").hook_pid == 17


def test_another_attempt_goes_on_where_the_last_one_asked_for_a_reboot(tmp_path):
    store = Store(tmp_path)
    store.write(REBOOTING)
    again = REBOOTING.running("script", "boot-2", "10:05")
    assert store.write(again) == again
    assert store.write(FINISHED) == again


def test_a_damaged_record_gives_way(tmp_path):
    store = Store(tmp_path)
    store.write(ACKED)
    store.path("c1").write_text("{")
    assert store.write(FINISHED) == FINISHED
    assert store.read("c1") == FINISHED


@pytest.mark.parametrize(
    ("present", "to", "then"),
    [
        (FINISHED, State.SENT, SENT),
        (FINISHED, State.ACKED, ACKED),
        (SENT, State.ACKED, ACKED),
        (SENT, State.SENT, None),
        (ACKED, State.SENT, None),
        (ACKED, State.ACKED, None),
        (FRESH, State.ACKED, None),
        (RUNNING, State.SENT, None),
        (RUNNING, State.ACKED, None),
        (REBOOTING, State.ACKED, None),
    ],
)
def test_only_a_result_is_advanced_and_only_forward(tmp_path, present, to, then):
    store = Store(tmp_path)
    store.write(present)
    assert store.advance("c1", 1, to) is (then is not None)
    assert store.read("c1") == (then or present)


def test_without_acks_outputs_go_when_it_is_sent(tmp_path):
    store = Store(tmp_path)
    store.write(FRESH.finished({"password": "hunter2"}, "now"))
    assert store.advance("c1", 1, State.SENT)
    assert "hunter2" not in store.path("c1").read_text()


def test_an_ack_takes_the_outputs_off_the_disk(tmp_path):
    store = Store(tmp_path)
    store.write(FRESH.finished({"password": "hunter2"}, "now", "ch"))
    assert store.advance("c1", 1, State.SENT)
    assert "hunter2" in store.path("c1").read_text()
    assert store.acked("c1", 1)
    assert "hunter2" not in store.path("c1").read_text()


def test_an_ack_of_another_attempt_or_of_nothing_changes_nothing(tmp_path):
    store = Store(tmp_path)
    store.write(SENT)
    assert not store.acked("c1", 2)
    assert not store.acked("c2", 1)
    assert store.read("c1") == SENT
    assert store.ids() == ["c1"]


def test_an_ack_of_a_damaged_record_is_an_error(tmp_path):
    store = Store(tmp_path)
    store.write(SENT)
    store.path("c1").write_text("{")
    with pytest.raises(StateError, match=r"c1\.json"):
        store.acked("c1", 1)


@pytest.mark.parametrize("change", ["acked", "write", "remove"])
def test_a_change_waits_for_the_other_process_to_have_made_its_own(tmp_path, change):
    store = Store(tmp_path)
    store.write(SENT)
    changes = {
        "acked": lambda: store.acked("c1", 1),
        "write": lambda: store.write(ACKED),
        "remove": lambda: store.remove("c1"),
    }
    holding = (
        "import fcntl, sys; file = open(sys.argv[1], 'ab'); fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holding, str(tmp_path / LOCK_FILE)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        thread = threading.Thread(target=changes[change])
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        assert store.read("c1") == SENT
        holder.stdin.close()
        thread.join()
    assert store.read("c1") != SENT


def test_the_threads_of_a_process_take_turns_too(tmp_path, monkeypatch):
    """fcntl alone would let both in."""
    store, other = Store(tmp_path), Store(tmp_path)
    store.write(FINISHED)
    write, acking = durable.write_json, threading.Thread(target=other.acked, args=("c1", 1))

    def while_the_other_tries(path, value):
        if value["state"] == "sent":
            acking.start()
            acking.join(0.05)
        write(path, value)

    monkeypatch.setattr(durable, "write_json", while_the_other_tries)
    store.advance("c1", 1, State.SENT)
    acking.join()
    assert store.read("c1").state is State.ACKED


def test_the_lock_is_free_afterwards(tmp_path):
    Store(tmp_path).write(FRESH)
    with (tmp_path / LOCK_FILE).open("ab") as file:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_lock_that_cannot_be_had_is_named(tmp_path):
    (tmp_path / LOCK_FILE).mkdir()
    with pytest.raises(StateError, match=LOCK_FILE):
        Store(tmp_path).write(FRESH)


def test_what_waits_for_an_ack(tmp_path):
    store = Store(tmp_path)
    for config_id, state in zip("abcdefg", [*WAY, FINISHED], strict=True):
        record = {**vars(state), "config_id": config_id}
        store.write(Deployment(**record))
    store.write(Deployment("h", "", None).finished({}, "now", "other"))
    store.write(Deployment("i", "", None).finished({}, "now").sent())
    store.path("g").write_text("{")
    assert [(found.config_id, found.state) for found in store.unacked("ch")] == [
        ("d", State.FINISHED),
        ("e", State.SENT),
    ]
    assert [found.config_id for found in store.unacked("other")] == ["h"]


def test_nothing_waits_where_there_is_no_directory_yet(tmp_path):
    store = Store(tmp_path)
    assert store.unacked("ch") == []
    store.write(SENT)
    assert store.unacked("ch") == [SENT]


@pytest.fixture
def reads(monkeypatch):
    """The files that are read, one after the other."""
    read, seen = durable.read_json, []

    def note(path):
        seen.append(path.stem)
        return read(path)

    monkeypatch.setattr(durable, "read_json", note)
    return seen


def test_an_outbox_without_changes_is_not_read_again(tmp_path, reads):
    store = Store(tmp_path, clock_ns=lambda: 10**19)  # all changes are long ago
    store.write(SENT)
    reads.clear()
    for _ in range(3):
        assert store.unacked("ch") == [SENT]
    assert reads == ["c1"]
    store.write(ACKED)
    assert store.unacked("ch") == []


def test_a_change_within_the_same_tick_of_the_clock_is_seen(tmp_path):
    """Two changes may leave the same time; so for a while the time is not trusted."""
    directory = tmp_path / "deployments"
    store = Store(tmp_path, clock_ns=lambda: 501 * S)
    store.write(SENT)
    os.utime(directory, ns=(500 * S, 500 * S))
    assert store.unacked("ch") == [SENT]
    store.write(ACKED)
    os.utime(directory, ns=(500 * S, 500 * S))
    assert store.unacked("ch") == []


def test_what_a_crash_left_is_removed_and_records_are_not(tmp_path):
    store = Store(tmp_path)
    store.write(SENT)
    litter = store.path("c1").with_name(".c1.json.x1y2z3")
    litter.touch()
    store.remove_litter()
    assert not litter.exists()
    assert store.read("c1") == SENT


def test_the_clock_is_utc_in_iso_8601():
    assert utc_now().endswith("+00:00")
    assert len(utc_now()) == len("2026-11-20T12:00:00+00:00")
