# SPDX-License-Identifier: Apache-2.0
"""What heat-engine's log and an agent's log tell of generations. Pure: lines in, times out.

Times are local and to the millisecond, as both logs have them.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

_STAMP = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)[.,](\d{3}) ")
_POSTED = re.compile(r"\] Channel (\S+): posted generation (\d+)$")
_COLLECTED = re.compile(r" Generation (\d+) of channel \S+ collected$")
# os-collect-config's own lines: its command begins; its command has ended.
_EXECUTING = re.compile(r" os-collect-config \[[^]]*\] Executing ")
_SLEEPING = re.compile(r" os-collect-config \[[^]]*\] Sleeping ")


def posted(lines: Iterable[str], channel: str) -> dict[int, float]:
    """Return when heat-engine had posted each generation of a channel.

    Args:
        lines: Of heat-engine's log.
        channel: Others are passed over.

    Returns:
        Seconds since the epoch by generation.
    """
    found: dict[int, float] = {}
    for line in lines:
        told = _POSTED.search(line)
        if told and told[1] == channel and (at := stamp(line)) is not None:
            found[int(told[2])] = at
    return found


@dataclass(frozen=True)
class Round:
    """One run of the agent's command.

    Attributes:
        generation: The newest one that it ran for.
        collected: When that was on the disk, seconds since the epoch.
        began: When, seconds since the epoch.
        ended: Whether it has.
    """

    generation: int
    collected: float
    began: float
    ended: bool


class AgentLog:
    """Reads an agent's log as it grows.

    Attributes:
        rounds: Runs of the command for a newly collected generation, in order.
    """

    def __init__(self) -> None:
        self.rounds: list[Round] = []
        self._collected: tuple[int, float] | None = None

    def feed(self, lines: Iterable[str]) -> None:
        """Read further lines."""
        for line in lines:
            if told := _COLLECTED.search(line):
                self._collected = int(told[1]), stamp(line) or 0.0
            elif _EXECUTING.search(line):
                self._begin(stamp(line) or 0.0)
            elif _SLEEPING.search(line):
                self._end()

    def ended(self, generation: int) -> Round | None:
        """Return the first round for this generation or a newer one, if it has ended."""
        reached = (each for each in self.rounds if each.generation >= generation)
        first = next(reached, None)
        return first if first is not None and first.ended else None

    def _begin(self, at: float) -> None:
        if self._collected is not None:
            self.rounds.append(Round(*self._collected, at, ended=False))
            self._collected = None

    def _end(self) -> None:
        if self.rounds:
            self.rounds[-1] = replace(self.rounds[-1], ended=True)


def stamp(line: str) -> float | None:
    """Return a line's time, seconds since the epoch; `None`: it does not begin with one."""
    found = _STAMP.match(line)
    if found is None:
        return None
    local = datetime.strptime(f"{found[1]}.{found[2]}", "%Y-%m-%d %H:%M:%S.%f")
    return local.timestamp()
