# SPDX-License-Identifier: Apache-2.0
"""The acts of the demo, one after the other. What does not happen as it should raises."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from demo import remains
from demo.errors import DemoFailed
from demo.items import ACTORS, Act, Kind, Outputs, Progress, Step, Summary
from demo.lines import Event
from demo.redact import presentable, secrets_in
from demo.show import Stage
from demo.stack import TEMPLATE, DemoStack
from demo.summary import figures, missing, paragraph
from demo.trail import HeatEvents, Tail, Trail, follow
from localcloud import LocalCloud
from localcloud.boot import Progress as BootProgress
from localcloud.guest import Guest

ACT_TIMEOUT_S = 120.0
STACK = "hello"
SERVER = "server"
# The template's default, and what the update changes it to.
GREETINGS = ("hello", "good morning")
CREDENTIALS_OUTPUT = "os_collect_config"
# Without these, the check at the end could find nothing even of a stack that leaves everything.
EXPECTED_SORTS = {"queue", "subscription", "user"}


class Play:
    """One run of the demo.

    Args:
        stage: Where things are shown.
        scratch: An empty directory, for the cloud and the server.
    """

    def __init__(self, stage: Stage, scratch: Path) -> None:
        self._stage = stage
        self._scratch = scratch
        self._began = time.time()
        self._act = ""
        self._zero = 0.0
        self._seen: list[Event] = []
        self._check: Callable[[], None] = _nothing
        self._figures: dict[str, dict[str, float]] = {}

    def run(self) -> None:
        """Play every act, and stop everything at the end, however it comes.

        Raises:
            DemoFailed: Something did not happen.
            LocalCloudError: The cloud or the guest has failed.
        """
        with ExitStack() as started:
            self._play(started)
            self._begin("end", "stop everything")
        check_nothing_runs(self._scratch)
        self._did("demo", "nothing is left running")
        total_s = time.time() - self._began
        self._stage.show(Summary(paragraph(self._figures, total_s), self._figures))

    def _play(self, started: ExitStack) -> None:
        cloud = self._start_cloud(started)
        # Laid out beforehand: what is timed later is its start, and not the copying of files.
        guest = Guest.create(self._scratch / SERVER)
        started.callback(guest.stop)
        self._check = partial(check_alive, cloud, guest)
        before = remains.fetch(cloud)
        stack = DemoStack(cloud.heat(), STACK)
        trail = self._create(cloud, stack, guest)
        held = self._check_held(cloud, before)
        self._update(stack, trail)
        self._delete(stack, trail)
        self._check_left(cloud, before, held)

    def _start_cloud(self, started: ExitStack) -> LocalCloud:
        self._begin("boot", "Keystone, Zaqar and Heat from PyPI, on loopback ports of this machine")
        cloud = LocalCloud.start(self._scratch / "cloud", keep=True, on_progress=self._booting)
        started.enter_context(cloud)
        self._stage.redactor.learn(secrets_in(cloud.plan.secrets))
        self._did("demo", f"{len(cloud.services)} services answer")
        return cloud

    def _booting(self, progress: BootProgress) -> None:
        self._stage.show(Progress(f"{progress.elapsed_s:.1f} s  {progress.step} {progress.state}"))

    def _create(self, cloud: LocalCloud, stack: DemoStack, guest: Guest) -> Trail:
        self._begin("create", f"stack {stack.name} from {TEMPLATE.parent.name}/{TEMPLATE.name}")
        engine_log = Tail.from_now(cloud.log("heat-engine"))
        stack.create()
        events = HeatEvents(stack.events, since=self._zero)
        trail = Trail(events, engine_log, Tail(guest.log))
        self._follow(trail, SERVER, "CREATE_COMPLETE")
        config = stack.collect_config(SERVER)
        self._stage.redactor.learn(secrets_in(config))
        guest.boot_config(config)
        guest.start()
        trail.add(Kind.AGENT_STARTED, "os-collect-config started with what Heat says of the server")
        self._finish(trail, "CREATE_COMPLETE")
        self._check_deployed(stack, GREETINGS[0])
        return trail

    def _update(self, stack: DemoStack, trail: Trail) -> None:
        self._begin("update", f"the same stack with greeting = {GREETINGS[1]}")
        stack.update(greeting=GREETINGS[1])
        self._finish(trail, "UPDATE_COMPLETE")
        self._check_deployed(stack, GREETINGS[1])

    def _delete(self, stack: DemoStack, trail: Trail) -> None:
        self._begin("delete", "the stack, and all that belongs to it")
        stack.delete()
        self._finish(trail, "DELETE_COMPLETE")

    # What must be true after an act.

    def _check_deployed(self, stack: DemoStack, greeting: str) -> None:
        lost = missing(self._seen)
        if lost:
            raise DemoFailed(f"the stack is complete, but not all happened: {', '.join(lost)}")
        self._figures[self._act] = figures(self._seen, self._zero)
        outputs = stack.outputs()
        self._stage.show(Outputs(presentable(outputs, CREDENTIALS_OUTPUT)))
        if outputs.get("result") != f"{greeting}, world" or str(outputs["status_code"]) != "0":
            raise DemoFailed("the stack's outputs are not what the script has to write")

    def _check_held(self, cloud: LocalCloud, before: remains.Holdings) -> remains.Holdings:
        held = remains.fetch(cloud) - before
        if not held.sorts() >= EXPECTED_SORTS:
            raise DemoFailed(f"a living stack should hold more than {held}")
        self._did("demo", f"the stack holds {held}")
        return held

    def _check_left(
        self, cloud: LocalCloud, before: remains.Holdings, held: remains.Holdings
    ) -> None:
        left = remains.fetch(cloud) - before
        if left.things:
            raise DemoFailed(f"left in Keystone and Zaqar after the stack: {left} of {held}")
        self._did("demo", "in Keystone and Zaqar nothing of it is left: no queue, no stack user")

    # Telling.

    def _begin(self, act: str, title: str) -> None:
        self._act, self._zero, self._seen = act, time.time(), []
        self._stage.show(Act(act, title))

    def _did(self, who: str, text: str) -> None:
        now = time.time()
        self._stage.show(Step(self._act, now - self._zero, now, None, who, None, text))

    def _finish(self, trail: Trail, status: str) -> None:
        self._follow(trail, STACK, status)
        # Before the next act begins, which would count their seconds from its own start.
        for event in trail.rest():
            self._tell(event)

    def _follow(self, trail: Trail, subject: str, status: str) -> None:
        def reached(event: Event) -> bool:
            return event.kind is Kind.STATUS and event.text == f"{subject} {status}"

        if not follow(trail, self._tell, reached, self._check, ACT_TIMEOUT_S):
            raise DemoFailed(f"not {subject} {status} within {ACT_TIMEOUT_S:.0f} s")

    def _tell(self, event: Event) -> None:
        self._seen.append(event)
        self._stage.show(step(self._act, self._zero, event))
        if event.failed and event.kind is Kind.STATUS and event.subject == STACK:
            raise DemoFailed(event.text)


def step(act: str, zero: float, event: Event) -> Step:
    """Make of an event what is shown of it.

    Args:
        act: The act it belongs to.
        zero: When the act began, seconds since the epoch.
        event: The event.
    """
    who, to = ACTORS[event.kind]
    elapsed_s = event.time - zero
    is_stack = event.kind is Kind.STATUS and event.subject == STACK
    text = f"stack {event.text}" if is_stack else event.text
    return Step(act, elapsed_s, event.time, event.kind, who, to, text, event.failed)


def check_alive(cloud: LocalCloud, guest: Guest) -> None:
    """See that what is to work is there: otherwise one would wait for nothing.

    Raises:
        ServiceDied: One of the cloud's services has ended.
        DemoFailed: The agent has; before it is started it leaves no log.
    """
    cloud.check()
    if guest.log.exists() and not guest.running:
        raise DemoFailed("the agent, os-collect-config, has ended")


def check_nothing_runs(scratch: Path) -> None:
    """See that no process is left.

    Raises:
        DemoFailed: There is one.
    """
    if left := remains.processes(scratch):
        raise DemoFailed(f"still running: {', '.join(left)}")


def _nothing() -> None:
    """Check nothing, while there is nothing to check."""
