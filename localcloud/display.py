"""How the command line shows a boot: a table that changes on a terminal, else lines."""

from __future__ import annotations

import contextlib
import sys
import time
from abc import ABC, abstractmethod
from typing import Self, TextIO

from rich.console import Console
from rich.live import Live
from rich.table import Table

from localcloud.boot import Progress

_REFRESH_PER_S = 8


class Display(contextlib.AbstractContextManager["Display"], ABC):
    """Shows what happens while a cloud boots; a context manager around the boot."""

    @abstractmethod
    def show(self, event: Progress) -> None:
        """Show one event."""


class Lines(Display):
    """One line for each step that is done."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __exit__(self, *_error: object) -> None:
        """Leave what is shown."""

    def show(self, event: Progress) -> None:
        """Print steps that are done; their starts say little in a log."""
        if event.state == "ready":
            print(event, file=self._stream, flush=True)


class LiveTable(Display):
    """A table with a row for each step, its seconds running.

    Args:
        console: where to draw.
    """

    def __init__(self, console: Console) -> None:
        self._began = time.monotonic()
        self._steps: dict[str, tuple[float, float | None]] = {}
        self._live = Live(
            get_renderable=self._table, console=console, refresh_per_second=_REFRESH_PER_S
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._live.stop()

    def show(self, event: Progress) -> None:
        """Note a start or an end; the table is drawn in its own rhythm."""
        started, _ = self._steps.get(event.step, (event.elapsed_s, None))
        self._steps[event.step] = (started, event.elapsed_s if event.state == "ready" else None)

    def _table(self) -> Table:
        now = time.monotonic() - self._began
        table = Table(box=None, pad_edge=False)
        table.add_column("step")
        table.add_column("state")
        table.add_column("seconds", justify="right")
        for name, (started, ended) in list(self._steps.items()):
            state = "[yellow]starting" if ended is None else "[green]ready"
            table.add_row(name, state, f"{(ended or now) - started:.1f}")
        return table


def for_stream(stream: TextIO = sys.stderr) -> Display:
    """Choose the display that suits a stream."""
    console = Console(file=stream)
    return LiveTable(console) if console.is_terminal else Lines(stream)
