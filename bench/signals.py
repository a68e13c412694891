# SPDX-License-Identifier: Apache-2.0
"""From the start of heat-config-notify on the server to the deployment's end in Heat.

A deployment is made IN_PROGRESS by a stack update with another input value. Its derived config
is what Heat's row of the server then holds; the agent does not run, so that nothing
but the notify command, given that config and a result, answers. Ways take turns, one signal at a
time, and each has a stack and a server of its own.

The end is when the deployment's row in Heat's database is COMPLETE, to within the 5 ms between
two looks. A GET of /software_deployments/ID every 20 ms would keep API and engine, on the
same two cores, busier than the signal that is measured, and see no earlier than the row shows it.

Without Zaqar's notifications only the safety net remains: a deployment that waits looks into the
queue itself, first after some 10 s. How long a result then lies there depends on how long the
script took; so notify is started after a random time, as scripts take different times.
"""

import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.errors import BenchFailed
from bench.guests import mark_file
from bench.lab import Lab, Run, open_lab
from bench.released import ReleasedScripts
from bench.report import Report, Series
from bench.sampling import Sampler
from bench.templates import SERVER, marking
from bench.waiting import in_parallel

TITLE = "heat-config-notify's start on the server to the deployment COMPLETE in Heat, seconds"
COMMIT_TIMEOUT_S = 60.0
SIGNAL_TIMEOUT_S = 120.0
# Between two looks into the database.
LOOK_S = 0.005
NOTIFY_PROCESS = "its notify process"
SAFETY_NET = "ZAQAR_MESSAGE, no notifications"
WITHOUT_NOTIFIER = {"storage": {"message_pipeline": ""}}
ZAQAR_SERVICES = ("zaqar", "zaqar-websocket")
RESULT = {"deploy_stdout": "done\n", "deploy_stderr": "", "deploy_status_code": 0}


@dataclass(frozen=True)
class Way:
    """One way back to Heat.

    Attributes:
        name: What it is called.
        signal_transport: The deployment's.
        released: Whether notify is heat-agents'.
    """

    name: str
    signal_transport: str
    released: bool = False


WAYS = (
    Way("ZAQAR_MESSAGE", "ZAQAR_MESSAGE"),
    Way("CFN_SIGNAL", "CFN_SIGNAL"),
    Way("CFN_SIGNAL, released notify", "CFN_SIGNAL", released=True),
)


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        samples: Signals of each way.
        without_notifications: Whether ZAQAR_MESSAGE is measured once more by the safety net.
        script_s: There, longest random time from IN_PROGRESS to notify's start, seconds.
    """

    samples: int
    without_notifications: bool
    script_s: float


def measure(run: Run, plan: Plan, report: Report, scripts: ReleasedScripts) -> None:
    """Measure all ways.

    Args:
        run: The run.
        plan: How much.
        report: Gets a series for each way.
        scripts: heat-agents'.

    Raises:
        BenchFailed: A way's server could not be deployed to at all, or the run is over.
        LocalCloudError: The cloud or a guest has failed.
    """
    names = [way.name for way in WAYS] + [SAFETY_NET] * plan.without_notifications
    series = [report.add(name, plan.samples) for name in names]
    with open_lab(run, plugin=True) as lab:
        senders = [Sender(lab, way, scripts) for way in WAYS]
        run.show.say("first deployment of each server")
        in_parallel(run.clock, [sender.set_up for sender in senders])
        with run.show.measuring(series):
            _take_turns(lab, list(zip(senders, series, strict=False)))
            if plan.without_notifications:
                with _no_notifications(lab):
                    _take_turns(lab, [(senders[0], series[-1])], plan.script_s)


def _take_turns(lab: Lab, pairs: Sequence[tuple["Sender", Series]], script_s: float = 0.0) -> None:
    samplers = [
        Sampler(lab.show, series, partial(sender.sample, series, script_s))
        for sender, series in pairs
    ]
    while waiting := [sampler for sampler in samplers if not sampler.done]:
        for sampler in waiting:
            sampler.next()


@contextlib.contextmanager
def _no_notifications(lab: Lab) -> Iterator[None]:
    """Have Zaqar run without its notifier, and then, on somebody else's cloud, as it did before."""
    lab.show.say("restarting Zaqar without notifications")
    try:
        for name in ZAQAR_SERVICES:
            lab.cloud.reconfigure(name, WITHOUT_NOTIFIER)
        yield
    finally:
        for name in () if lab.ours else ZAQAR_SERVICES:
            lab.cloud.reconfigure(name, {})


class Sender:
    """One way with its stack and its server, whose agent has run once and runs no more.

    Args:
        lab: Where.
        way: Which.
        scripts: heat-agents'.
    """

    def __init__(self, lab: Lab, way: Way, scripts: ReleasedScripts) -> None:
        self._lab = lab
        self._way = way
        self._rows = lab.rows()
        self._stack = lab.stack(f"signal-{way.signal_transport}", self._rows)
        directory = way.name.replace(", ", "-").replace(" ", "-")
        self._guest = lab.guest(directory)
        self._command = [str(self._guest.path("usr/local/bin/heat-config-notify"))]
        if way.released:
            self._command = [sys.executable, str(scripts.notify)]
        self._config_file = self._guest.path("root/config.json")
        self._result_file = self._guest.path("root/result.json")
        self._result_file.write_text(json.dumps(RESULT))
        self._change = 0

    def set_up(self) -> None:
        """Create the stack, and have the first deployment done by the real agent."""
        template = marking("ZAQAR_MESSAGE", self._way.signal_transport)
        self._stack.create(template, {"change": "0", "marks": str(mark_file(self._guest))})
        self._guest.boot_config(self._stack.collect_config())
        self._guest.start()
        self._stack.wait()
        self._guest.stop()

    def sample(self, series: Series, script_s: float, _number: int) -> float:
        """Send one result; return how long it took, and add to the series what belongs to it.

        Args:
            series: Gets how long the process ran.
            script_s: Longest random time to pretend that a script runs first, seconds.

        Raises:
            BenchFailed: Notify failed, or the deployment did not end in time.
        """
        self._change += 1
        self._stack.update(parameters={"change": str(self._change)})
        config = self._lab.clock.until(self._config, COMMIT_TIMEOUT_S, "Heat's commit", LOOK_S)
        self._config_file.write_text(json.dumps(config))
        what = "the deployment to be IN_PROGRESS"
        waiting = partial(self._is, "IN_PROGRESS", config)
        self._lab.clock.until(waiting, COMMIT_TIMEOUT_S, what, LOOK_S)
        if script_s:
            self._lab.clock.sleep(random.uniform(0, script_s))
        took_s, process_s = self._send(config)
        self._stack.wait()
        series.extra.setdefault(NOTIFY_PROCESS, []).append(process_s)
        return took_s

    def _config(self) -> dict[str, Any] | None:
        row = self._rows.server(self._stack.id, SERVER)
        return None if row is None else row.config_of_change(self._change)

    def _is(self, status: str, config: dict[str, Any]) -> bool | None:
        return True if self._rows.deployment_status(config["id"]) == status else None

    def _send(self, config: dict[str, Any]) -> tuple[float, float]:
        """Run notify; return the seconds to the deployment's end, and to the process's own."""
        with self._result_file.open("rb") as result:
            began = time.monotonic()
            process = subprocess.Popen(
                [*self._command, str(self._config_file)],
                env=self._guest.environ(),
                stdin=result,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
        try:
            return self._ends(process, config, began)
        finally:
            process.kill()
            process.communicate()

    def _ends(
        self, process: "subprocess.Popen[str]", config: dict[str, Any], began: float
    ) -> tuple[float, float]:
        complete_s = process_s = 0.0

        def look() -> bool | None:
            nonlocal complete_s, process_s
            if not process_s and process.poll() is not None:
                process_s = time.monotonic() - began
                _check(process)
            if not complete_s and self._is("COMPLETE", config):
                complete_s = time.monotonic() - began
            return True if complete_s and process_s else None

        self._lab.clock.until(look, SIGNAL_TIMEOUT_S, "the deployment to be COMPLETE", LOOK_S)
        return complete_s, process_s


def _check(process: "subprocess.Popen[str]") -> None:
    """See that notify succeeded; its last line of output says otherwise why it did not."""
    if process.returncode:
        _, told = process.communicate()
        last = told.strip().rpartition("\n")[2]
        raise BenchFailed(f"heat-config-notify: exit status {process.returncode}: {last}")
