# SPDX-License-Identifier: Apache-2.0
"""A cloud with the stacks and servers of one measurement; leaving it ends what it started."""

import contextlib
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bench.guests import our_guest, released_guest
from bench.heat_rows import HeatRows
from bench.progress import Show
from bench.released import ReleasedScripts
from bench.stacks import BenchStack
from bench.waiting import Clock
from localcloud import LocalCloud
from localcloud.guest import Guest


@dataclass(frozen=True)
class Run:
    """What all of a run's measurements share.

    Attributes:
        show: Progress.
        clock: Ends the run.
        scratch: The run's directory.
        attached: A running cloud to use where it fits, which is left running; `None`: none.
    """

    show: Show
    clock: Clock
    scratch: Path
    attached: LocalCloud | None


class Lab:
    """One cloud in use. Its methods may be called from any thread.

    Args:
        cloud: Which.
        run: The run.
        ends: Gets what there is to do at the end.
        ours: Whether the cloud is the run's own, so that stacks need not be deleted.
    """

    def __init__(self, cloud: LocalCloud, run: Run, ends: ExitStack, *, ours: bool) -> None:
        self.cloud = cloud
        self.clock = run.clock
        self.show = run.show
        self._directory = run.scratch / "servers"
        self._ends = ends
        self.ours = ours
        self._lock = threading.Lock()

    def rows(self) -> HeatRows:
        """Open Heat's database; the connection serves one thread at a time."""
        with self._lock:
            return self._ends.enter_context(HeatRows(self.cloud.plan))

    def stack(self, name: str, rows: HeatRows) -> BenchStack:
        """Prepare a stack; nothing is asked of Heat yet."""
        stack = BenchStack(self.cloud.heat(), rows, self.clock, name)
        if not self.ours:
            with self._lock:
                self._ends.callback(stack.delete)
        return stack

    def guest(self, name: str, scripts: ReleasedScripts | None = None) -> Guest:
        """Lay a server out.

        Args:
            name: The name of its directory, too.
            scripts: heat-agents'; `None`: our agent.
        """
        directory = self._directory / name
        if scripts is None:
            guest = our_guest(directory, name)
        else:
            guest = released_guest(directory, name, scripts)
        with self._lock:
            self._ends.callback(guest.stop)
        return guest


@contextlib.contextmanager
def open_lab(run: Run, *, plugin: bool) -> Iterator[Lab]:
    """Use the attached cloud, if it fits, or boot one.

    Args:
        run: The run.
        plugin: Whether Heat is to run with our plugin.

    Raises:
        LocalCloudError: It cannot be booted.
    """
    with ExitStack() as ends:
        attached = run.attached
        if attached is not None and bool(attached.plan.plugin_dirs) == plugin:
            yield Lab(attached, run, ends, ours=False)
            return
        yield Lab(ends.enter_context(_boot(run, plugin=plugin)), run, ends, ours=True)


def _boot(run: Run, *, plugin: bool) -> LocalCloud:
    name = "cloud" if plugin else "cloud-as-released"
    what = "with the plugin" if plugin else "as released, without the plugin"
    with run.show.booting(f"booting a cloud, Heat {what}") as shown:
        return LocalCloud.start(
            run.scratch / name,
            keep=True,
            on_progress=shown.show,
            plugin_dirs=None if plugin else (),
        )
