# SPDX-License-Identifier: Apache-2.0
"""What a run has measured, for people and for machines. No I/O."""

import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from os import cpu_count
from typing import Any

from rich.table import Table

from bench.stats import HOW, Figures

PACKAGES = (
    "heat-zaqar-transport",
    "openstack-heat",
    "zaqar",
    "keystone",
    "python-zaqarclient",
    "os-collect-config",
)


@dataclass
class Series:
    """One way's measurements.

    Attributes:
        name: What it is called in the table.
        wanted: How many values there are to be.
        values: Seconds, in the order in which they were measured.
        failures: What happened instead of a value, one sentence each.
        extra: Further series of seconds that belong to the same samples, by name.
    """

    name: str
    wanted: int
    values: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    extra: dict[str, list[float]] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON types; seconds to the millisecond."""
        return {
            "name": self.name,
            "wanted": self.wanted,
            **_figures(self.values),
            "failures": self.failures,
            "values": [round(value, 3) for value in self.values],
            "extra": {name: _figures(values) for name, values in self.extra.items()},
        }


@dataclass
class Report:
    """One run.

    Attributes:
        command: Which measurement it is.
        title: What is measured, from what to what.
        began: When, seconds since the epoch.
        series: One for each way.
        notes: What one has to know to read the figures.
    """

    command: str
    title: str
    began: float
    series: list[Series] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, wanted: int) -> Series:
        """Begin a series."""
        self.series.append(Series(name, wanted))
        return self.series[-1]

    @property
    def complete(self) -> bool:
        """Whether everything that was wanted has been measured."""
        return bool(self.series) and all(len(s.values) == s.wanted for s in self.series)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON types."""
        began = datetime.fromtimestamp(self.began, UTC)
        return {
            "command": self.command,
            "title": self.title,
            "unit": "s",
            "began": began.isoformat(timespec="seconds"),
            "complete": self.complete,
            "machine": machine(),
            "percentiles": HOW,
            "series": [each.as_json() for each in self.series],
            "notes": self.notes,
        }


def machine() -> dict[str, Any]:
    """Say what it was measured on: cores, and versions."""
    return {
        "cores": cpu_count(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
    }


def table(report: Report) -> Table:
    """Draw a report; one row for each series, and for what belongs to it."""
    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("way", no_wrap=True)
    for name in ("n", "median", "p90", "p99", "max", "lost"):
        drawn.add_column(name, justify="right")
    for series in report.series:
        drawn.add_row(series.name, *_cells(series.values), str(len(series.failures) or ""))
        for name, values in series.extra.items():
            drawn.add_row(f"  {name}", *_cells(values), "", style="dim")
    return drawn


def remarks(report: Report) -> list[str]:
    """Return what is to be read below the table."""
    lost = [f"{s.name}: lost: {why}" for s in report.series for why in dict.fromkeys(s.failures)]
    return [*lost, *report.notes, HOW]


def _cells(values: Sequence[float]) -> list[str]:
    if not values:
        return ["0", "", "", "", ""]
    found = Figures.of(values)
    seconds = (found.median, found.p90, found.p99, found.maximum)
    return [str(found.count), *(f"{value:.3f}" for value in seconds)]


def _figures(values: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"n": 0}
    found = Figures.of(values)
    return {
        "n": found.count,
        "median": round(found.median, 3),
        "p90": round(found.p90, 3),
        "p99": round(found.p99, 3),
        "max": round(found.maximum, 3),
    }


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
