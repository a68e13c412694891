"""In which order tests run, and which of them beside each other, when pytest-xdist spreads them.

Tests of a module below tests/unit and tests/engine stay together, and so do those of one
`xdist_group`. All others are spread one by one. What is in the group "serial" kills or
reconfigures services of the shared cloud, or asserts on latency: it runs last, when nothing else
does, in one process.
"""

from xdist.scheduler import LoadGroupScheduling

SERIAL = "serial"

# What takes longest begins first: Nova, whose environment pip makes meanwhile, then other clouds of
# their own, then what waits for services. What only computes fills the gaps at the end.
_ORDER = ("tests/e2e", "tests/faults", "tests/heavy", "tests/zaqar", "tests/contract")
_FIRST = "nova"
# Credentials live for a minute and a half there: not while all the clouds boot.
_LATER = "lifetimes"
_TOGETHER = ("tests/unit", "tests/engine")


def group_of(item):
    """Return the name of the test's group; None: it has none."""
    mark = item.get_closest_marker("xdist_group")
    return mark and mark.args[0]


def rank(item):
    """Return what tests are sorted by."""
    path = item.nodeid.partition("::")[0]
    group = group_of(item)
    place = next((n for n, each in enumerate(_ORDER) if path.startswith(each)), len(_ORDER))
    grouped = group is not None and group != _LATER
    return group == SERIAL, group != _FIRST, not grouped, place, group or ""


class TwoPhases(LoadGroupScheduling):
    """Spreads everything but the serial group; then one process runs that."""

    def _split_scope(self, nodeid):
        scope = super()._split_scope(nodeid)
        alone = scope == nodeid and nodeid.startswith(_TOGETHER)
        return nodeid.partition("::")[0] if alone else scope

    def _assign_work_unit(self, node):
        if self._serial_is_next and self._busy(node):
            return  # `_reschedule` comes back to it
        super()._assign_work_unit(node)

    def _reschedule(self, node):
        if not self._serial_is_next:
            super()._reschedule(node)
            return
        last, *others = [each for each in self.nodes if not each.shutting_down] or [node]
        for each in others:
            # It takes its last test only when it hears that there is no other.
            each.shutdown()
        self._assign_work_unit(last)

    def remove_node(self, node):
        crashed = super().remove_node(node)
        if SERIAL in self.workqueue:
            self.workqueue.move_to_end(SERIAL)
        return crashed

    @property
    def _serial_is_next(self):
        return next(iter(self.workqueue), None) == SERIAL

    def _busy(self, node):
        """Tell whether another process has tests to run."""
        return any(
            self._pending_of(work) for each, work in self.assigned_work.items() if each is not node
        )
