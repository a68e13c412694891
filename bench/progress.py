# SPDX-License-Identifier: Apache-2.0
"""What a run shows of itself while it goes on: bars on a terminal, else lines."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

from bench.report import Series
from localcloud import display


class Show:
    """Progress of one run; its methods may be called from any thread.

    Args:
        stream: Where to.
    """

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._console = Console(file=stream, highlight=False)
        self._lock = threading.Lock()
        self._bars: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def say(self, text: str) -> None:
        """Tell what is being done now."""
        with self._lock:
            self._print(text)

    @contextmanager
    def booting(self, text: str) -> Iterator["display.Display"]:
        """Show a cloud's boot."""
        self.say(text)
        with display.for_stream(self._stream) as shown:
            yield shown

    @contextmanager
    def measuring(self, series: Sequence[Series]) -> Iterator[None]:
        """Show series as they grow."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[last]}"),
        )
        with Progress(*columns, console=self._console, disable=not self._is_terminal) as bars:
            self._bars = bars
            self._tasks = {s.name: bars.add_task(s.name, total=s.wanted, last="") for s in series}
            try:
                yield
            finally:
                self._bars = None

    def took(self, series: Series) -> None:
        """Show a series' newest value."""
        self._step(series, f"{series.values[-1]:.3f} s")

    def lost(self, series: Series) -> None:
        """Show what happened in place of a value."""
        self._step(series, f"lost: {series.failures[-1]}")

    @property
    def _is_terminal(self) -> bool:
        return self._console.is_terminal

    def _step(self, series: Series, text: str) -> None:
        done = len(series.values) + len(series.failures)
        with self._lock:
            if self._bars is not None and self._is_terminal:
                self._bars.update(self._tasks[series.name], completed=done, last=text)
            else:
                self._print(f"{series.name}  {done}/{series.wanted}  {text}")

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, markup=False)
