# SPDX-License-Identifier: Apache-2.0
"""From the end of Heat's publish to the start of the agent's command on the server.

One server by websocket, and one change after the other, each when the agent's command for the
one before has ended and the stack is complete. A change is a stack update with other metadata
of the server in the template: no deployment, so that nothing but the way to the server counts.

The publish ends with heat-engine's log line "Channel ...: posted generation N", written when
Zaqar has answered the post; the command starts with os-collect-config's line "Executing ..."
that follows "Generation N of channel ... collected". Should a generation have been overtaken by
the next one before the agent looked, the next one's times are what counts.
"""

from functools import partial

from bench.agent_log import AgentLog, Round, posted
from bench.errors import BenchFailed
from bench.guests import NOT_CONNECTED, connected
from bench.lab import Lab, Run, open_lab
from bench.report import Report, Series
from bench.sampling import Sampler
from bench.templates import Template, only_server
from demo.trail import Tail

TITLE = "end of Heat's publish to the start of the agent's command on the server, seconds"
TRANSPORT = "ZAQAR_MESSAGE"
COLLECTED = "until it was collected"
CHANGE_TIMEOUT_S = 120.0
FIRST_TIMEOUT_S = 120.0


def measure(run: Run, changes: int, settle_s: float, report: Report) -> None:
    """Measure.

    Args:
        run: The run.
        changes: How many.
        settle_s: Seconds from the agent's first collection to the first change.
        report: Gets one series.

    Raises:
        BenchFailed: The server got nothing at all, or the run is over.
        LocalCloudError: The cloud or the guest has failed.
    """
    series = report.add("websocket", changes)
    with open_lab(run, plugin=True) as lab:
        pusher = Pusher(lab)
        run.show.say("first configuration of the server")
        pusher.set_up()
        run.clock.sleep(settle_s)
        with run.show.measuring([series]):
            sampler = Sampler(run.show, series, partial(pusher.sample, series))
            while not sampler.done:
                sampler.next()
        if not connected(pusher.guest):
            report.notes.append(NOT_CONNECTED)


class Pusher:
    """The stack, the server, and the logs of both ends.

    Args:
        lab: Where.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._rows = lab.rows()
        self._stack = lab.stack("push", self._rows)
        self.guest = lab.guest("push")
        self._engine_lines = Tail.from_now(lab.cloud.log("heat-engine"))
        self._agent_lines = Tail(self.guest.log)
        self._agent = AgentLog()
        self._posted: dict[int, float] = {}
        self._channel = ""

    def set_up(self) -> None:
        """Create the stack, start the agent, and have it collect once."""
        self._stack.create(_template(0))
        config = self._stack.collect_config()
        self._channel = config["zaqar"]["channel"]
        self.guest.boot_config(config)
        self.guest.start()
        self._stack.wait()
        self._lab.clock.until(
            partial(self._round_for, 0), FIRST_TIMEOUT_S, "the agent's first collection"
        )

    def sample(self, series: Series, change: int) -> float:
        """Make one change; return how long the push took, and add to the series a part of it.

        Raises:
            BenchFailed: It did not arrive, or its publish was not seen.
        """
        self._read()
        before = max(self._posted, default=0)
        self._stack.update(_template(change))
        ended = self._lab.clock.until(
            partial(self._round_after, before), CHANGE_TIMEOUT_S, "the change on the server"
        )
        self._stack.wait()
        self._read()
        try:
            published = self._posted[ended.generation]
        except KeyError:
            raise BenchFailed(f"generation {ended.generation} was not seen posted") from None
        series.extra.setdefault(COLLECTED, []).append(ended.collected - published)
        return ended.began - published

    def _round_after(self, generation: int) -> Round | None:
        return self._round_for(generation + 1)

    def _round_for(self, generation: int) -> Round | None:
        if not self.guest.running:
            raise BenchFailed("the agent has ended")
        self._read()
        return self._agent.ended(generation)

    def _read(self) -> None:
        self._posted |= posted(self._engine_lines.lines(), self._channel)
        self._agent.feed(self._agent_lines.lines())


def _template(change: int) -> Template:
    return only_server(TRANSPORT, {"change": str(change)})
