# SPDX-License-Identifier: Apache-2.0
"""What a person, a log file or a machine gets to see of the demo."""

import dataclasses
import io
import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

from demo.items import Act, Item, Note, Outputs, Problem, Progress, Step, Summary
from demo.redact import Redactor

WIDTH = 100
_WHO_WIDTH = 14
_STYLES = {"Heat": "red", "Zaqar": "cyan", "agent": "green", "hook": "yellow", "demo": "magenta"}


class Show(ABC):
    """One way to show items."""

    @abstractmethod
    def show(self, item: Item) -> None:
        """Show one item, at once."""

    def close(self) -> None:  # noqa: B027  most have nothing to do
        """Leave the terminal as it was."""


class Stage:
    """Shows items in several ways at a time, without their secrets.

    Args:
        shows: The ways.
        redactor: Knows the secrets.
    """

    def __init__(self, shows: Sequence[Show], redactor: Redactor) -> None:
        self._shows = shows
        self.redactor = redactor

    def show(self, item: Item) -> None:
        """Redact one item and show it."""
        safe = self.redactor.item(item)
        for each in self._shows:
            each.show(safe)

    def close(self) -> None:
        """Leave the terminal as it was."""
        for each in self._shows:
            each.close()


class JsonShow(Show):
    """One JSON object a line. `item` names the sort; times are ISO 8601, UTC."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, item: Item) -> None:
        """Print one object."""
        print(json.dumps(as_json(item)), file=self._stream, flush=True)


class PlainShow(Show):
    """Lines of text, for logs."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, item: Item) -> None:
        """Print an item's lines, if it has any."""
        for line in plain_lines(item):
            print(line, file=self._stream, flush=True)


class RichShow(Show):
    """Colours, for a terminal and for the picture.

    Args:
        console: Where to draw.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None

    def show(self, item: Item) -> None:
        """Draw one item; a progress is drawn over by what follows it."""
        if isinstance(item, Progress):
            self._progress(item.text)
            return
        self.close()
        self._console.print(rendered(item, ascii_only=self._console.options.ascii_only))

    def close(self) -> None:
        """Take the progress away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _progress(self, text: str) -> None:
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(Text(text))
            self._status.start()
        self._status.update(Text(text))


def as_json(item: Item) -> dict[str, Any]:
    """Return an item as JSON types."""
    fields = dataclasses.asdict(item)
    if isinstance(item, Step):
        at = datetime.fromtimestamp(item.time, UTC)
        fields |= {
            "elapsed_s": round(item.elapsed_s, 3),
            "time": at.isoformat(timespec="milliseconds"),
        }
    if isinstance(item, Summary):
        fields["figures"] = {
            act: {name: round(value, 3) for name, value in each.items()}
            for act, each in item.figures.items()
        }
    return {"item": type(item).__name__.lower(), **fields}


def plain_lines(item: Item) -> list[str]:
    """Return an item as lines of text."""
    match item:
        case Act():
            return ["", f"== {item.act}: {item.title}"]
        case Step():
            bad = "FAILED: " if item.failed else ""
            return [
                f"{item.elapsed_s:6.1f} s  {actors(item, '->'):<{_WHO_WIDTH}}  {bad}{item.text}"
            ]
        case Outputs():
            return [
                f"{'':10}output {name} = {one_line(value)}" for name, value in item.values.items()
            ]
        case Summary():
            return ["", f"OK. {item.text}"]
        case Note():
            return [item.text]
        case Problem():
            return ["", f"FAILED: {item.text}", *(f"Logs: {each}" for each in item.logs)]
        case Progress():
            return []


def rendered(item: Item, *, ascii_only: bool = False) -> RenderableType:
    """Return an item as rich draws it."""
    match item:
        case Act():
            title = Text.assemble((item.act, "bold"), f"  {item.title}")
            return Group("", Rule(title, align="left", style="dim"))
        case Step():
            return _row(item, "->" if ascii_only else "→")
        case Outputs():
            return Padding(_outputs(item), (0, 0, 0, 10))
        case Summary():
            return Group("", Text.assemble(("OK. ", "bold green"), item.text))
        case Problem():
            logs = (Text(f"Logs: {each}") for each in item.logs)
            return Group("", Text.assemble(("FAILED: ", "bold red"), item.text), *logs)
        case Note() | Progress():
            return Text(item.text)


def actors(step: Step, arrow: str) -> str:
    """Say who did a step, and to whom it goes."""
    return f"{step.who} {arrow} {step.to}" if step.to else step.who


def one_line(value: str) -> str:
    """Return an output's value in one line."""
    return " / ".join(value.splitlines()) or "(empty)"


def _row(step: Step, arrow: str) -> Table:
    row = Table.grid(padding=(0, 2))
    row.add_column(width=8, justify="right", style="dim")
    row.add_column(width=_WHO_WIDTH)
    row.add_column()
    who = Text(step.who, _STYLES.get(step.who, ""))
    if step.to:
        who.append(f" {arrow} ", "dim").append(step.to, _STYLES.get(step.to, ""))
    row.add_row(f"{step.elapsed_s:.1f} s", who, _sentence(step))
    return row


def _sentence(step: Step) -> Text:
    text = Text(step.text, "bold red" if step.failed else "")
    text.highlight_regex(r"\b[A-Z]+_COMPLETE\b", "green")
    text.highlight_regex(r"\b[A-Z]+_IN_PROGRESS\b", "dim")
    text.highlight_regex(r"\bgeneration \d+\b", "bold")
    return text


def _outputs(outputs: Outputs) -> Table:
    table = Table.grid(padding=(0, 1))
    for name, value in outputs.values.items():
        style = "dim" if value.startswith("(") or not value else "bold"
        table.add_row(Text("output", "dim"), name, Text("=", "dim"), Text(one_line(value), style))
    return table


def for_stream(stream: TextIO, *, as_json: bool = False) -> Show:
    """Choose what suits a stream: JSON when asked for, colours on a terminal, else text."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    if as_json:
        return JsonShow(stream)
    console = Console(file=stream, highlight=False)
    return RichShow(console) if console.is_terminal else PlainShow(stream)
