"""Nothing is lost, whatever happens in whatever order.

Hypothesis has an engine change, publish and sweep, a server look, run, resend and reboot,
processes die at any durable step or request, queues lose, double and mix up messages, and
time pass. Then all goes well for a while, and by the end the server must hold the newest
generation, and Heat each run's result, recorded once.

What runs is the code itself: publish and Receiver of the engine, Source, Greeter and Outbox
of the agent, Runner and Store with their files. In the place of Heat's database, of hook
programs and of Zaqar there is something simple.
"""

import contextlib
import hashlib
import json
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from heat_zaqar_collector.farewell import Farewell
from heat_zaqar_collector.greeter import Greeter, Identity
from heat_zaqar_collector.outbox import Outbox
from heat_zaqar_collector.source import Source
from heat_zaqar_collector.store import SnapshotStore
from heat_zaqar_hooks import hooks
from heat_zaqar_hooks.deployed import Deployed
from heat_zaqar_hooks.hooks import HookRun
from heat_zaqar_hooks.runner import Runner
from heat_zaqar_hooks.states import Store
from heat_zaqar_transport import durable
from heat_zaqar_transport.posting import Poster, post_message
from heat_zaqar_transport.queues import never_enough
from heat_zaqar_transport.resources import options, publish
from heat_zaqar_transport.resources.receive import Receiver
from heat_zaqar_transport.testing import MemoryQueue
from heat_zaqar_transport.wire import Ack, Limits, Result, Snapshot, choose, gather, upkeep
from heat_zaqar_transport.wire.sealing import SealKeys, new_key
from support.fuzz import fuzzed

CHANNEL = "hz-c-0123"
SEAL = SealKeys([new_key(Random(1).randbytes)], Random(2).randbytes)
TTL_S = 3600
# Small, so that documents of some deployments come in parts and as changes.
LIMITS = Limits(post_bytes=1500)
PLAIN_BYTES = 900
REBOOT_STATUS = 194
# Beyond those that Linux gives: whoever would end its group ends nothing.
NOBODYS_PID = 2**30
IN_PROGRESS, COMPLETE, FAILED = "IN_PROGRESS", "COMPLETE", "FAILED"
# What a hook does with its first attempt.
FINE, FAILING, REBOOTING = "fine", "failing", "rebooting"


class SimulatedCrash(BaseException):
    """The process is gone: no `except Exception` sees it."""


class Faults:
    """Counts the steps of a process, and has it die at one of them."""

    def __init__(self):
        self._left = None
        self._after = False

    @contextlib.contextmanager
    def process(self, crash):
        """Be a process: it dies at step `crash[0]`, after its effect if `crash[1]`; or not.

        Yields what tells whether it died.
        """
        told = SimpleNamespace(died=False)
        if crash:
            self._left, self._after = crash
        try:
            yield told
        except SimulatedCrash:
            told.died = True
        finally:
            self._left = None

    def step(self, effect=lambda: None):
        if self._left is None:
            return effect()
        self._left -= 1
        if self._left:
            return effect()
        self._left = None
        if self._after:
            effect()
        raise SimulatedCrash

    def wrap(self, function):
        return lambda *args, **kwargs: self.step(lambda: function(*args, **kwargs))


FAULTS = Faults()


class UnreliableQueue(MemoryQueue):
    """A Zaqar that forgets, doubles and mixes up."""

    def post(self, body, ttl_s):
        return FAULTS.step(lambda: super(UnreliableQueue, self).post(body, ttl_s))

    def fetch(self, enough=never_enough):
        return FAULTS.step(lambda: super(UnreliableQueue, self).fetch(enough))

    def delete(self, ids):
        ids = list(ids)
        FAULTS.step(lambda: super(UnreliableQueue, self).delete(ids))

    def look(self):
        """List the messages without being a step of anybody."""
        return super().fetch()

    def lose(self, at):
        if self._stored:
            del self._stored[at % len(self._stored)]

    def double(self, at):
        if self._stored:
            twin = self._stored[at % len(self._stored)]
            self._stored.append(type(twin)(**{**vars(twin), "id": f"{next(self._ids)}"}))

    def mix_up(self, seed):
        Random(seed).shuffle(self._stored)

    def flush(self):
        self._stored.clear()


def noise(seed, length=4):
    """Return text that is hard to compress, so that there are parts."""
    return "".join(hashlib.sha512(f"{seed}{at}".encode()).hexdigest() for at in range(length))


@dataclass
class Deployment:
    """A deployment as Heat's database has it."""

    config_id: str
    state: str = IN_PROGRESS


class Engine:
    """Heat: a row of metadata with its generation, and deployments with their states."""

    def __init__(self, metadata, signals):
        self.metadata = metadata
        self.signals = signals
        self.generation = 0
        self.wanted = {}  # by name: what the document says
        self.deployments = {}  # by name: the row
        self.recorded = {}  # by config id: the outputs of each change of state
        self.history = {0: self.document()}

    def document(self):
        return {"deployments": list(self.wanted.values())}

    def change(self, name, does):
        """Commit a new derived config of a deployment, or that there is no such deployment."""
        self.generation += 1
        if does is None:
            del self.wanted[name], self.deployments[name]
        else:
            config_id = f"{name}-{self.generation}"
            self.wanted[name] = {
                "id": config_id,
                "name": name,
                "group": "script",
                "config": f"{does} {noise(config_id)}",
                "inputs": [],
            }
            self.deployments[name] = Deployment(config_id)
        self.history[self.generation] = self.document()

    def publish(self):
        publish._put(self.metadata, Snapshot(CHANNEL, self.generation, self.document()), SEAL)

    def sweep(self):
        Receiver(
            channel=CHANNEL,
            context=None,
            rpc=self,
            deployments=lambda: [
                {"id": name, "config_id": each.config_id} for name, each in self.deployments.items()
            ],
            exists=lambda config_id: False,  # a config goes when the next one comes
            answer=lambda hello: self.publish(),
            acknowledge=self.acknowledge,
            seal=SEAL,
        ).sweep(self.signals)

    def signal_software_deployment(self, context, deployment_id, outputs, at):
        """Do as Heat's own service does, whose commit is one step."""
        return FAULTS.step(lambda: self._record(self.deployments[deployment_id], outputs))

    def acknowledge(self, ack):
        waiting = [
            each.config_id for each in self.deployments.values() if each.state == IN_PROGRESS
        ]
        assert ack.config_id not in waiting, "acked before it was recorded"
        post_message(self.metadata.post, ack, publish.ACK_TTL_S, SEAL)

    def _record(self, deployment, outputs):
        if deployment.state != IN_PROGRESS:
            return None
        deployment.state = FAILED if outputs["deploy_status_code"] else COMPLETE
        self.recorded.setdefault(deployment.config_id, []).append(outputs)
        return f"deployment is {deployment.state}"


class Server:
    """A guest: its disk, its agent and its runner."""

    def __init__(self, disk, metadata, signals, clock):
        self.metadata = metadata
        self.signals = signals
        self.clock = clock
        self.disk = disk
        self.list = disk / "list"
        self.boot = 1
        self.started = Counter()  # hooks, by config id and attempt
        self.ended = {}  # likewise: the exit status of those that came to their end
        self.start_agent()

    def start_agent(self):
        """Start the agent's process: what it knows is what its disk holds."""
        farewell = Farewell(self.disk, CHANNEL)
        greeter = Greeter(Identity(CHANNEL, SEAL), self.signals, TTL_S, self.clock, lambda: 0.5)
        self.source = Source(
            CHANNEL, lambda: self.metadata, SnapshotStore(self.disk), farewell, greeter, SEAL
        )
        self.outbox = Outbox(
            channel=CHANNEL,
            seal=SEAL,
            records=Store(self.disk),
            metadata=self.metadata,
            signals=self.signals,
            farewell=farewell,
            ttl_s=TTL_S,
            clock=self.clock,
            wait=lambda seconds: None,
            chance=lambda: 0.5,
        )

    def held(self):
        return SnapshotStore(self.disk).load()

    def look(self):
        look = self.source.look()
        self.outbox.note(look.acks)
        self.outbox.tick()

    def run(self):
        """Have os-apply-config write the list, and the runner go over it."""
        held = self.held()
        self.list.write_text(json.dumps(held.document["deployments"] if held else []))
        Runner(
            config_list=self.list,
            hook_dirs=(self.disk,),
            store=Store(self.disk),
            deployed=Deployed(self.disk / "deployed"),
            send=self.send,
            ack_channel=lambda config: CHANNEL,
            reboot=self.reboot,
            boot_id=f"boot-{self.boot}",
            now=lambda: "2026-11-25T12:00:00+00:00",
        ).run()

    def send(self, config, outputs, attempt):
        result = Result(CHANNEL, config.id, outputs, attempt)
        post_message(self.signals.post, result, TTL_S, SEAL)
        return "ZAQAR_MESSAGE"

    def reboot(self):
        """Reboot: whatever runs is gone."""
        self.boot += 1
        self.start_agent()

    def hook(self, path, document, *, attempt, started, **_):
        """Be a hook program; it may be cut short in its middle, and after its end."""
        started(NOBODYS_PID, None)
        self.started[document["id"], attempt] += 1
        FAULTS.step()
        does = document["config"].split()[0]
        status = {FINE: 0, FAILING: 3, REBOOTING: 0 if attempt > 1 else REBOOT_STATUS}[does]
        self.ended[document["id"], attempt] = status
        FAULTS.step()
        text = noise(document["id"], length=20 if does == FAILING else 1)
        outputs = {"of": document["id"], "text": text, "deploy_status_code": status}
        return HookRun(0, json.dumps(outputs), "", 0.0)


names = st.sampled_from("abcdefgh")
deeds = st.sampled_from([FINE, FINE, FAILING, REBOOTING])
# At which step a process dies, and whether the step is done by then; mostly it lives.
crashes = st.none() | st.tuples(st.integers(1, 10), st.booleans())
which_queue = st.sampled_from(["metadata", "signals"])
places = st.integers(0, 30)


class NothingIsLost(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self._directory = tempfile.TemporaryDirectory()
        self.metadata = UnreliableQueue(lambda: self.now, LIMITS)
        self.signals = UnreliableQueue(lambda: self.now, LIMITS)
        self.engine = Engine(self.metadata, self.signals)
        self.server = Server(
            Path(self._directory.name), self.metadata, self.signals, lambda: self.now
        )
        HOOK.run = self.server.hook
        self.held_before = -1

    @initialize(made=st.dictionaries(names, deeds, min_size=1))
    def a_stack_is_made(self, made):
        for name, does in made.items():
            self.engine.change(name, does)
        self.engine.publish()

    @rule(name=names, does=deeds, crash=crashes)
    def a_deployment_is_made_or_changed(self, name, does, crash):
        self.engine.change(name, does)
        self.engine_publishes(crash)

    @precondition(lambda self: self.engine.wanted)
    @rule(at=places, crash=crashes)
    def a_deployment_is_removed(self, at, crash):
        self.engine.change(sorted(self.engine.wanted)[at % len(self.engine.wanted)], None)
        self.engine_publishes(crash)

    @rule(crash=crashes)
    def engine_publishes(self, crash):
        with FAULTS.process(crash):
            self.engine.publish()

    @rule(crash=crashes)
    def engine_sweeps(self, crash):
        with FAULTS.process(crash):
            self.engine.sweep()

    @rule(crash=crashes)
    def an_engine_that_read_its_row_earlier_publishes(self, crash):
        earlier = max(self.engine.generation - 1, 0)
        with FAULTS.process(crash):
            late = Snapshot(CHANNEL, earlier, self.engine.history[earlier])
            publish._put(self.metadata, late, SEAL)

    @rule(crash=crashes)
    def agent_looks(self, crash):
        with FAULTS.process(crash) as told:
            self.server.look()
        if told.died:
            self.server.start_agent()

    @rule()
    def agent_restarts(self):
        self.server.start_agent()

    @rule(crash=crashes)
    def runner_runs(self, crash):
        with FAULTS.process(crash):
            self.server.run()

    @rule(crash=crashes)
    def all_goes_on(self, crash):
        """One who dies does not keep the others from working."""
        self.agent_looks(crash)
        self.runner_runs(crash)
        self.engine_sweeps(crash)

    @rule()
    def server_reboots(self):
        self.server.reboot()

    @rule(queue=which_queue, at=places)
    def a_message_is_lost(self, queue, at):
        getattr(self, queue).lose(at)

    @rule(queue=which_queue, at=places)
    def a_message_is_doubled(self, queue, at):
        getattr(self, queue).double(at)

    @rule(queue=which_queue, seed=places)
    def a_queue_is_mixed_up(self, queue, seed):
        getattr(self, queue).mix_up(seed)

    @rule(queue=which_queue)
    def a_queue_is_flushed(self, queue):
        getattr(self, queue).flush()

    @rule(seconds=st.sampled_from([1, 15, 60, 400, TTL_S // 2, TTL_S + 1]))
    def time_passes(self, seconds):
        self.now += seconds

    @invariant()
    def what_is_held_is_what_was_published_and_never_older(self):
        held = self.server.held()
        if held is not None:
            assert held.document == self.engine.history[held.generation]
            assert held.generation >= self.held_before
            self.held_before = held.generation

    @invariant()
    def no_hook_runs_twice(self):
        assert all(count == 1 for count in self.server.started.values()), self.server.started

    @invariant()
    def what_is_recorded_is_what_happened(self):
        for config_id, changes in self.engine.recorded.items():
            (outputs,) = changes
            assert outputs["deploy_status_code"] in self._possible(config_id, outputs)

    def _possible(self, config_id, outputs):
        if "of" not in outputs:
            return {1}  # cut short, by whatever
        assert outputs["of"] == config_id
        runs = [each for each in self.server.ended if each[0] == config_id]
        return {self.server.ended[max(runs)]}

    def teardown(self):
        try:
            self._come_to_rest()
            self._judge()
        finally:
            self._directory.cleanup()

    def _come_to_rest(self):
        """Let two hours go by without a fault, in which each works every ten minutes.

        That is twice the life of a message. All has come to rest after four rounds.
        """
        for _ in range(12):
            self.now += 600
            self.server.look()
            self.server.run()
            self.engine.sweep()
            self.server.look()

    def _judge(self):
        newest = Snapshot(CHANNEL, self.engine.generation, self.engine.document())
        assert self.server.held() == newest
        for deployment in self.engine.deployments.values():
            assert deployment.state in (COMPLETE, FAILED)
            assert len(self.engine.recorded[deployment.config_id]) == 1
        self.what_is_held_is_what_was_published_and_never_older()
        self.no_hook_runs_twice()
        self.what_is_recorded_is_what_happened()
        assert Store(self.server.disk).unacked(CHANNEL) == []
        assert self.signals.look() == []
        self._judge_metadata(newest)

    def _judge_metadata(self, newest):
        """One snapshot lies there, with what it is a change of, and nothing but acks."""
        listed = self.metadata.look()
        gathered = gather(listed, SEAL)
        assert (gathered.rejected, gathered.incomplete) == ((), ())
        choice = choose(CHANNEL, None, listed, SEAL)
        assert choice.snapshot == newest
        acks = {each.carriers[0].id for each in gathered.found if isinstance(each.message, Ack)}
        assert {each.id for each in listed} - acks == {each.id for each in choice.carriers}
        assert not upkeep(newest, listed, plain=False, seal=SEAL).delete


HOOK = SimpleNamespace(run=None)


@pytest.fixture
def _a_world_of_steps(monkeypatch):
    """Have each durable step and request be one that a process can die at."""
    monkeypatch.setattr(durable, "write_json", FAULTS.wrap(durable.write_json))
    monkeypatch.setattr(durable, "remove", FAULTS.wrap(durable.remove))
    monkeypatch.setattr(durable, "_replace", _replacing(durable._replace))
    # What survives the death of a process is what matters here, not of the machine.
    monkeypatch.setattr(durable.os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(hooks, "find", lambda group, directories: Path("/hooks/script"))
    monkeypatch.setattr(hooks, "run", lambda *args, **kwargs: HOOK.run(*args, **kwargs))
    monkeypatch.setattr(publish, "_POSTER", Poster())
    monkeypatch.setattr(
        options,
        "get",
        lambda: SimpleNamespace(snapshot_ttl=TTL_S, plain_snapshot_bytes=PLAIN_BYTES),
    )


def _replacing(replace):
    """Let a process also die with the new content written, and not in its place yet."""

    def replacing(path, content):
        litter = path.with_name(f".{path.name}.litter")
        try:
            FAULTS.step()
        except SimulatedCrash:
            litter.write_bytes(content[: len(content) // 2])
            raise
        replace(path, content)

    return replacing


@pytest.mark.hypothesis
@pytest.mark.usefixtures("_a_world_of_steps")
def test_nothing_is_lost():
    """A failure prints its steps, and a `@reproduce_failure` for the class that replays them."""
    run_state_machine_as_test(NothingIsLost, settings=settings(fuzzed(50), stateful_step_count=40))
