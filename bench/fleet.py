# SPDX-License-Identifier: Apache-2.0
"""Many servers on one websocket server: the agents' own code, each with a stack user of its own.

What an agent's process does while it waits runs here in threads of one process; its command
is left out. The users are made in Keystone as Heat makes them, in a project of their own.

The acts: all connect at the same time; each is pushed one change; the websocket server goes
away, each gets a change meanwhile, by polling, and it comes back; each is pushed one more.
"""

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from random import random

from keystoneauth1.adapter import Adapter
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from bench.lab import Run, open_lab
from bench.report import Report, Series
from bench.waiting import Clock
from heat_zaqar_collector.pace import Pace
from heat_zaqar_collector.push import choose
from heat_zaqar_collector.push.base import Push
from heat_zaqar_collector.settings import KeystoneCredentials, Settings
from heat_zaqar_collector.source import open_source
from heat_zaqar_collector.watch import Watch
from heat_zaqar_transport import queues
from heat_zaqar_transport.wire import Secret, SignedUrl, Snapshot, serialize
from localcloud import LocalCloud
from localcloud.catalog import Identity

TITLE = "many servers on one websocket server, seconds"
# What is measured: until connected, after all have been started at once; from a change's post
# to collected; the same while the websocket server is away; until connected, from the start of
# that server; from a post to collected after that.
CONNECTED = "connected"
PUSHED = "pushed"
POLLED = "polled meanwhile"
BACK = "connected again"
PUSHED_AGAIN = "pushed again"

WEBSOCKET_SERVER = "zaqar-websocket"
ROLE = "heat_stack_user"
POLL_LONGEST_S = 30.0
CONNECT_TIMEOUT_S = 300.0
# Requests at a time, of the bench itself: one for each REST worker of Zaqar. With more of them
# the time that they wait for each other would be measured.
PARALLEL = 2
LIFETIME_S = 86400
LOOK_S = 0.02
_MIB = 1024 * 1024


class Stopping(Exception):
    """Ends an agent's thread."""


@dataclass
class Agent:
    """One server.

    Attributes:
        watch: The agent's own waiting.
        out: The metadata queue as an engine posts to it.
        channel: Its channel.
        posted: When each generation was posted, on the clock of `time.monotonic`.
        collected: The same of when it was collected.
    """

    watch: Watch
    out: queues.Queue
    channel: str
    posted: dict[int, float] = field(default_factory=dict)
    collected: dict[int, float] = field(default_factory=dict)

    @property
    def push(self) -> Push:
        """How it is told."""
        return self.watch.push

    def post(self, generation: int) -> None:
        """Publish, and clear away what it replaces."""
        old = [message.id for message in self.out.fetch()]
        snapshot = Snapshot(self.channel, generation, {"generation": generation})
        self.out.post(serialize(snapshot), LIFETIME_S)
        self.posted[generation] = time.monotonic()
        self.out.delete(old)

    def run(self) -> None:
        """Collect until the end, as os-collect-config's loop does."""
        while True:
            try:
                snapshot = self.watch.next(POLL_LONGEST_S)
            except Stopping:
                return
            if isinstance(snapshot, Snapshot):
                self.collected.setdefault(snapshot.generation, time.monotonic())


class Fleet:
    """All servers.

    Args:
        cloud: Where.
        count: How many.
        directory: For their state.
    """

    def __init__(self, cloud: LocalCloud, count: int, directory: Path) -> None:
        self._cloud = cloud
        self._directory = directory
        self._stopping = False
        self._generation = 0
        with ThreadPoolExecutor(PARALLEL) as pool:
            self._project = Project(cloud)
            self.agents = list(pool.map(self._make, range(count)))
        self.post()

    def start(self) -> None:
        """Start all at the same time."""
        for agent in self.agents:
            threading.Thread(target=agent.run, daemon=True).start()

    def stop(self) -> None:
        """End the agents' threads; those that hold connections end with the process."""
        self._stopping = True

    def post(self) -> int:
        """Publish the next generation to each; return it."""
        self._generation += 1
        with ThreadPoolExecutor(PARALLEL) as pool:
            list(pool.map(lambda agent: agent.post(self._generation), self.agents))
        return self._generation

    def latencies(self, generation: int) -> list[float] | None:
        """Return the seconds from post to collected of each; `None`: not all are there yet."""
        if not all(generation in agent.collected for agent in self.agents):
            return None
        return [agent.collected[generation] - agent.posted[generation] for agent in self.agents]

    def connected(self) -> int:
        """Count those that can be pushed."""
        return sum(agent.push.state.trusted for agent in self.agents)

    def _make(self, number: int) -> Agent:
        user_id, password = self._project.new_user()
        queue = self._project.open_queue(f"hz-m-{secrets.token_hex(16)}")
        settings = self._settings(
            number,
            queue.sign(["messages"], ["GET"], LIFETIME_S),
            KeystoneCredentials(
                self._cloud.auth_url, user_id, Secret(password), self._project.id, queue.name
            ),
        )
        source = open_source(settings)
        watch = Watch(
            source, choose(settings, source), Pace(random), POLL_LONGEST_S, self._interrupt
        )
        methods = ["GET", "POST", "DELETE"]
        out = queues.open_signed(queue.sign(["messages"], methods, LIFETIME_S))
        return Agent(watch, out, str(settings.channel))

    def _settings(self, number: int, url: SignedUrl, login: KeystoneCredentials) -> Settings:
        return Settings(
            channel=f"fleet-{number}",
            metadata_url=url,
            signal_url=None,
            keystone=login,
            push="websocket",
            websocket_url=self._cloud.websocket_url,
            webhook_listen=None,
            webhook_path=None,
            poll_longest_s=POLL_LONGEST_S,
            state_dir=self._directory / str(number),
            signal_ttl_s=3600,
            timeout_s=30,
            verify=True,
        )

    def _interrupt(self) -> None:
        if self._stopping:
            raise Stopping


class Project:
    """A project of stack users, and its owner.

    Args:
        cloud: Where.
    """

    def __init__(self, cloud: LocalCloud) -> None:
        self._cloud = cloud
        admin = Adapter(cloud.admin_session(), endpoint_override=cloud.plan.url("keystone"))
        self._identity = Identity(admin)
        self._role = self._identity.roles()[ROLE]
        self.id = self._identity.create(
            "project", name=f"fleet-{secrets.token_hex(4)}", domain_id="default"
        )
        owner, password = self.new_user()
        self._session = Session(
            v3.Password(cloud.auth_url, user_id=owner, password=password, project_id=self.id)
        )
        self._session.get_token()

    def new_user(self) -> tuple[str, str]:
        """Make a stack user; return id and password."""
        password = secrets.token_hex(16)
        user_id = self._identity.create(
            "user", name=secrets.token_hex(8), password=password, domain_id="default"
        )
        self._identity.grant(self._role, user_id, project=self.id)
        return user_id, password

    def open_queue(self, name: str) -> queues.Queue:
        """Open a queue as the project's owner."""
        token = str(self._session.get_token())
        return queues.open_with_token(self._cloud.zaqar_url, token, self.id, name)


def measure(run: Run, agents: int, report: Report) -> None:
    """Measure.

    Args:
        run: The run.
        agents: How many servers.
        report: Gets a series for each act.

    Raises:
        BenchFailed: Something did not happen in time, or the run is over.
        LocalCloudError: The cloud has failed.
    """
    with open_lab(run, plugin=True) as lab:
        run.show.say(f"making {agents} users and queues")
        fleet = Fleet(lab.cloud, agents, run.scratch / "fleet")
        try:
            for name, values in acts(lab.cloud, fleet, run.clock, run.show.say):
                report.series.append(Series(name, agents, values))
        finally:
            fleet.stop()
        used = lab.cloud.status()[WEBSOCKET_SERVER].memory_bytes
        report.notes.append(f"The websocket server holds {used / _MIB:.0f} MiB in the end.")


def acts(
    cloud: LocalCloud, fleet: Fleet, clock: Clock, say: Callable[[str], None]
) -> Iterator[tuple[str, list[float]]]:
    """Play the acts; give the name and the seconds of each.

    Args:
        cloud: Where.
        fleet: The servers, not started.
        clock: Waits.
        say: Is told what comes.
    """
    say("connecting")
    yield CONNECTED, _connecting(fleet, clock, fleet.start)
    say("a change for each, pushed")
    yield PUSHED, _changed(fleet, clock)
    say("the websocket server goes away")
    cloud.kill_service(WEBSOCKET_SERVER)
    try:
        clock.until(lambda: fleet.connected() == 0 or None, CONNECT_TIMEOUT_S, "the end of push")
        polled = _changed(fleet, clock)
    finally:
        began = time.monotonic()
        cloud.start_service(WEBSOCKET_SERVER)
    yield POLLED, polled
    say("the websocket server comes back")
    yield BACK, _connecting(fleet, clock, began=began)
    say("a change for each, pushed again")
    yield PUSHED_AGAIN, _changed(fleet, clock)


def _connecting(
    fleet: Fleet,
    clock: Clock,
    begin: Callable[[], None] = lambda: None,
    began: float | None = None,
) -> list[float]:
    """Return how long each needs to be connected."""
    since = time.monotonic() if began is None else began
    begin()
    waiting = list(fleet.agents)
    found: list[float] = []

    def look() -> bool | None:
        still = [agent for agent in waiting if not agent.push.state.trusted]
        found.extend([time.monotonic() - since] * (len(waiting) - len(still)))
        waiting[:] = still
        return None if waiting else True

    clock.until(look, CONNECT_TIMEOUT_S, "every server to be connected", LOOK_S)
    return found


def _changed(fleet: Fleet, clock: Clock) -> list[float]:
    """Change something for each; return how long that took."""
    generation = fleet.post()
    return clock.until(
        lambda: fleet.latencies(generation), 2 * POLL_LONGEST_S, "the change on every server"
    )
