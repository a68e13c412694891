# SPDX-License-Identifier: Apache-2.0
"""The outbox: results are resent until Heat has acked them.

The runner posts a result once it is on the disk, and ends. What waits for an ack is found
here among the records of deployments, and resent after 10, 20, 40, ... s, up to 15 minutes.
Before that the metadata queue is looked into for acks. While nothing waits there is no
request.

This lives in a thread of its own: while os-collect-config runs its command, which is as long
as a hook takes, nobody else looks or sends. So Heat's goodbye, too, is read here after a push
that the collector is too busy for, and answered: Heat waits for the answer before it deletes the
queues. The times are those of a clock that only goes up; after a start of the agent they begin
anew.
"""

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn, Protocol

from heat_zaqar_collector.backoff import Backoff
from heat_zaqar_collector.farewell import Farewell
from heat_zaqar_collector.push.base import Push
from heat_zaqar_collector.settings import Settings
from heat_zaqar_hooks import logs, states
from heat_zaqar_hooks.states import Deployment, State
from heat_zaqar_transport import queues
from heat_zaqar_transport.posting import Poster
from heat_zaqar_transport.queues import MessageQueue
from heat_zaqar_transport.wire import Ack, Goodbye, Result, gather
from heat_zaqar_transport.wire.errors import (
    HeatZaqarError,
    Retriable,
    StateError,
    TransportError,
)
from heat_zaqar_transport.wire.sealing import Seal

LOG = logging.getLogger(__name__)

# Seconds between two looks at the records.
TICK_S = 1.0
# The pauses before a result is resent, seconds.
FIRST_PAUSE_S = 10.0
LONGEST_PAUSE_S = 900.0
# Seconds to wait after an error that nobody foresaw.
UNFORESEEN_PAUSE_S = 60.0
# Seconds between two looks in the collector's place: pushes may come by the thousand.
IN_PLACE_S = 5.0
# A goodbye is answered if a push has come within so many seconds: Heat waits for the answers of
# servers that are pushed. A later answer would make the deleted queue anew.
ANSWER_S = 8.0
ANSWER_TTL_S = 60

# Names the run of a hook: config and attempt.
Run = tuple[str, int]


class Records(Protocol):
    """What `heat_zaqar_hooks.states.Store` does for the outbox."""

    def unacked(self, channel: str) -> list[Deployment]:
        """Return what waits for the acks of a channel."""

    def acked(self, config_id: str, attempt: int) -> bool:
        """Note an ack."""

    def advance(self, config_id: str, attempt: int, to: State) -> bool:
        """Note how far a result has come."""


@dataclass
class _Plan:
    """When a result is to be resent."""

    pauses: Backoff
    due_at: float

    def comes_due(self, now: float) -> bool:
        """Tell whether it is time; if so, the next time is a longer pause away."""
        if now < self.due_at:
            return False
        self.due_at = now + self.pauses.next_s()
        return True


class Outbox:
    """Resends the results of one channel.

    Args:
        channel: Whose acks count.
        seal: The channel's.
        records: The results.
        metadata: The queue from Heat, which has the acks.
        signals: The queue to Heat.
        farewell: Whether the channel is deleted.
        ttl_s: How long a result may wait for Heat, in seconds.
        clock: Seconds that only go up.
        wait: Waits, seconds; returns whether a push has come meanwhile.
        chance: Returns 0 to 1, for the length of pauses.
        busy: Tells whether the collector lets a push lie; may take a moment.
    """

    def __init__(
        self,
        channel: str,
        seal: Seal,
        records: Records,
        metadata: MessageQueue,
        signals: MessageQueue,
        farewell: Farewell,
        ttl_s: int,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool | None] = time.sleep,
        chance: Callable[[], float] = random.random,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        self._channel = channel
        self._seal = seal
        self._records = records
        self._metadata = metadata
        self._signals = signals
        self._farewell = farewell
        self._ttl_s = ttl_s
        self._clock = clock
        self._wait = wait
        self._chance = chance
        self._busy = busy
        self._pushed_at = self._in_place_at = float("-inf")
        self._unread = False
        self._answered = False
        self._poster = Poster()
        self._noted: deque[Ack] = deque()
        self._plans: dict[Run, _Plan] = {}
        self._troubles: dict[str, str] = {}

    def start(self) -> None:
        """Begin, in a thread that ends with the process."""
        threading.Thread(target=self.run, name="outbox", daemon=True).start()

    def note(self, acks: Iterable[Ack]) -> None:
        """Take acks that somebody else has read; from any thread, and returns at once."""
        self._noted.extend(acks)

    def run(self) -> NoReturn:
        """Do what is to be done, each second, whatever happens."""
        while True:
            try:
                self.tick()
                if self._wait(TICK_S):
                    self.pushed()
            except Exception as exc:
                logs.unexpected(LOG, exc)
                self._wait(UNFORESEEN_PAUSE_S)

    def pushed(self) -> None:
        """Take notice of a push. A busy collector does not read what it tells of: a goodbye."""
        self._pushed_at = self._clock()
        self._unread = self._busy()

    def tick(self) -> None:
        """Read in the place of a busy collector, answer a goodbye, and resend what is due."""
        self._read_in_place()
        self._answer_goodbye()
        try:
            while self._noted:
                self._take(self._noted.popleft())
            waiting = self._records.unacked(self._channel)
            if not self._farewell.gone and (due := self._due(waiting)) and self._look():
                self._resend(due)
            self._well("state")
        except StateError as exc:
            self._warn("state", exc)

    def _read_in_place(self) -> None:
        now = self._clock()
        if self._unread and not self._farewell.gone and now - self._in_place_at >= IN_PLACE_S:
            self._unread, self._in_place_at = False, now
            self._look()

    def _answer_goodbye(self) -> None:
        gone = self._farewell.gone
        pushed = self._clock() - self._pushed_at < ANSWER_S
        if gone and pushed and not self._answered:
            try:
                goodbye = Goodbye(self._channel)
                self._poster.post(self._signals.post, goodbye, ANSWER_TTL_S, self._seal)
            except TransportError as exc:
                LOG.warning("Heat's goodbye could not be answered: %s", exc)
        self._answered = gone

    def _take(self, ack: Ack) -> None:
        if ack.channel != self._channel:
            return
        try:
            if self._records.acked(ack.config_id, ack.attempt):
                LOG.info("Heat has the result of config %s", ack.config_id)
            self._well(ack.config_id)
        except StateError as exc:
            self._warn(ack.config_id, exc)

    def _due(self, waiting: list[Deployment]) -> list[Deployment]:
        """Return what is to be resent now, and plan when to resend what is new."""
        now = self._clock()
        self._plans = {
            _run(each): self._plans.get(_run(each)) or self._new_plan(now) for each in waiting
        }
        return [each for each in waiting if self._plans[_run(each)].comes_due(now)]

    def _new_plan(self, now: float) -> _Plan:
        pauses = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, self._chance)
        return _Plan(pauses, now + pauses.next_s())

    def _resend(self, due: list[Deployment]) -> None:
        waiting = {_run(each) for each in self._records.unacked(self._channel)}
        for each in due:
            if _run(each) in waiting and not self._post(each):
                return

    def _look(self) -> bool:
        """Read what Heat says in the metadata queue; return whether to resend what is due."""
        try:
            found = [each.message for each in gather(self._metadata.fetch(), self._seal).found]
            self._well("look")
        except TransportError as exc:
            self._warn("look", exc)
            # One who may only not read any more can still be heard.
            return not isinstance(exc, Retriable)
        for each in found:
            if isinstance(each, Ack):
                self._take(each)
        if Goodbye(self._channel) in found:
            self._farewell.heard()
        return not self._farewell.gone

    def _post(self, deployment: Deployment) -> bool:
        """Resend one result; return whether to go on with the next one."""
        config_id, attempt = _run(deployment)
        result = Result(self._channel, config_id, deployment.outputs or {}, attempt)
        try:
            self._poster.post(self._signals.post, result, self._ttl_s, self._seal)
            self._records.advance(config_id, attempt, State.SENT)
        except HeatZaqarError as exc:
            self._warn(config_id, exc)
            return not isinstance(exc, Retriable)
        self._well(config_id)
        LOG.info("Sent the result of config %s again: Heat has not acked it", config_id)
        return True

    def _warn(self, what: str, exc: HeatZaqarError) -> None:
        """Tell of a trouble once for as long as it lasts."""
        # Not by its text, in which an address or a port may change.
        kind = type(exc).__name__
        if self._troubles.get(what) != kind:
            self._troubles[what] = kind
            LOG.warning("Results wait for Heat's ack, to be sent again later: %s", exc)

    def _well(self, what: str) -> None:
        self._troubles.pop(what, None)


def open_outbox(settings: Settings, farewell: Farewell, push: Push) -> Outbox | None:
    """Open the outbox that the settings describe; `None`: results here have no acks."""
    channel, metadata, signals = settings.channel, settings.metadata_url, settings.signal_url
    if channel is None or metadata is None or signals is None:
        return None
    timeout_s, verify = settings.timeout_s, settings.verify
    return Outbox(
        channel,
        settings.seal,
        states.Store(settings.state_dir),
        queues.open_url(metadata, timeout_s=timeout_s, verify=verify),
        queues.open_url(signals, timeout_s=timeout_s, verify=verify),
        farewell,
        settings.signal_ttl_s,
        wait=push.wait_pushed,
        busy=push.unheeded,
    )


def _run(deployment: Deployment) -> Run:
    return deployment.config_id, deployment.attempt
