# SPDX-License-Identifier: Apache-2.0
"""From Heat's commit of a change to the hook that runs on the server.

A change is what an operator does: a stack update with another input value for a software
deployment. It is committed when the row of the server resource first shows the new value, to
within the 5 ms between two looks; its hook runs when the deployment's script, as its first act,
takes the time.

All ways that need the same sort of Heat are measured at the same time, each with a stack and a
server of its own; the rest follows on a cloud of its own. Between two changes of one way there is
a random pause of up to 30 s, the released agent's longest interval, so that changes meet its
polling at random phases. Agents run at their defaults, and have been given the time to
get to their longest interval before the first change.

Two cores serve it all, so changes take turns: none begins before the one before it has been
committed and either has started its hook or has had 3 s to do so. The ways that
answer within that time are so measured undisturbed. A poller's answer that comes later than that
may fall into another change, which costs it some tenths of a second at most, beside tens
of seconds.
"""

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from bench.errors import BenchFailed
from bench.guests import NOT_CONNECTED, connected, mark_file, marks
from bench.lab import Lab, Run, open_lab
from bench.released import ReleasedScripts
from bench.report import Report, Series
from bench.sampling import Sampler
from bench.templates import SERVER, marking
from bench.waiting import Turns, in_parallel

COMMIT_TIMEOUT_S = 60.0
HOOK_TIMEOUT_S = 180.0
# Between two looks into the database.
LOOK_S = 0.005
# How long a change keeps its turn after its commit when no hook starts.
TURN_S = 3.0

TITLE = "Heat's commit of a change to the hook's start on the server, seconds"
POLLING: Mapping[str, Any] = {"os-collect-config": {"zaqar": {"push": "poll"}}}


@dataclass(frozen=True)
class Way:
    """One way to a server.

    Attributes:
        name: What it is called.
        server_transport: The server's software_config_transport.
        signal_transport: The deployment's.
        released: Whether os-collect-config and heat-agents run as released.
        plugin: Whether Heat runs with our plugin.
        metadata: The server's metadata in the template.
        pushed: Whether the agent is to be connected to Zaqar's websocket server.
    """

    name: str
    server_transport: str
    signal_transport: str
    released: bool = False
    plugin: bool = True
    metadata: Mapping[str, Any] = field(default_factory=dict)
    pushed: bool = False


WAYS = (
    Way("websocket", "ZAQAR_MESSAGE", "ZAQAR_MESSAGE", pushed=True),
    Way("poll", "ZAQAR_MESSAGE", "ZAQAR_MESSAGE", metadata=POLLING),
    Way("POLL_SERVER_HEAT", "POLL_SERVER_HEAT", "CFN_SIGNAL", released=True),
    Way("POLL_SERVER_CFN", "POLL_SERVER_CFN", "CFN_SIGNAL", released=True),
    Way("released-ZAQAR_MESSAGE", "ZAQAR_MESSAGE", "CFN_SIGNAL", released=True, plugin=False),
)
NOTES = (
    "websocket and poll: our agent and Heat with our plugin. POLL_SERVER_*: the released agent "
    "and Heat with our plugin, which leaves these transports alone. released-ZAQAR_MESSAGE: the "
    "released agent and Heat without our plugin.",
)


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        ways: Which ones.
        samples: Changes of each.
        spread_s: Longest pause between two changes, seconds.
        settle_s: Seconds from the first deployment's end to the first change.
    """

    ways: Sequence[Way]
    samples: int
    spread_s: float
    settle_s: float


def measure(run: Run, plan: Plan, report: Report, scripts: ReleasedScripts | None) -> None:
    """Measure all ways.

    Args:
        run: The run.
        plan: How much.
        report: Gets a series for each way, and grows while they are measured.
        scripts: heat-agents'; needed for the ways that are as released.

    Raises:
        BenchFailed: A way's server could not be deployed to at all, or the run is over.
        LocalCloudError: A cloud or a guest has failed.
    """
    report.notes += NOTES
    series = {way.name: report.add(way.name, plan.samples) for way in plan.ways}
    for plugin in (True, False):
        ways = [way for way in plan.ways if way.plugin == plugin]
        if ways:
            with open_lab(run, plugin=plugin) as lab:
                probes = [Probe(lab, way, scripts if way.released else None) for way in ways]
                _measure_there(lab, plan, probes, [series[way.name] for way in ways])
                report.notes += _remarks(probes)


def _measure_there(
    lab: Lab, plan: Plan, probes: Sequence["Probe"], series: Sequence[Series]
) -> None:
    lab.show.say(f"first deployment of {', '.join(probe.way.name for probe in probes)}")
    in_parallel(lab.clock, [probe.set_up for probe in probes])
    lab.show.say(f"{plan.settle_s:g} s for the agents to get to their longest interval")
    lab.clock.sleep(plan.settle_s)
    turns = Turns(lab.clock)
    with lab.show.measuring(series):
        pairs = zip(probes, series, strict=True)
        in_parallel(lab.clock, [partial(probe.measure, plan, turns, each) for probe, each in pairs])


def _remarks(probes: Sequence["Probe"]) -> list[str]:
    return [NOT_CONNECTED for probe in probes if probe.way.pushed and not connected(probe.guest)]


class Probe:
    """One way with its stack and its server.

    Args:
        lab: Where.
        way: Which.
        scripts: heat-agents'; `None`: our agent.
    """

    def __init__(self, lab: Lab, way: Way, scripts: ReleasedScripts | None) -> None:
        self.way = way
        self._lab = lab
        self._rows = lab.rows()
        self._stack = lab.stack(way.name, self._rows)
        self.guest = lab.guest(way.name, scripts)

    def set_up(self) -> None:
        """Create the stack, start the agent, and have the first deployment done."""
        way = self.way
        template = marking(way.server_transport, way.signal_transport, way.metadata)
        self._stack.create(template, {"change": "0", "marks": str(mark_file(self.guest))})
        self.guest.boot_config(self._stack.collect_config())
        self.guest.start()
        self._stack.wait()

    def measure(self, plan: Plan, turns: Turns, series: Series) -> None:
        """Make one change after the other.

        Args:
            plan: How many, and the pauses.
            turns: Whose turn it is to change something.
            series: Gets what is measured.

        Raises:
            Stopped: The run is over.
        """
        sampler = Sampler(self._lab.show, series, partial(self._sample, turns))
        while not sampler.done:
            self._lab.clock.sleep(random.uniform(0, plan.spread_s))
            sampler.next()

    def _sample(self, turns: Turns, change: int) -> float:
        with turns.turn():
            self._stack.update(parameters={"change": str(change)})
            committed = self._lab.clock.until(
                partial(self._committed, change), COMMIT_TIMEOUT_S, "Heat's commit", LOOK_S
            )
            self._give_a_chance(change)
        began = self._lab.clock.until(
            partial(self._began, change), HOOK_TIMEOUT_S, "the hook on the server"
        )
        self._stack.wait()
        return began - committed

    def _committed(self, change: int) -> float | None:
        looked = time.time()
        row = self._rows.server(self._stack.id, SERVER)
        return looked if row and row.config_of_change(change) else None

    def _began(self, change: int) -> float | None:
        if not self.guest.running:
            raise BenchFailed(f"the agent of {self.way.name} has ended")
        return marks(self.guest).get(change)

    def _give_a_chance(self, change: int) -> None:
        ends = time.monotonic() + TURN_S
        while self._began(change) is None and time.monotonic() < ends:
            self._lab.clock.sleep(0.05)
