# SPDX-License-Identifier: Apache-2.0
"""What can go wrong in a measurement; the cloud and the guests have errors of their own.

BenchFailed
├── Late             something did not happen in the time that it was given
├── Stopped          the run is over (interrupted, or its time is up); what waits gives up
└── NoReleasedAgent  heat-agents' scripts cannot be had

Each prints as one sentence for the person who measures.
"""


class BenchFailed(Exception):
    """Root of everything that this package raises on purpose."""


class Late(BenchFailed):
    """Something did not happen in time.

    Args:
        what: What was waited for.
        timeout_s: How long, in seconds.
    """

    def __init__(self, what: str, timeout_s: float) -> None:
        super().__init__(what, timeout_s)
        self.what = what
        self.timeout_s = timeout_s

    def __str__(self) -> str:
        return f"waited {self.timeout_s:.0f} s for {self.what}"


class Stopped(BenchFailed):
    """The run is over."""

    def __str__(self) -> str:
        return "the run was stopped"


class NoReleasedAgent(BenchFailed):
    """The released scripts are neither in the cache nor to be fetched."""
